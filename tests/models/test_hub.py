"""The hub profile, against a folder in the hub cache's layout with random weights, full size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from course import models

LOADER = """
import json, torch
torch.set_num_threads(1)
from course import models
found = {}
for role in ("encoder", "masked_lm", "causal_lm"):
    model, tokenizer = models.load(role)
    inputs = tokenizer("the cat drinks milk", return_tensors="pt")
    with torch.no_grad():
        output = model(**inputs)
    found[role] = [type(model).__name__, list(output[0].shape), model.training, str(model.dtype)]
    weights = models.attentions(model, inputs)
    found[role] += [len(weights), weights[0].shape[1], tokenizer.pad_token]
try:
    models.load("encoder", checkpoint="bert-base-cased")
except models.loading.CourseError as error:
    found["error"] = str(error)
print("RESULT" + json.dumps(found))
"""


def _snapshot(cache: Path, name: str) -> Path:
    """The folder of a hub model's one snapshot, as huggingface_hub lays it out."""
    folder = cache / f"models--{name}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0" * 40)
    snapshot = folder / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    return snapshot


def run_with_hub(cache: Path, program: str) -> list[str]:
    """The lines that a program prints which sees this hub cache and no network."""
    env = os.environ | {
        "COURSE_PROFILE": "hub",
        "HF_HUB_CACHE": str(cache),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def hub_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel

    cache = tmp_path_factory.mktemp("hub")
    torch.manual_seed(0)
    for name, model_class, config, role in (
        ("bert-base-uncased", BertForMaskedLM, BertConfig(), "encoder"),
        ("gpt2", GPT2LMHeadModel, GPT2Config(), "small_gpt2"),
    ):
        with torch.device("meta"):
            model = model_class(config).half()
        model = model.to_empty(device="cpu")
        model.tie_weights()
        for weight in model.parameters():  # every weight random, without the library's slow init
            weight.data = (torch.rand_like(weight, dtype=torch.float32) * 0.04 - 0.02).half()
        model.tie_weights()
        snapshot = _snapshot(cache, name)
        model.save_pretrained(snapshot)
        tokenizer = AutoTokenizer.from_pretrained(models.locate(role))
        tokenizer.pad_token = "[PAD]" if role == "encoder" else None
        tokenizer.save_pretrained(snapshot)
    return cache


@pytest.mark.slow
def test_hub_calls_and_shapes(hub_cache: Path) -> None:
    *lines, result = run_with_hub(hub_cache, LOADER)
    assert lines[0] == ("encoder: bert-base-uncased, 109.5 M parameters, Apache-2.0, from the hub")
    assert lines[2] == "causal_lm: gpt2, 124.4 M parameters, MIT, from the hub"
    found = json.loads(result.removeprefix("RESULT"))
    bert = gpt2 = [False, "torch.float32", 12, 12]  # 12 layers of 12 heads, in eval mode
    assert found["encoder"] == ["BertModel", [1, 6, 768], *bert, "[PAD]"]
    assert found["masked_lm"] == ["BertForMaskedLM", [1, 6, 30522], *bert, "[PAD]"]
    name, shape, *rest = found["causal_lm"]
    assert (name, shape[-1], rest) == ("GPT2LMHeadModel", 50257, [*gpt2, "<|endoftext|>"])
    assert "bert-base-cased is not on this machine and the hub cannot be reached" in found["error"]


def test_marian_names_and_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's translator asks for the model of the pair, once, and decodes what it generates."""
    import torch

    from course.models import translation

    class Model:
        def generate(self, input_ids: torch.Tensor, **_: object) -> torch.Tensor:
            return input_ids.flip(-1)

    class Tokenizer:
        def __call__(self, text: str, **_: object) -> dict[str, torch.Tensor]:
            return {"input_ids": torch.tensor([[ord(letter) for letter in text]])}

        def decode(self, ids: torch.Tensor, skip_special_tokens: bool) -> str:
            return "".join(chr(i) for i in ids.tolist())

    asked = []

    def pretrained(auto: str, name: str) -> tuple[Model, Tokenizer]:
        asked.append((auto, name))
        return Model(), Tokenizer()

    monkeypatch.setenv("COURSE_PROFILE", "hub")
    translate = translation.translator(models.entry_for("translator"), pretrained)
    assert translate("abc", "en", "fr") == "cba"
    assert translate("def", "en", "fr") == "fed"
    translate("abc", "pt", "en")
    assert asked == [
        ("AutoModelForSeq2SeqLM", "Helsinki-NLP/opus-mt-en-fr"),
        ("AutoModelForSeq2SeqLM", "Helsinki-NLP/opus-mt-ROMANCE-en"),
    ]


MARIAN = """
import json, torch
torch.set_num_threads(1)
from course import models
translate = models.load("translator")
text = translate("The cat drinks milk.", "en", "fr")
model, tokenizer = next(iter(translate._loaded.values()))
found = [type(model).__name__, model.training, model.config.encoder_layers, type(text).__name__]
ids = tokenizer("The cat drinks milk.")["input_ids"]
found += [tokenizer.decode(ids, skip_special_tokens=True)]
print("RESULT" + json.dumps(found))
"""


def save_marian(snapshot: Path) -> None:
    """opus-mt-en-fr's architecture with random weights, and a tokenizer of two sentences."""
    import sentencepiece
    import torch
    from transformers import MarianConfig, MarianMTModel

    last = 59513
    config = MarianConfig(
        vocab_size=last + 1, d_model=512, encoder_layers=6, decoder_layers=6,
        encoder_ffn_dim=2048, decoder_ffn_dim=2048, encoder_attention_heads=8,
        decoder_attention_heads=8, max_position_embeddings=512, static_position_embeddings=True,
        pad_token_id=last, decoder_start_token_id=last, eos_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    model = MarianMTModel(config)
    model.generation_config.update(max_length=8, num_beams=2, bad_words_ids=[[last]])
    model.save_pretrained(snapshot)
    prefix = snapshot / "pieces"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["The cat drinks milk.", "The dog drinks water."] * 50),
        model_prefix=str(prefix), vocab_size=40, hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    pieces = sentencepiece.SentencePieceProcessor(model_file=f"{prefix}.model")
    for name in ("source.spm", "target.spm"):
        (snapshot / name).write_bytes(Path(f"{prefix}.model").read_bytes())
    names = [pieces.id_to_piece(i) for i in range(pieces.get_piece_size())]
    words = ["</s>", "<unk>", *(n for n in names if n not in ("</s>", "<unk>", "<s>"))]
    words += [f"▁word{i}" for i in range(len(words), last)]  # a random model says any of them
    vocabulary = {word: i for i, word in enumerate(words)} | {"<pad>": last}
    (snapshot / "vocab.json").write_text(json.dumps(vocabulary))
    languages = {"source_lang": "en", "target_lang": "fr", "tokenizer_class": "MarianTokenizer"}
    (snapshot / "tokenizer_config.json").write_text(json.dumps(languages))


@pytest.mark.slow
def test_marian_from_a_hub_cache(tmp_path: Path) -> None:
    save_marian(_snapshot(tmp_path, "Helsinki-NLP--opus-mt-en-fr"))
    lines = run_with_hub(tmp_path, MARIAN)
    found = json.loads(lines[-1].removeprefix("RESULT"))
    assert found == ["MarianMTModel", False, 6, "str", "The cat drinks milk."]

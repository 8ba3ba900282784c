"""The reference for `sentiment` against torch and transformers; its checks against specimens."""

from __future__ import annotations

import runpy
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from torch import Tensor
from transformers import BertConfig, BertModel, GPT2Config, GPT2Model

import benchmarks.sentiment as measure
from course.checks import Check, Draw, seeded
from course.checks import sentiment_toys as toys
from course.remembering import RememberingEncoder
from solutions.encoder import Bert
from solutions.sentiment import ClsClassifier, GruSentiment, binary_accuracy, predict_sentiment
from tests.harness import caught_by, failed, grade_file, specimens, suites

WORD = "sentiment"
SOLUTION = Path(__file__).parent.parent / "solutions" / "sentiment.py"
NAMES = ("ClsClassifier", "GruSentiment", "binary_accuracy", "predict_sentiment")
STUB = "".join(
    f"class {n}:\n    def __init__(self, *args, **kwargs):\n        raise NotImplementedError()\n"
    if n[0].isupper()
    else f"def {n}(*args, **kwargs):\n    raise NotImplementedError()\n"
    for n in NAMES
)
CHECKS: dict[str, tuple[Any, Check]] = {c.name: (s, c) for s in suites(WORD) for c in s.checks}


pytestmark = pytest.mark.usefixtures("one_thread_with_gradients")


def a_bert(words: int = 30, dim: int = 16) -> BertModel:
    """A small BERT in training mode, as one that is made from its config comes."""
    config = BertConfig(
        vocab_size=words,
        hidden_size=dim,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=40,
        hidden_dropout_prob=0.3,
    )
    return BertModel(config, add_pooling_layer=False)


def a_batch(lengths: list[int], side: str = "right", words: int = 30) -> tuple[Tensor, Tensor]:
    """Random ids and their attention mask, padded on one side."""
    ids, mask = toys.a_batch(Draw(0), lengths, side)
    return torch.randint(1, words, ids.shape), mask


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("side", ["left", "right"])
def test_gru_reads_as_torch_reads_each_text_alone(layers: int, both: bool, side: str) -> None:
    encoder = toys.scripted_encoder(torch.randn(12, 6), torch.eye(6), torch.zeros(6))
    model = GruSentiment(encoder, 7, layers, both).eval()
    ids, mask = a_batch([9, 1, 4, 7], side, words=12)
    logits = model(ids, mask)
    for row in range(4):
        states = encoder.embeddings(ids[row][mask[row].bool()])  # (tokens, 6)
        final = model.gru(states)[1][-2 if both else -1 :].flatten()
        torch.testing.assert_close(logits[row], model.head(final)[0])


def test_padding_of_a_real_bert_has_no_effect() -> None:
    model = GruSentiment(a_bert(), 8).eval()
    ids, mask = a_batch([9, 5, 2])
    torch.testing.assert_close(model(ids, mask), toys.alone(model, ids, mask))
    other = ids.where(mask.bool(), 29)
    torch.testing.assert_close(model(other, mask), model(ids, mask))
    torch.testing.assert_close(model(ids, mask.bool()), model(ids, mask))


def test_mixed_padding_sides_in_one_batch() -> None:
    encoder = toys.scripted_encoder(torch.randn(12, 6), torch.eye(6), torch.zeros(6))
    (ids, left), right = a_batch([6, 3], "left", words=12), a_batch([6, 3])[1]
    for model in (GruSentiment(encoder, 5).eval(), ClsClassifier(encoder, 3).eval()):
        moved = torch.stack([ids[0], ids[1].roll(3)])  # the same texts, padded on the right
        found = model(torch.cat([ids, moved]), torch.cat([left, right]))
        torch.testing.assert_close(found[:2], found[2:])


def test_classifier_is_transformers_layer_on_cls() -> None:
    encoder, (ids, mask) = a_bert().eval(), a_batch([6, 4])
    model = ClsClassifier(encoder, 3).eval()
    hidden = encoder(ids, attention_mask=mask).last_hidden_state
    torch.testing.assert_close(model(ids, mask), model.head(hidden[:, 0]))


@pytest.mark.parametrize("freeze", [True, False])
def test_freeze_decides_what_learns(freeze: bool) -> None:
    model = ClsClassifier(a_bert(), 3, freeze=freeze, dropout=0.1).train()
    model(*a_batch([5, 4])).square().sum().backward()
    reached = {name for name, p in model.named_parameters() if p.grad is not None}
    assert {"head.weight", "head.bias"} <= reached
    assert any(name.startswith("encoder.") for name in reached) is not freeze
    assert all(module.training is not freeze for module in model.encoder.modules())


def test_partly_tuned_encoders_stay_partly_tuned() -> None:
    encoder = a_bert().requires_grad_(False)
    encoder.encoder.layer[1].requires_grad_(True)
    model = ClsClassifier(encoder, 2)
    learning = [name for name, p in model.encoder.named_parameters() if p.requires_grad]
    assert learning and all(name.startswith("encoder.layer.1") for name in learning)


def test_the_encoder_of_the_gru_is_frozen_and_without_dropout() -> None:
    model, batch = GruSentiment(a_bert(), 5, dropout=0.0).train(), a_batch([5, 4])
    torch.testing.assert_close(model(*batch), model(*batch))
    assert model.training and not any(m.training for m in model.encoder.modules())
    model(*batch).sum().backward()
    assert all(p.grad is None for p in model.encoder.parameters())
    assert all(p.grad is not None for p in [*model.gru.parameters(), *model.head.parameters()])


def test_one_layer_with_dropout_gives_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = GruSentiment(a_bert(), 5, num_layers=1, dropout=0.5)
    batch = a_batch([5, 4])
    assert not torch.equal(model(*batch), model(*batch))


def test_other_encoders_serve_as_well() -> None:
    batch = a_batch([5, 4])
    gpt2 = GPT2Model(GPT2Config(vocab_size=30, n_embd=8, n_layer=1, n_head=2, n_positions=12))
    assert GruSentiment(gpt2, 4)(*batch).shape == (2,)
    plain = RememberingEncoder(a_bert())  # returns a tensor
    assert ClsClassifier(plain, 4, freeze=True)(*batch).shape == (2, 4)
    with pytest.raises(ValueError, match="hidden size of Bert is not known: give the encoder a"):
        ClsClassifier(Bert(30, 1, 8, 2, 16), 2)


def test_bad_batches() -> None:
    ids, mask = a_batch([5, 4])
    for model in (GruSentiment(a_bert(), 4), ClsClassifier(a_bert(), 2)):
        with pytest.raises(ValueError, match="attention_mask is all zeros in row 1"):
            model(ids, mask * torch.tensor([[1], [0]]))
        with pytest.raises(ValueError, match=r"but they are \(2, 5\) and \(2, 4\)"):
            model(ids, mask[:, :4])
        with pytest.raises(ValueError, match=r"but they are \(0, 5\)"):
            model(ids[:0], mask[:0])


def test_binary_accuracy() -> None:
    logits, labels = torch.tensor([0.3, -0.1, 5.0, -7.0]), torch.tensor([1, 0, 0, 0])
    for dtype in (torch.int64, torch.float32, torch.bool):
        assert binary_accuracy(logits.requires_grad_(), labels.to(dtype)) == 0.75
    for bad in (2, -1, 0.5):
        with pytest.raises(ValueError, match=f"labels must be 0 or 1, but {bad} is among them"):
            binary_accuracy(logits, torch.tensor([0, bad, 1, 1]))
    with pytest.raises(ValueError, match=r"but they are \(4,\) and \(4, 1\)"):
        binary_accuracy(logits, labels[:, None])
    with pytest.raises(ValueError, match="not be empty"):
        binary_accuracy(logits[:0], labels[:0])


def test_predict_serves_one_logit_and_two() -> None:
    tokenizer, encoder = toys.tokenizer(), a_bert(words=14)
    ids = torch.tensor([toys.token_ids("not a good film")])
    one, two = GruSentiment(encoder, 6).train(), ClsClassifier(encoder, 2).train()
    one.gru.eval()  # a mixed mode must survive
    found = [predict_sentiment(model, tokenizer, "not a good film") for model in (one, two)]
    assert one.training and one.encoder.training and not one.gru.training and two.training
    mask = torch.ones_like(ids)
    assert abs(found[0] - one.eval()(ids, mask).sigmoid().item()) < 1e-6
    assert abs(found[1] - two.eval()(ids, mask).softmax(-1)[0, 1].item()) < 1e-6


def test_predict_cuts_long_texts_with_a_notice() -> None:
    model, tokenizer = GruSentiment(a_bert(words=14), 6), toys.tokenizer()
    with pytest.warns(UserWarning, match="has 62 tokens, the model reads 40: the end is cut"):
        long = predict_sentiment(model, tokenizer, "good " * 60)
    assert long == predict_sentiment(model, tokenizer, "good " * 38)


def test_predict_refuses_what_is_no_text() -> None:
    model, tokenizer = GruSentiment(a_bert(words=14), 6), toys.tokenizer()
    for text in ("", "  \n"):
        with pytest.raises(ValueError, match="holds no word"):
            predict_sentiment(model, tokenizer, text)
    with pytest.raises(TypeError, match="one string, but it is a list"):
        predict_sentiment(model, tokenizer, ["good"])  # type: ignore[arg-type]


def test_remembered_states_are_those_of_the_encoder() -> None:
    encoder, (ids, mask) = a_bert().eval(), a_batch([7, 3, 5])
    wanted = encoder(ids, attention_mask=mask).last_hidden_state * mask[..., None]
    remembering = RememberingEncoder(encoder).train()
    for count in (3, 3):  # the second time they are looked up
        torch.testing.assert_close(remembering(ids, mask), wanted, atol=2e-3, rtol=2e-3)
        assert remembering.computed == count
    left = ids[1:2].roll(4, 1), mask[1:2].roll(4, 1)
    torch.testing.assert_close(remembering(*left)[0, 4:], remembering(ids, mask)[1, :3])
    assert remembering.computed == 3 and remembering.megabytes == 15 * 16 * 2 / 1e6


def test_what_does_not_fit_is_computed_each_time() -> None:
    remembering, batch = RememberingEncoder(a_bert(), gigabytes=3 * 16 * 2 / 1e9), a_batch([7, 3])
    first = remembering(*batch)
    torch.testing.assert_close(remembering(*batch), first)
    assert remembering.computed == 3


def test_the_measurement_keeps_the_best_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    given = ["--epochs", "3", "--batch", "4", "--device", "cpu"]
    monkeypatch.setattr("sys.argv", ["sentiment", *given])
    options, kind = measure.arguments(), ["a bad film", "not good", "a good film", "not bad"]
    rows = Dataset.from_dict({"text": kind * 4, "label": [0, 0, 1, 1] * 4})
    texts = measure.Texts(rows, toys.tokenizer(), 12, 512)
    remembering = RememberingEncoder(a_bert(words=14))
    model, rate = measure.build("gru", remembering.encoder, remembering, options)
    splits = dict.fromkeys(("train", "dev", "test"), texts)
    found = measure.run(model, splits, 10 * rate, options, 0)
    # dev and test are the same texts: only the best weights give the best accuracy again.
    assert found.dev == found.test == measure.accuracy(model, texts, "cpu")
    assert len(found.seconds) == 3 and remembering.computed == 4 and len(texts) == 12


def one_check(name: str, path: Path, seed: int = 1) -> str | None:
    """What one check says about a file, run in this process."""
    suite, check = CHECKS[name]
    with seeded(seed):
        return suite._run(check, runpy.run_path(str(path))[check.about], {}).message


# Wrong specimens meet their check in this process, which is fast; a few go through the judge below.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", specimens(WORD, "wrong"), ids=lambda p: p.stem)
def test_wrong_specimens_lose_the_points_of_their_check(path: Path) -> None:
    message = one_check(caught_by(path), path)
    assert message is not None and len(message) < 500
    print(f"  {path.stem:<40} {caught_by(path)}: {message}")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", [SOLUTION, *specimens(WORD, "right")], ids=lambda p: p.stem)
def test_right_answers_get_full_marks(path: Path) -> None:
    for name in CHECKS:
        assert one_check(name, path) is None, name


CROSSING = ("features_under_no_grad", "both_directions_at_the_last_token", "model_without_mask")


@pytest.mark.parametrize("name", CROSSING)
def test_judge_and_worker_see_the_same(name: str) -> None:
    path = next(p for p in specimens(WORD, "wrong") if p.stem == name)
    assert caught_by(path) in failed(grade_file(WORD, path))


def test_the_solution_gets_full_marks_from_the_judge() -> None:
    assert failed(grade_file(WORD, SOLUTION)) == {}


def test_the_stub_passes_nothing(tmp_path: Path) -> None:
    (tmp_path / "stub.py").write_text(STUB)
    messages = [one_check(name, tmp_path / "stub.py") for name in CHECKS]
    assert all("is not written yet" in str(message) for message in messages)


def test_every_check_has_a_specimen() -> None:
    assert {*CHECKS} == {caught_by(path) for path in specimens(WORD, "wrong")}

"""The reference GPT against transformers' GPT-2, and its checks against right and wrong answers."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel

from benchmarks.gpt_weights import gpt_from_transformers
from course import models
from course.checks import Result, collect, gpt_toys, seeded
from course.syllabus import exercise
from solutions.gpt import (
    GPT,
    CausalSelfAttention,
    LanguageModelingDataset,
    collate_language_modeling,
    generate,
    top_k_table,
)
from tests.harness import caught_by, failed, grade_file, grade_in_process, specimens, suites

WORD = "gpt"
SOLUTION = Path(__file__).parent.parent / "solutions" / "gpt.py"
CHECKS = {check.name: (suite, check) for suite in suites(WORD) for check in suite.checks}
SIZES = (13, 11, 2, 2, 8)


pytestmark = pytest.mark.usefixtures("one_thread_with_gradients")


def random_gpt2(layers: int, heads: int, dim: int, positions: int = 40) -> GPT2LMHeadModel:
    """A GPT-2 of transformers far from its first weights, so that no part is silent."""
    sizes = {"n_layer": layers, "n_head": heads, "n_embd": dim, "n_positions": positions}
    model = GPT2LMHeadModel(GPT2Config(vocab_size=50, **sizes, bos_token_id=0, eos_token_id=0))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def padded(side: str, batch: int, length: int) -> Tensor:
    """An attention mask whose first row is padded by half."""
    mask = torch.ones(batch, length, dtype=torch.long)
    mask[0, : length // 2] = 0
    return mask if side == "left" else mask.flip(1)


@pytest.mark.parametrize("sizes", [(1, 1, 8), (3, 4, 24), (2, 5, 15)])
@pytest.mark.parametrize(("batch", "length"), [(3, 7), (1, 1), (2, 40)])
@torch.no_grad()
def test_equals_gpt2_with_its_weights(sizes: tuple, batch: int, length: int) -> None:
    theirs = random_gpt2(*sizes)
    ours, ids = gpt_from_transformers(theirs), torch.randint(0, 50, (batch, length))
    torch.testing.assert_close(ours(ids), theirs(ids).logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
@torch.no_grad()
def test_equals_gpt2_with_padding(side: str) -> None:
    theirs, mask = random_gpt2(2, 2, 16), padded(side, 3, 9)
    ours, ids = gpt_from_transformers(theirs), torch.randint(0, 50, (3, 9))
    positions = (mask.cumsum(1) - 1).clamp(min=0)  # GPT-2 wants to be told; its generate does so
    wanted = theirs(ids, attention_mask=mask, position_ids=positions).logits
    real = mask == 1
    torch.testing.assert_close(ours(ids, mask)[real], wanted[real], atol=1e-5, rtol=1e-5)
    alone = ours(ids[:1][:, mask[0] == 1])
    torch.testing.assert_close(ours(ids, mask)[:1][:, mask[0] == 1], alone, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_equals_the_small_gpt2_and_writes_what_it_writes() -> None:
    theirs, tokenizer = models.load("small_gpt2", quiet=True)
    ours = gpt_from_transformers(theirs)
    ids = tokenizer("Once upon a time there was", return_tensors="pt").input_ids
    torch.testing.assert_close(ours(ids), theirs(ids).logits, atol=1e-5, rtol=1e-5)
    wanted = theirs.generate(ids, max_new_tokens=12, do_sample=False, pad_token_id=0)
    found, probabilities = generate(ours, ids, 12)
    assert torch.equal(found, wanted)
    same, theirs_own = generate(theirs, ids, 12)
    assert torch.equal(same, wanted)
    torch.testing.assert_close(probabilities, theirs_own, atol=1e-5, rtol=1e-4)
    tables = [top_k_table(model, tokenizer, ids, k=3) for model in (ours, theirs)]
    texts = [[[text for text, _ in row] for row in table] for table in tables]
    assert texts[0] == texts[1] and len(texts[0]) == ids.size(1)


def test_only_gpt2_of_our_build_can_be_copied() -> None:
    model = random_gpt2(1, 1, 8)
    model.config.activation_function = "relu"
    with pytest.raises(ValueError, match="activation_function='relu'"):
        gpt_from_transformers(model)


@torch.no_grad()
def test_a_cache_changes_no_logits() -> None:
    model, ids = GPT(*SIZES).eval(), torch.randint(0, 13, (3, 11))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    whole, cache = model(ids), model.new_cache()
    parts = [model(part, cache=cache) for part in ids.split([4, 1, 3, 1, 2], dim=1)]
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-4, rtol=1e-4)
    assert cache.length == 11
    with pytest.raises(ValueError, match=r"12 tokens .* context of 11"):
        model(ids[:, :1], cache=cache)


@torch.no_grad()
def test_a_cache_follows_its_beams() -> None:
    model, ids = GPT(*SIZES).eval(), torch.randint(0, 13, (2, 5))
    cache, rows = model.new_cache(), torch.tensor([1, 1, 0])
    model(ids, cache=cache)
    cache.reorder(rows)
    found = model(torch.tensor([[3], [4], [5]]), cache=cache, last_only=True)
    texts = torch.cat([ids[rows], torch.tensor([[3], [4], [5]])], dim=1)
    torch.testing.assert_close(found, model(texts, last_only=True), atol=1e-5, rtol=1e-5)


def test_generation_beyond_the_context_and_with_the_cache_agree() -> None:
    torch.manual_seed(1)
    model, prompt = GPT(*SIZES), torch.randint(0, 13, (2, 8))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    found, _ = generate(model, prompt, 9)
    ids = prompt
    for _ in range(9):
        ids = torch.cat([ids, model(ids[:, -11:])[:, -1].argmax(-1, keepdim=True)], dim=1)
    assert torch.equal(found, ids) and model.training
    ids, probabilities = generate(model, prompt, 0)
    assert torch.equal(ids, prompt) and probabilities.shape == (2, 0)


def test_a_mixed_mode_survives_generation() -> None:
    model = GPT(*SIZES, dropout=0.5).train()
    model.blocks[0].eval()
    generate(model, torch.zeros(1, 2).long(), 2)
    assert model.training and model.blocks[1].training and not model.blocks[0].training


@pytest.mark.parametrize("side", ["left", "right"])
def test_classes_do_not_hang_on_padding(side: str) -> None:
    model, mask = GPT(*SIZES, num_classes=3).eval(), padded(side, 2, 6)
    ids = torch.randint(0, 13, (2, 6))
    torch.testing.assert_close(model(ids, mask)[:1], model(ids[:1][:, mask[0] == 1]))
    torch.testing.assert_close(model(ids)[1:], model(ids, mask)[1:])


def test_a_window_of_length_n_holds_n_examples() -> None:
    text = torch.randint(0, 50, (101,))
    data = LanguageModelingDataset(text, 8)
    assert len(data) == 13 and sum(len(x) for x, _ in data) == 100
    assert torch.equal(data[-1][1], text[97:101]) and torch.equal(data[12][0], text[96:100])
    x, y = collate_language_modeling([data[i] for i in range(13)], pad_id=0)
    assert x.shape == y.shape == (13, 8) and int((y != -100).sum()) == 100
    for length in (0, 1):
        assert len(LanguageModelingDataset(text[:length], 1)) == 0


def test_the_loss_of_a_batch_falls_from_ln_v() -> None:
    model, ids = GPT(13, 11, 2, 2, 32), torch.randint(0, 13, (4, 9))
    losses = gpt_toys.overfit(model, ids[:, :-1], ids[:, 1:], 60, 1e-2)
    assert abs(losses[0] - 2.565) < 0.1 and losses[-1] < 0.5


def zeros(*shape: int) -> Tensor:
    return torch.zeros(*shape, dtype=torch.long)


CLASSIFIER = (*SIZES, 0.0, 2)
BAD: list[tuple[Callable[[], Any], str]] = [
    (lambda: GPT(*SIZES)(zeros(1, 12)), r"12 tokens .* context of 11"),
    (lambda: GPT(*SIZES)(zeros(1, 0)), r"at least one token, but are \(1, 0\)"),
    (lambda: GPT(*SIZES)(zeros(3)), r"are \(3,\)"),
    (lambda: GPT(*SIZES)(zeros(2, 3), zeros(2, 4)), r"\(2, 3\), but it has \(2, 4\)"),
    (lambda: GPT(*CLASSIFIER)(zeros(1, 3), zeros(1, 3)), "all padding"),
    (lambda: GPT(13, 0, 1, 2, 8), "13, 0, 1 and 8"),
    (lambda: GPT(13, 11, 1, 3, 8), "3 heads cannot share 8"),
    (lambda: CausalSelfAttention(8, 0), "0 heads"),
    (lambda: LanguageModelingDataset([1, 2], 0), "1 or more, but it is 0"),
    (lambda: LanguageModelingDataset([1, 2], 3)[1], "window 1 is out of range: there are 1"),
    (lambda: collate_language_modeling([], 0), "batch is empty"),
    (lambda: generate(GPT(*SIZES), zeros(1, 0), 1), r"at least one token, but they are \(1, 0\)"),
    (lambda: generate(GPT(*SIZES), zeros(1, 2), -1), "0 or more, but it is -1"),
    (lambda: generate(GPT(*SIZES), zeros(1, 2), 1, 0.0, None, True), "above 0, but it is 0.0"),
    (lambda: generate(GPT(*SIZES), zeros(1, 2), 1, -1.0, None, True), "above 0, but it is -1.0"),
    (lambda: generate(GPT(*SIZES), zeros(1, 2), 1, 1.0, 14, True), "from 1 to 13, but it is 14"),
    (lambda: generate(GPT(*SIZES), zeros(1, 2), 1, 1.0, 0, True), "from 1 to 13, but it is 0"),
    (lambda: top_k_table(GPT(*SIZES), None, zeros(2, 3)), r"but they are \(2, 3\)"),
    (lambda: top_k_table(GPT(*SIZES), None, zeros(1, 3), 14), "from 1 to 13, but it is 14"),
]


@pytest.mark.parametrize(("call", "words"), BAD)
def test_bad_input_is_refused_in_words(call: Callable[[], Any], words: str) -> None:
    with pytest.raises((ValueError, IndexError), match=words):
        call()


def test_a_cache_and_padding_do_not_go_together() -> None:
    model = GPT(*SIZES)
    with pytest.raises(ValueError, match="rows of one length"):
        model(zeros(2, 4), padded("left", 2, 4), cache=model.new_cache())


def test_targets_and_logits_fit_the_loss() -> None:
    x, y = collate_language_modeling([(zeros(3), zeros(3)), (zeros(5), zeros(5))], 12)
    loss = F.cross_entropy(GPT(*SIZES)(x).flatten(0, 1), y.flatten())
    assert loss.isfinite()


def run_check(path: Path, name: str, seed: int = 1) -> Result:
    """One check on a file, in this process: the whole suite trains models, this need not."""
    suite, check = CHECKS[name]
    with seeded(seed), collect() as results:
        results.append(suite._run(check, runpy.run_path(str(path))[check.about], {}))
    return results[0]


@pytest.mark.parametrize("path", specimens(WORD, "wrong"), ids=lambda p: p.stem)
def test_wrong_specimens_lose_the_points_of_their_check(path: Path) -> None:
    result = run_check(path, caught_by(path))
    assert result.message is not None and result.points == 0
    assert len(result.message) < 500
    print(f"  {path.stem:<36} {result.name}: {result.message}")


@pytest.mark.filterwarnings("ignore:Converting a tensor")
@pytest.mark.parametrize("path", [SOLUTION, *specimens(WORD, "right")], ids=lambda p: p.stem)
def test_right_answers_get_full_marks(path: Path) -> None:
    assert failed(grade_in_process(WORD, path)) == {}


CROSSING = (
    "nan_on_left_padding",
    "generator_ignored",
    "pad_tokens_are_no_targets",
    "keys_detached",
)


@pytest.mark.parametrize("name", CROSSING)
def test_judge_and_worker_see_the_same(name: str) -> None:
    path = next(p for p in specimens(WORD, "wrong") if p.stem == name)
    assert caught_by(path) in failed(grade_file(WORD, path))


def test_the_solution_gets_full_marks_from_the_judge() -> None:
    assert failed(grade_file(WORD, SOLUTION)) == {}


STUB = "".join(
    f"class {n}:\n    def __init__(self, *args, **kwargs):\n        raise NotImplementedError()\n"
    if n[0].isupper()
    else f"def {n}(*args, **kwargs):\n    raise NotImplementedError()\n"
    for n in exercise(WORD).names
)


def test_the_stub_passes_nothing(tmp_path: Path) -> None:
    (tmp_path / "stub.py").write_text(STUB)
    results = grade_in_process(WORD, tmp_path / "stub.py")
    assert sum(r.points for r in results) == 0
    assert all("is not written yet" in str(r.message) for r in results)


def test_a_network_without_layers_passes_nothing(tmp_path: Path) -> None:
    empty = "import torch\nclass {0}(torch.nn.Module):\n    def __init__(self, *a, **k):\n"
    empty += "        super().__init__()\n"
    names = ("CausalSelfAttention", "GPT")
    (tmp_path / "stub.py").write_text(STUB + "".join(empty.format(name) for name in names))
    assert not [r.name for r in grade_in_process(WORD, tmp_path / "stub.py") if r.passed]


def test_every_check_has_a_specimen() -> None:
    assert set(CHECKS) == {caught_by(path) for path in specimens(WORD, "wrong")}

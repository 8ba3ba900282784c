"""The reference masked LM against transformers', and its checks against right and wrong answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import BertConfig, BertForMaskedLM, DataCollatorForLanguageModeling, pipeline

from course.checks import masked_lm_toys as toys
from solutions.encoder import Bert
from solutions.masked_lm import (
    fill_mask,
    mask_tokens,
    masked_lm_loss,
    pretraining_step,
    sample_mask,
)
from tests.harness import caught_by, failed, grade_file, grade_in_process, specimens, suites

WORD = "masked_lm"
SOLUTION = Path(__file__).parent.parent / "solutions" / "masked_lm.py"
NAMES = ("mask_tokens", "masked_lm_loss", "pretraining_step", "fill_mask", "sample_mask")
STUB = "".join(f"def {n}(*args, **kwargs):\n    raise NotImplementedError()\n" for n in NAMES)


pytestmark = pytest.mark.usefixtures("one_thread_with_gradients")


def batch(rows: int, length: int, words: int = 100) -> tuple[Tensor, Tensor]:
    """Random ids, and a mask that is true at both ends and in a ragged padding."""
    generator = torch.Generator().manual_seed(rows)
    ids = torch.randint(5, words, (rows, length), generator=generator)
    ends = torch.randint(length // 2, length, (rows, 1), generator=generator)
    places = torch.arange(length)
    return ids, (places == 0) | (places >= ends)


def shares(ids: Tensor, corrupted: Tensor, labels: Tensor, mask: int) -> Tensor:
    """How many tokens are masked, replaced, kept and not chosen."""
    chosen = labels != -100
    masked, same = corrupted == mask, corrupted == ids
    parts = (chosen & masked, chosen & ~masked & ~same, chosen & same, ~chosen)
    return torch.tensor([int(part.sum()) for part in parts])


def test_masks_as_transformers_does() -> None:
    """Two-sample comparison: each of four counts differs by less than its bound (1e-7 each)."""
    tokenizer = toys.tokenizer()
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
    ids = torch.randint(0, 19, (400, 100))
    special = torch.rand(400, 100) < 0.2
    theirs = shares(ids, *collator.torch_mask_tokens(ids.clone(), special), 9)
    ours = shares(ids, *mask_tokens(ids, special, 9, 19), 9)
    content = int((~special).sum())
    for mine, other, share in zip(
        ours.tolist(), theirs.tolist(), (0.12, 0.015, 0.015, 0.85), strict=True
    ):
        # Theirs may draw the mask token as a random word: 1 in 19 of 10 %.
        assert abs(mine - other) < 2 * toys.bound(content, share) + content * 0.015 / 19


def test_published_figures() -> None:
    """128 × 128 tokens of 100 words: 0.12 masked, 0.135 changed, 0.15 labelled, loss ln 100."""
    ids = torch.randint(0, 100, (128, 128))
    special = torch.zeros_like(ids, dtype=torch.bool)
    corrupted, labels = mask_tokens(ids, special, 100, 100)
    for count, share in (
        ((corrupted == 100).sum(), 0.12),
        ((corrupted != ids).sum(), 0.15 * (0.8 + 0.1 * 0.99)),
        ((labels != -100).sum(), 0.15),
    ):
        assert not toys.far(int(count), ids.numel(), share)
    torch.manual_seed(0)
    model = Bert(100, 2, 32, 4, 64)
    assert abs(masked_lm_loss(model(corrupted), labels).item() - 4.605) < 0.25


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
def test_mask_tokens_keeps_what_it_must(dtype: torch.dtype) -> None:
    ids, special = batch(6, 40)
    ids = ids.to(dtype)
    before = ids.clone()
    for only_mask in (False, True):
        corrupted, labels = mask_tokens(ids, special, 3, 100, 1.0, only_mask)
        assert torch.equal(ids, before) and corrupted.dtype == dtype
        assert labels.dtype == torch.int64
        assert torch.equal(labels, ids.long().masked_fill(special, -100))
        assert torch.equal(corrupted[special], ids[special])
    assert bool((corrupted[~special] == 3).all())
    corrupted, labels = mask_tokens(ids, special.long(), 3, 100, 0.0)
    assert torch.equal(corrupted, ids) and bool((labels == -100).all())


@pytest.mark.parametrize(("mask", "size"), [(0, 3), (1, 3), (2, 3), (3, 3), (7, 3)])
def test_random_words_are_all_but_the_mask_token(mask: int, size: int) -> None:
    ids = torch.full((100, 100), 50)
    corrupted, _ = mask_tokens(ids, torch.zeros_like(ids), mask, size, mask_rate=1.0)
    found = corrupted.unique().tolist()
    assert sorted({*range(size), mask, 50}) == found
    words = [w for w in range(size) if w != mask]
    for word in words:
        assert not toys.far(int((corrupted == word).sum()), 10_000, 0.1 / len(words))


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_outside_zero_to_one(rate: float) -> None:
    with pytest.raises(ValueError, match=f"mask_rate must lie between 0 and 1, but it is {rate}"):
        mask_tokens(*batch(2, 8), 3, 100, mask_rate=rate)


def test_bad_batches() -> None:
    ids, special = batch(2, 8)
    with pytest.raises(ValueError, match=r"no token: their shape is \(0, 8\)"):
        mask_tokens(ids[:0], special[:0], 3, 100)
    with pytest.raises(ValueError, match=r"shape of input_ids, \(2, 8\), but it has \(8,\)"):
        mask_tokens(ids, special[0], 3, 100)
    with pytest.raises(TypeError, match=r"bool or integer, but it is torch\.float32"):
        mask_tokens(ids, special.float(), 3, 100)
    with pytest.raises(ValueError, match=r"but they are \(2, 9, 5\) and \(2, 8\)"):
        masked_lm_loss(torch.zeros(2, 9, 5), ids)
    with pytest.raises(ValueError, match="not empty"):
        masked_lm_loss(torch.zeros(2, 0, 5), ids[:, :0])


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_loss_equals_transformers(dtype: torch.dtype) -> None:
    logits, (ids, special) = torch.randn(4, 12, 100).to(dtype), batch(4, 12)
    labels = ids.masked_fill(special, -100)
    wanted = F.cross_entropy(logits.double()[~special], ids[~special])
    torch.testing.assert_close(masked_lm_loss(logits, labels).double(), wanted, rtol=2e-2, atol=0)


def test_a_batch_without_labels_changes_nothing() -> None:
    logits = torch.randn(2, 3, 5, requires_grad=True)
    loss = masked_lm_loss(logits, torch.full((2, 3), -100))
    loss.backward()
    assert loss.item() == 0.0 and logits.grad is not None and not logits.grad.any()


def test_a_fixed_batch_is_overfitted() -> None:
    torch.manual_seed(1)
    ids = torch.randint(0, 20, (1, 12)).repeat(4, 1)
    model = Bert(20, 1, 32, 4, 64, dropout=0.1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    special = torch.zeros_like(ids)
    attention = torch.ones_like(ids)
    args = (model, optimizer, ids, special, 20, 20, attention)
    losses = [pretraining_step(*args) for _ in range(150)]
    assert losses[0] > 2.5 and sum(losses[-20:]) / 20 < 1.0
    assert model.training


def tiny_bert() -> BertForMaskedLM:
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=19,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=24,
        initializer_range=0.6,
        hidden_dropout_prob=0.5,
    )
    return BertForMaskedLM(config)


def test_fills_as_the_pipeline_of_transformers() -> None:
    model, tokenizer = tiny_bert(), toys.tokenizer()
    model.train()
    model.bert.embeddings.eval()  # a mixed mode must survive
    fills = fill_mask(model, tokenizer, "the [MASK] sat and a [MASK]", k=4)
    assert model.training and not model.bert.embeddings.training
    oracle = pipeline("fill-mask", model=model.eval(), tokenizer=tokenizer, top_k=4)
    for ours, theirs in zip(fills, oracle("the [MASK] sat and a [MASK]"), strict=True):
        for (token, probability), row in zip(ours, theirs, strict=True):
            assert token == tokenizer.convert_ids_to_tokens(row["token"])
            assert abs(probability - row["score"]) < 1e-5


def test_our_bert_fills_and_samples() -> None:
    model, tokenizer = Bert(19, 1, 16, 2, 32), toys.tokenizer(types=True)
    assert len(fill_mask(model, tokenizer, "[MASK] sat", k=19)[0]) == 19
    generator = torch.Generator().manual_seed(2)
    text = sample_mask(model, tokenizer, "the [MASK] sat", 1.5, generator)
    assert text.startswith("the") and model.training


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_filling_refuses_bad_input(temperature: float) -> None:
    model, tokenizer = Bert(19, 1, 16, 2, 32), toys.tokenizer()
    with pytest.raises(ValueError, match=f"above 0, but it is {temperature}"):
        sample_mask(model, tokenizer, "the [MASK]", temperature)
    with pytest.raises(ValueError, match=r"no mask token: put \[MASK\] into 'the cat'"):
        sample_mask(model, tokenizer, "the cat")
    with pytest.raises(ValueError, match=r"no mask token: put \[MASK\] into 'the cat'"):
        fill_mask(model, tokenizer, "the cat")
    for k in (0, 20):
        with pytest.raises(ValueError, match=f"between 1 and 19 words, but it is {k}"):
            fill_mask(model, tokenizer, "the [MASK]", k)


# Wrong specimens run in this process, which is fast; a few go through judge and worker below.
@pytest.mark.parametrize("path", specimens(WORD, "wrong"), ids=lambda p: p.stem)
def test_wrong_specimens_lose_the_points_of_their_check(path: Path) -> None:
    messages = failed(grade_in_process(WORD, path))
    assert caught_by(path) in messages, f"survives; fails only {sorted(messages)}"
    assert len(messages[caught_by(path)]) < 500
    print(f"  {path.stem:<40} {', '.join(n + '*' * (n == caught_by(path)) for n in messages)}")


@pytest.mark.filterwarnings("ignore:Converting a tensor")
@pytest.mark.parametrize("path", [SOLUTION, *specimens(WORD, "right")], ids=lambda p: p.stem)
def test_right_answers_get_full_marks(path: Path) -> None:
    assert failed(grade_in_process(WORD, path)) == {}


CROSSING = ("clean_input", "labels_everywhere", "generator_reseeded", "gradients_switched_off")


@pytest.mark.parametrize("name", CROSSING)
def test_judge_and_worker_see_the_same(name: str) -> None:
    path = next(p for p in specimens(WORD, "wrong") if p.stem == name)
    assert caught_by(path) in failed(grade_file(WORD, path))


def test_the_solution_gets_full_marks_from_the_judge() -> None:
    assert failed(grade_file(WORD, SOLUTION)) == {}


def test_the_stub_passes_nothing(tmp_path: Path) -> None:
    (tmp_path / "stub.py").write_text(STUB)
    results: list[Any] = grade_in_process(WORD, tmp_path / "stub.py")
    assert sum(r.points for r in results) == 0
    assert all("is not written yet" in str(r.message) for r in results)


def test_every_check_has_a_specimen() -> None:
    wanted = {check.name for suite in suites(WORD) for check in suite.checks}
    assert wanted == {caught_by(path) for path in specimens(WORD, "wrong")}

"""The reference attention against torch's, and its checks against right and wrong answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from course.checks import seeded
from solutions.attention import causal_mask, padding_mask, scaled_dot_product_attention
from tests.harness import caught_by, failed, grade_file, grade_in_process, specimens, suites

WORD = "attention"
SOLUTION = Path(__file__).parent.parent / "solutions" / "attention.py"
STUB = """
def scaled_dot_product_attention(query, key, value, mask=None, dropout=0.0):
    raise NotImplementedError()

def padding_mask(attention_mask):
    raise NotImplementedError()

def causal_mask(length):
    raise NotImplementedError()
"""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def some_inputs(*leading: int, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    """Query of 4, key and value of 6 positions; the sizes of all axes differ."""
    generator = torch.Generator().manual_seed(1)
    sizes = ((4, 8), (6, 8), (6, 5))
    return tuple(torch.randn(*leading, *s, generator=generator, dtype=dtype) for s in sizes)


@pytest.mark.parametrize("leading", [(2, 3), (1, 1), (5,), (), (2, 2, 3)])
@pytest.mark.parametrize("shape", [None, (4, 6), (1, 6), (4, 1)])
def test_equals_torch(leading: tuple[int, ...], shape: tuple[int, ...] | None) -> None:
    query, key, value = some_inputs(*leading, dtype=torch.float64)
    mask = None if shape is None else torch.rand(*shape) > 0.4
    values, weights = scaled_dot_product_attention(query, key, value, mask)
    identity = torch.eye(6, dtype=torch.float64).expand(*leading, 6, 6)
    torch_says = (F.scaled_dot_product_attention(query, key, v, mask) for v in (value, identity))
    for found, wanted in zip((values, weights), torch_says, strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_rows_without_keys_are_zero_in_every_dtype(dtype: torch.dtype) -> None:
    mask = torch.zeros(2, 1, 4, 6, dtype=torch.bool)
    mask[1, :, 1:] = True
    for found in scaled_dot_product_attention(*some_inputs(2, 3, dtype=dtype), mask):
        assert found.dtype == dtype and bool(found.isfinite().all())
        assert not found[0].any() and not found[1, :, 0].any() and found[1, :, 1:].any()


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
def test_gradients_are_right_and_never_nan() -> None:
    args = [x.requires_grad_() for x in some_inputs(1, 1, dtype=torch.float64)]
    mask = torch.rand(4, 6) > 0.4
    mask[2] = False
    with torch.autograd.detect_anomaly(check_nan=True):
        assert torch.autograd.gradcheck(scaled_dot_product_attention, (*args, mask))


def test_dropout_uses_torch_generator_and_keeps_the_mean() -> None:
    args = some_inputs(2, 3)
    torch.manual_seed(3)
    values, weights = scaled_dot_product_attention(*args, dropout=0.25)
    torch.testing.assert_close(values, weights @ args[2])
    plain = scaled_dot_product_attention(*args)[1]
    kept = weights != 0
    torch.testing.assert_close(weights[kept], plain[kept] / 0.75)
    assert 0 < int(kept.sum()) < kept.numel()


@pytest.mark.parametrize("mask", [torch.ones(4, 6), torch.ones(4, 6, dtype=torch.long), [[True]]])
def test_a_mask_that_is_not_boolean(mask: Any) -> None:
    with pytest.raises(TypeError, match=r"torch\.bool, True where a query may look at a key"):
        scaled_dot_product_attention(*some_inputs(2, 3), mask)


@pytest.mark.parametrize("shape", [(2, 6), (4, 5), (3, 1, 1, 6), (1, 2, 3, 4, 6)])
def test_a_mask_that_does_not_broadcast(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"does not broadcast .*\(2, 3, 4, 6\)") as caught:
        scaled_dot_product_attention(*some_inputs(2, 3), torch.ones(shape, dtype=torch.bool))
    assert str(shape) in str(caught.value)


def test_masks() -> None:
    given = torch.tensor([[0, 1, 1], [1, 0, 0]])
    assert padding_mask(given).tolist() == [[[[False, True, True]]], [[[True, False, False]]]]
    assert causal_mask(2).tolist() == [[True, False], [True, True]]
    assert causal_mask(0).shape == (0, 0)
    assert (padding_mask(given) & causal_mask(3)).shape == (2, 1, 3, 3)


def test_masks_refuse_bad_input() -> None:
    with pytest.raises(ValueError, match=r"\(batch, length\), but it has \(3,\)"):
        padding_mask(torch.tensor([1, 1, 0]))
    with pytest.raises(ValueError, match="0 or more, but it is -1"):
        causal_mask(-1)


def one_for_each_check() -> list[Path]:
    """The first wrong specimen of every check."""
    return list({caught_by(path): path for path in reversed(specimens(WORD, "wrong"))}.values())


@pytest.mark.parametrize("path", specimens(WORD, "wrong"), ids=lambda p: p.stem)
def test_wrong_specimens_lose_the_points_of_their_check(path: Path) -> None:
    messages = failed(grade_in_process(WORD, path))
    assert caught_by(path) in messages, f"survives; fails only {sorted(messages)}"
    assert len(messages[caught_by(path)]) < 500
    print(f"  {path.stem:<40} {', '.join(n + '*' * (n == caught_by(path)) for n in messages)}")


@pytest.mark.parametrize("path", one_for_each_check(), ids=lambda p: p.stem)
def test_the_judge_finds_what_a_notebook_finds(path: Path) -> None:
    messages = failed(grade_file(WORD, path))
    assert caught_by(path) in messages, f"survives; fails only {sorted(messages)}"


@pytest.mark.parametrize("path", [SOLUTION, *specimens(WORD, "right")], ids=lambda p: p.stem)
def test_right_answers_get_full_marks(path: Path) -> None:
    assert failed(grade_file(WORD, path)) == {}


def test_the_stub_passes_nothing(tmp_path: Path) -> None:
    (tmp_path / "stub.py").write_text(STUB)
    results = grade_file(WORD, tmp_path / "stub.py")
    assert sum(r.points for r in results) == 0
    assert all("is not written yet" in str(r.message) for r in results)


def test_every_check_has_a_specimen_and_a_third_is_visible() -> None:
    wanted = {check.name for suite in suites(WORD) for check in suite.checks}
    assert wanted == {caught_by(path) for path in specimens(WORD, "wrong")}
    visible, hidden = (suite.points() for suite in suites(WORD))
    assert 0.25 < visible / (visible + hidden) < 0.45


def test_no_false_alarms_over_seeds() -> None:
    for seed in range(1000, 1020):
        with seeded(seed):
            assert failed(grade_in_process(WORD, SOLUTION, seed)) == {}

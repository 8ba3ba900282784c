"""Hidden checks of split_heads and merge_heads."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.checks.multi_head.suite import MERGE, SPLIT, suite
from course.checks import live
from course.checks.base import Draw, as_tensor, expect
from course.checks.multi_head import explain_merge, explain_split
from course.checks.multi_head_toys import call_in_layout, coded

# (batch, length, heads, head_dim): sizes that coincide hide a wrong order of axes from a shape.
SIZES = [(2, 3, 3, 3), (3, 4, 2, 4), (2, 2, 2, 2), (4, 2, 4, 3), (3, 6, 2, 3)]
EDGES = [(1, 1, 1, 1), (1, 4, 1, 3), (2, 1, 3, 1), (1, 3, 4, 1), (3, 1, 1, 5)]


def split_result(student: Any, x: Tensor, heads: int) -> Tensor:
    """The student's split of x (batch, length, dim), of the right shape."""
    batch, length, dim = x.shape
    shape = (batch, heads, length, dim // heads)
    return as_tensor(student(x, heads), f"split_heads of {tuple(x.shape)}, {heads} heads", shape)


def merge_result(student: Any, x: Tensor) -> Tensor:
    """The student's merge of x (batch, heads, length, head_dim), of the right shape."""
    batch, heads, length, head_dim = x.shape
    shape = (batch, length, heads * head_dim)
    return as_tensor(student(x), f"merge_heads of {tuple(x.shape)}", shape)


@suite.check(SPLIT, points=2)
def split_right_when_sizes_coincide(student: Any, draw: Draw) -> None:
    """Every number is at its place, also where two axes have one size."""
    for batch, length, heads, head_dim in SIZES:
        x = coded(batch, length, heads * head_dim)
        explain_split(split_result(student, x, heads), x, head_dim)


@suite.check(SPLIT, hint="One head, one token and one sentence are sizes like any other.")
def split_serves_ones(student: Any, draw: Draw) -> None:
    """One head, one feature a head, one token, one sentence: all axes stay."""
    for batch, length, heads, head_dim in EDGES:
        x = coded(batch, length, heads * head_dim)
        explain_split(split_result(student, x, heads), x, head_dim)


@suite.check(SPLIT, hint="A slice or a transpose of a tensor is not contiguous in memory.")
def split_takes_any_memory_layout(student: Any, draw: Draw) -> None:
    """A slice, a transpose or an expanded tensor is split like any other."""
    x = coded(2, 5, 12)
    for layout in ("slice", "expanded", "01", "02", "12"):
        split = as_tensor(call_in_layout(student, x, layout, 3), "split_heads(x, 3)", (2, 3, 5, 4))
        given = x[:1].expand(2, 5, 12) if layout == "expanded" else x
        expect(
            torch.equal(split, given.reshape(2, 5, 3, 4).permute(0, 2, 1, 3)),
            "A tensor that is not contiguous (a slice, a transpose) is split wrongly.",
        )


@suite.check(SPLIT)
def split_keeps_dtype_gradient_and_input(student: Any, draw: Draw) -> None:
    """dtype and gradients pass through, and x is not changed."""
    for dtype in (torch.float64, torch.int64, torch.bool):
        keeps_dtype(student(torch.ones(1, 2, 4, dtype=dtype), 2), dtype, "split_heads")
    x, weight = draw.normal(2, 5, 12), draw.normal(2, 3, 5, 4)
    gradient = live.gradients(student, (x, 3), cotangents=(weight,))[0]
    expected = weight.permute(0, 2, 1, 3).reshape(2, 5, 12)
    passes_gradient(gradient, expected, "split_heads")
    _, (after, _), _ = live.call_and_keep(student, (x.clone(), 3), {})
    expect(same(after, x), "split_heads changes the tensor that it was given.")


def same(after: Any, x: Tensor) -> bool:
    """Whether an argument came back as it went, shape included."""
    return isinstance(after, Tensor) and after.shape == x.shape and torch.equal(after, x)


def keeps_dtype(result: Any, dtype: torch.dtype, name: str) -> None:
    """Fail unless a result has the dtype that went in."""
    got = as_tensor(result, f"The result of {name}").dtype
    expect(got == dtype, f"{name} turns {dtype} into {got}: only move numbers, do not convert.")


def passes_gradient(gradient: Tensor | None, expected: Tensor, name: str) -> None:
    """Fail unless the gradient of x is the moved gradient of the result."""
    expect(
        gradient is not None,
        f"No gradient passes through {name}: do not detach or copy into a new tensor.",
    )
    same_values = gradient is not None and torch.equal(gradient, expected)
    expect(same_values, f"The gradient through {name} is not that of a move.")


@suite.check(MERGE, points=2)
def merge_right_when_sizes_coincide(student: Any, draw: Draw) -> None:
    """Every number is at its place, also where two axes have one size."""
    for batch, length, heads, head_dim in SIZES:
        x = coded(batch, heads, length, head_dim)
        explain_merge(merge_result(student, x), x)


@suite.check(MERGE, hint="One head, one token and one sentence are sizes like any other.")
def merge_serves_ones(student: Any, draw: Draw) -> None:
    """One head, one feature a head, one token, one sentence: no axis goes missing."""
    for batch, length, heads, head_dim in EDGES:
        x = coded(batch, heads, length, head_dim)
        explain_merge(merge_result(student, x), x)


@suite.check(MERGE, hint="After a transpose, .view fails: use .reshape or .flatten.")
def merge_takes_any_memory_layout(student: Any, draw: Draw) -> None:
    """Contiguous or not, a tensor is merged alike."""
    x = coded(2, 3, 5, 4)
    for layout in ("slice", "expanded", "12", "23", "01"):
        merged = as_tensor(call_in_layout(student, x, layout), "merge_heads(x)", (2, 5, 12))
        given = x[:1].expand(2, 3, 5, 4) if layout == "expanded" else x
        expect(
            torch.equal(merged, torch.stack(given.unbind(1), dim=2).flatten(2)),
            "A tensor that is not contiguous (a slice, a transpose) is merged wrongly.",
        )


@suite.check(MERGE)
def merge_keeps_dtype_gradient_and_input(student: Any, draw: Draw) -> None:
    """dtype and gradients pass through, and x is not changed."""
    for dtype in (torch.float64, torch.int64, torch.bool):
        keeps_dtype(student(torch.ones(1, 2, 2, 2, dtype=dtype)), dtype, "merge_heads")
    x, weight = draw.normal(2, 3, 5, 4), draw.normal(2, 5, 12)
    gradient = live.gradients(student, (x,), cotangents=(weight,))[0]
    expected = weight.reshape(2, 5, 3, 4).permute(0, 2, 1, 3)
    passes_gradient(gradient, expected, "merge_heads")
    _, (after,), _ = live.call_and_keep(student, (x.clone(),), {})
    expect(same(after, x), "merge_heads changes the tensor that it was given.")

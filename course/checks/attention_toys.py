"""Inputs and small helpers that visible and hidden checks of attention share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from course.checks.base import Draw, as_pair, as_tensor, expect, suspect
from course.checks.live import beside


class Sizes(NamedTuple):
    """The sizes of one attention call."""

    batch: int = 2
    heads: int = 3
    queries: int = 5
    keys: int = 5
    dim: int = 8
    value_dim: int = 8


USUAL = Sizes()


def inputs(
    draw: Draw, sizes: Sizes = USUAL, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor, Tensor]:
    """Random query, key and value; scores of unit variance after the right scaling."""
    batch, heads, queries, keys, dim, value_dim = sizes
    return (
        draw.normal(batch, heads, queries, dim, dtype=dtype),
        draw.normal(batch, heads, keys, dim, dtype=dtype),
        draw.normal(batch, heads, keys, value_dim, dtype=dtype),
    )


def some_keys(draw: Draw, *shape: int) -> Tensor:
    """A boolean mask whose every row shows at least one key and hides at least one."""
    numbers = draw.normal(*shape)
    return numbers > numbers.mean(dim=-1, keepdim=True)


def results(
    student: Callable[..., Any], query: Tensor, key: Tensor, value: Tensor, **options: Any
) -> tuple[Any, Any]:
    """Values and weights as the student returns them, in the right order and number."""
    values, weights = as_pair(student(query, key, value, **options), "The result (values, weights)")
    wanted = shapes(query, key, value)
    if isinstance(values, Tensor) and isinstance(weights, Tensor):
        found = (tuple(values.shape), tuple(weights.shape))
        expect(
            found != wanted[::-1] or found == wanted,
            "The two results come in the wrong order: return (values, weights).",
        )
        mask = options.get("mask")
        if mask is None or mask.any():
            require_numbers(values, "values")
            require_numbers(weights, "weights")
    return values, weights


def require_numbers(found: Tensor, name: str) -> None:
    """Fail for results that say nothing, all 0 or all NaN: no weight of theirs is ever wrong."""
    suspect(
        bool(((found == found) & (found != 0)).any()) or found.numel() == 0,
        f"All {name} are 0 or NaN, though there are keys to look at: compute them from query, key "
        "and value.",
    )


def shapes(query: Tensor, key: Tensor, value: Tensor) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes that values and weights must have."""
    return (*query.shape[:-1], value.shape[-1]), (*query.shape[:-1], key.shape[-2])


def values_of(student: Callable[..., Any], *args: Tensor, **options: Any) -> Tensor:
    """The student's values, of the right shape."""
    values = results(student, *args, **options)[0]
    return as_tensor(values, "values (batch, heads, query length, value_dim)", shapes(*args)[0])


def weights_of(student: Callable[..., Any], *args: Tensor, **options: Any) -> Tensor:
    """The student's weights, of the right shape."""
    weights = results(student, *args, **options)[1]
    return as_tensor(weights, "weights (batch, heads, query length, key length)", shapes(*args)[1])


def fit_scores(weights: Tensor, scores: Tensor) -> tuple[float, float]:
    """By what the scores were multiplied before the softmax, and the correlation of that fit.

    The logarithm of a softmax is its input but for a constant along its axis. Taking the mean
    out along every axis removes that constant, whatever the axis; what is left has the slope.
    """
    logs = weights.double().clamp(min=1e-30).log()
    scores = scores.double()
    for axis in range(scores.dim()):
        logs = logs - logs.mean(dim=axis, keepdim=True)
        scores = scores - scores.mean(dim=axis, keepdim=True)
    product = (logs * scores).sum()
    return float(product / (scores**2).sum()), float(product / (logs.norm() * scores.norm()))


def require_hidden(weights: Tensor, mask: Tensor, what: str) -> None:
    """Fail, and say how, when a key that ``mask`` hides gets any weight.

    Rows that may look at no key are left to the checks that are about them.
    """
    mask = mask.expand(weights.shape)
    rows = mask.any(dim=-1, keepdim=True)
    hidden = weights[~mask & rows]
    worst = float(hidden.max()) if hidden.numel() else 0.0
    if not worst > 1e-6:
        return
    visible = weights[mask]
    expect(
        float(visible.max()) > 1e-6,
        f"{what} is applied upside down: keys marked False get all the weight ({worst:.2f}). "
        "True means that a query may look at a key.",
    )
    square = mask.shape[-1] == mask.shape[-2]
    expect(
        not (square and float(weights[~mask.transpose(-2, -1)].max()) <= 1e-6),
        f"{what} hides queries instead of keys: its last axis belongs to the keys, the last axis "
        "of the scores.",
    )
    expect(
        False,
        f"{what}: a hidden key still gets weight {worst:.2g}. The mask must act on the key axis "
        "(the last), before the softmax, and push the score to -inf or near it.",
    )


@beside
def attend_strided(function: Callable[..., Any], query: Tensor, key: Tensor, value: Tensor) -> Any:
    """Call with tensors that are not contiguous, as splitting into heads makes them."""
    args = [x.transpose(1, 2).contiguous().transpose(1, 2) for x in (query, key, value)]
    return function(*args)

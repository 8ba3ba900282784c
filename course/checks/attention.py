"""Visible checks of the exercise `attention`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from course.checks.attention_toys import (
    Sizes,
    fit_scores,
    inputs,
    require_hidden,
    results,
    shapes,
    some_keys,
    values_of,
    weights_of,
)
from course.checks.base import Draw, Suite, as_tensor, close, expect, largest_difference

suite = Suite("attention")
ATTENTION, PADDING, CAUSAL = "scaled_dot_product_attention", "padding_mask", "causal_mask"


@suite.check(ATTENTION, hint="Start with query @ key.transpose(-2, -1).")
def returns_values_and_weights(student: Any, draw: Draw) -> None:
    """It returns (values, weights), of the shapes that the text gives."""
    query, key, value = inputs(draw, Sizes(queries=4, keys=6, value_dim=7))
    result = student(query=query, key=key, value=value, mask=None, dropout=0.0)
    expect(
        not isinstance(result, Tensor),
        "Only one tensor comes back: return both, as (values, weights).",
    )
    values, weights = results(lambda *_: result, query, key, value)
    wanted = shapes(query, key, value)
    as_tensor(values, "values (batch, heads, query length, value_dim)", wanted[0])
    as_tensor(weights, "weights (batch, heads, query length, key length)", wanted[1])


@suite.check(ATTENTION, hint="Swap the last two axes of key: key.transpose(-2, -1).")
def scores_are_dot_products(student: Any, draw: Draw) -> None:
    """The softmax compares query and key by their dot product."""
    query, key, value = inputs(draw, Sizes(queries=6, keys=6))
    weights = weights_of(student, 0.2 * query, key, value)
    fit = fit_scores(weights, 0.2 * query @ key.transpose(-2, -1))[1]
    expect(
        fit > 0.999 or is_sparse(weights),
        f"The scores follow the dot products of query and key only by a correlation of "
        f"{fit:.2f}. Swap key's last two axes with transpose(-2, -1), not with reshape or "
        "view, and normalise nothing.",
    )


def is_sparse(weights: Tensor) -> bool:
    """Whether some weights vanish that should not: another check is about that."""
    return bool(((weights >= 0) & (weights < 1e-20)).any())


@suite.check(ATTENTION, points=2, hint="Divide the dot products by √head_dim, and nothing else.")
def scale_is_root_of_head_dim(student: Any, draw: Draw) -> None:
    """Scores are divided by the square root of head_dim."""
    sizes = Sizes(batch=2, heads=3, queries=5, keys=7, dim=draw.choice([12, 24]), value_dim=11)
    query, key, value = inputs(draw, sizes)
    weights = weights_of(student, 0.2 * query, key, value)
    expect(
        largest_difference(weights, weights[..., :1].expand_as(weights)) > 1e-6,
        "Each query gives all keys the same weight: the softmax runs over its scores.",
    )
    factor, fit = fit_scores(weights, 0.2 * query @ key.transpose(-2, -1))
    if fit < 0.9 or is_sparse(weights):
        return  # no dot products, or hidden keys: other checks are about that
    known = {
        "not divided at all": 1.0,
        "divided by head_dim, not by its square root": 1 / sizes.dim,
        "divided by √(heads · head_dim), the width of the whole model": (3 * sizes.dim) ** -0.5,
        "divided by the width of the whole model": 1 / (3 * sizes.dim),
        "divided by the root of the key length": sizes.keys**-0.5,
        "divided by the root of the query length": sizes.queries**-0.5,
        "divided by the root of value_dim": sizes.value_dim**-0.5,
        "divided by the root of the number of heads": sizes.heads**-0.5,
        "multiplied by √head_dim": sizes.dim**0.5,
        "divided by 8 = √64, a fixed number": 1 / 8,
    }
    for words, wrong in known.items():
        expect(abs(factor / wrong - 1) > 0.02, f"The scores are {words}: divide by √head_dim.")
    right = sizes.dim**-0.5
    expect(
        abs(factor / right - 1) < 0.02,
        f"The softmax sees the scores times {factor:.3f}; with head_dim {sizes.dim} it must be "
        f"1/√{sizes.dim} = {right:.3f}. Scale the dot products once.",
    )


@suite.check(ATTENTION)
def weights_sum_to_one_over_keys(student: Any, draw: Draw) -> None:
    """The weights of each query are at least 0 and sum to 1 over the keys."""
    query, key, value = inputs(draw)
    weights = weights_of(student, query, key, value)
    axes = {0: "the batch", 1: "the heads", 2: "the queries"}
    for axis, name in axes.items():
        expect(
            not bool(((weights.sum(dim=axis) - 1).abs() < 1e-3).all()),
            f"The weights sum to 1 over {name}: the softmax must run over the keys, dim=-1.",
        )
    lowest = float(weights.min())
    expect(
        lowest >= 0,
        f"A weight is negative, {lowest:.2f}: these are scores or logarithms, not the softmax.",
    )
    sums = weights.sum(dim=-1)
    expect(
        close(sums, torch.ones_like(sums), 1e-3),
        f"The weights of a query sum to {float(sums.flatten()[0]):.3f}, not to 1: they are a "
        "softmax over the keys, dim=-1.",
    )


@suite.check(ATTENTION)
def values_are_weighted_averages(student: Any, draw: Draw) -> None:
    """The values are the returned weights times value."""
    query, key, value = inputs(draw)
    values, weights = (as_tensor(x, "Each result") for x in results(student, query, key, value))
    expect(
        weights.shape[-1] == value.shape[-2],
        f"weights have {weights.shape[-1]} columns, but there are {value.shape[-2]} keys.",
    )
    gap = largest_difference(values, weights @ value)
    expect(
        gap < 1e-4,
        f"values differ from weights @ value by {gap:.2g}: return both from one product.",
    )


@suite.check(ATTENTION, points=2, hint="The mask broadcasts to (batch, heads, queries, keys).")
def hidden_keys_get_no_weight(student: Any, draw: Draw) -> None:
    """A key that the mask hides gets weight 0."""
    query, key, value = inputs(draw)
    for what, mask in {
        "A padding mask (batch, 1, 1, length)": some_keys(draw, 2, 1, 1, 5),
        "A causal mask (length, length)": torch.ones(5, 5, dtype=torch.bool).tril(),
    }.items():
        require_hidden(weights_of(student, query, key, value, mask=mask), mask, what)


@suite.check(ATTENTION, hint="Such a query is no error: give it zeros.")
def query_without_keys_gets_zeros(student: Any, draw: Draw) -> None:
    """A query that may look at no key gets zero weights and zero values, not NaN."""
    query, key, value = inputs(draw)
    mask = some_keys(draw, 5, 5)
    row = draw.integer(0, 4)
    mask[row] = False
    for name, found in {
        "weights": weights_of(student, query, key, value, mask=mask),
        "values": values_of(student, query, key, value, mask=mask),
    }.items():
        require_zero_row(found[:, :, row], name)


def require_zero_row(found: Tensor, name: str) -> None:
    """Fail unless the row of a query that sees nothing is all zeros."""
    expect(
        not bool(found.isnan().any()),
        f"A query that may look at no key gets NaN {name}: a softmax over -inf alone is 0/0. "
        "Set such rows to 0.",
    )
    worst = float(found.abs().max())
    expect(
        worst < 1e-6,
        f"A query that may look at no key gets {name} up to {worst:.2g}: they must be 0. "
        "Equal scores make the softmax uniform, so clear such rows after it.",
    )


@suite.check(ATTENTION)
def dropout_drops_weights(student: Any, draw: Draw) -> None:
    """With dropout=0.5 about half of the returned weights are 0."""
    query, key, value = inputs(draw, Sizes(batch=4, heads=4, queries=8, keys=8))
    values, weights = results(student, query, key, value, dropout=0.5)
    as_tensor(weights, "weights", (4, 4, 8, 8))
    share = float((weights == 0).double().mean())
    if share == 0:
        expect(False, untouched_by_dropout(student, (query, key, value), values, weights))
    # 1024 independent draws: the share has deviation 0.0156, and 0.2 is twelve of them.
    expect(
        0.3 < share < 0.7,
        f"With dropout=0.5, {share:.0%} of the weights are 0 instead of about half: drop each "
        "weight with probability dropout, after the softmax.",
    )


def untouched_by_dropout(
    student: Any, args: tuple[Tensor, ...], values: Tensor, weights: Tensor
) -> str:
    """Words for where dropout went when no returned weight is 0."""
    says = "With dropout=0.5 no returned weight is 0: "
    again = weights_of(student, *args, dropout=0.5)
    if not close(again, weights):
        return says + "it acts before the softmax. Drop the weights, after the softmax."
    if float((values == 0).double().mean()) > 0.1:
        return says + "it hits the output. Drop the weights, before they meet the values."
    if close(values, weights @ args[2]):
        return says + "it is ignored. Drop weights after the softmax whenever dropout > 0."
    return (
        says + "values change, but the weights returned do not. Drop the weights (not value), and "
        "return those that multiplied the values."
    )


@suite.check(PADDING)
def padding_mask_shape(student: Any, draw: Draw) -> None:
    """The padding mask is boolean and has shape (batch, 1, 1, length)."""
    given = draw.integers(0, 1, 3, 5)
    given[0] = 1
    mask = as_tensor(student(given.clone()), "The padding mask")
    queries = [(3, 1, 5, 1), (3, 5, 1, 1), (3, 5, 1)]
    expect(
        tuple(mask.shape) not in queries,
        f"Shape {tuple(mask.shape)} would hide queries: the length belongs on the last axis, "
        "(batch, 1, 1, length).",
    )
    expect(
        tuple(mask.shape) == (3, 1, 1, 5),
        f"The padding mask has shape {tuple(mask.shape)}: it must be (batch, 1, 1, length) = "
        "(3, 1, 1, 5), to broadcast over heads and queries.",
    )
    expect(mask.dtype == torch.bool, f"The padding mask is {mask.dtype}: it must be torch.bool.")
    expect(mask.any(), "The padding mask is False everywhere, though there are tokens.")


@suite.check(PADDING)
def padding_mask_shows_tokens(student: Any, draw: Draw) -> None:
    """The padding mask is True for tokens and False for padding."""
    attention_mask = torch.tensor([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 1]])
    require_padding(student(attention_mask), attention_mask, "padding on the right")


def require_padding(found: Any, attention_mask: Tensor, case: str) -> None:
    """Fail unless ``found``, of whatever shape, holds True for tokens and False for padding."""
    mask = as_tensor(found, "The padding mask")
    wanted = attention_mask.bool()
    expect(
        mask.numel() == wanted.numel(),
        f"The padding mask has {mask.numel()} entries for {wanted.numel()} tokens ({case}).",
    )
    entries = mask.reshape(wanted.shape)
    expect(
        not torch.equal(entries, ~wanted),
        "The padding mask is upside down: True belongs to the tokens, False to the padding.",
    )
    expect(
        bool(((entries != 0) == wanted).all()),
        f"With {case}, the padding mask is not True exactly where attention_mask is 1.",
    )


@suite.check(CAUSAL)
def causal_mask_shape(student: Any, draw: Draw) -> None:
    """The causal mask is boolean and has shape (length, length)."""
    length = draw.integer(3, 6)
    mask = as_tensor(student(length), "The causal mask", (length, length))
    expect(
        mask.dtype == torch.bool,
        f"The causal mask is {mask.dtype}: it must be torch.bool, True where a query may look.",
    )
    expect(mask.any(), "The causal mask is False everywhere: nobody may look at anything.")


@suite.check(CAUSAL)
def causal_mask_hides_the_future(student: Any, draw: Draw) -> None:
    """Position i may look at positions 0 to i, itself included."""
    require_causal(student(4), 4)


def require_causal(found: Any, length: int) -> None:
    """Fail, and say how, unless ``found`` shows each position its past and itself."""
    mask = as_tensor(found, "The causal mask")
    expect(
        mask.shape[-2:] == (length, length) and mask.numel() == length**2,
        f"causal_mask({length}) has shape {tuple(mask.shape)}, not ({length}, {length}).",
    )
    entries = mask.reshape(length, length) != 0
    full = torch.ones(length, length, dtype=torch.bool)
    wanted = full.tril()
    known = {
        "marks the future with True: True means that a query may look": full.triu(1),
        "is transposed: rows are queries and columns are keys": full.triu(),
        "hides the diagonal: a position may look at itself": full.tril(-1),
        "lets each position see the next one: an off-by-one in the diagonal": full.tril(1),
        "shows everything": full,
    }
    for words, wrong in known.items():
        expect(
            torch.equal(wrong, wanted) or not torch.equal(entries, wrong),
            f"The causal mask {words}.",
        )
    count = int((entries != wanted).sum())
    expect(
        count == 0,
        f"{count} entries of causal_mask({length}) are wrong: True where key position <= query "
        "position.",
    )

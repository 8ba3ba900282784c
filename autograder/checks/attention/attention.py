"""Hidden checks of what attention computes."""

from __future__ import annotations

from typing import Any

import torch

from autograder.checks.attention.oracle import oracle, suite
from course.checks.attention import ATTENTION
from course.checks.attention_toys import (
    Sizes,
    attend_strided,
    inputs,
    results,
    some_keys,
    values_of,
    weights_of,
)
from course.checks.base import Draw, as_tensor, close, expect, largest_difference


@suite.check(ATTENTION, points=2)
def matches_torch(student: Any, draw: Draw) -> None:
    """Values and weights equal those of torch's own attention."""
    for masked in (False, True):
        sizes = Sizes(2, 3, draw.integer(3, 5), draw.integer(6, 8), draw.integer(9, 12), 5)
        query, key, value = inputs(draw, sizes)
        mask = some_keys(draw, 2, 3, sizes.queries, sizes.keys) if masked else None
        same = torch.eye(sizes.keys).expand(2, 3, -1, -1)
        for name, found, wanted in (
            ("weights", weights_of(student, query, key, value, mask=mask), same),
            ("values", values_of(student, query, key, value, mask=mask), value),
        ):
            gap = largest_difference(found, oracle(query, key, wanted, mask))
            expect(
                gap < 1e-4,
                f"{name} {'with' if masked else 'without'} a mask differ from torch's own "
                f"attention by {gap:.2g}: they are softmax(QKᵀ/√head_dim) over the keys, then "
                "times V.",
            )


@suite.check(ATTENTION, hint="Take the key length from key, never from query.")
def query_and_key_lengths_may_differ(student: Any, draw: Draw) -> None:
    """Queries and keys may have different lengths, as between two sentences."""
    for queries, keys in ((3, 7), (7, 3), (1, 6), (6, 1)):
        query, key, value = inputs(draw, Sizes(queries=queries, keys=keys))
        values, weights = results(student, query, key, value)
        what = f"With {queries} queries and {keys} keys, weights"
        as_tensor(weights, what, (2, 3, queries, keys))
        as_tensor(values, what.replace("weights", "values"), (2, 3, queries, 8))


@suite.check(ATTENTION, hint="The values take their last size from value, not from query or key.")
def value_size_may_differ(student: Any, draw: Draw) -> None:
    """The values may have another size than queries and keys."""
    for value_dim in (1, 3, 13):
        query, key, value = inputs(draw, Sizes(value_dim=value_dim))
        found = as_tensor(results(student, query, key, value)[0], "values")
        expect(
            tuple(found.shape) == (2, 3, 5, value_dim),
            f"With head_dim 8 and value_dim {value_dim}, values have shape {tuple(found.shape)}: "
            "their last axis is that of value.",
        )
        weights = weights_of(student, query, key, value)
        expect(close(found, weights @ value), "values must be weights @ value.")


@suite.check(ATTENTION)
def without_mask_every_key_is_seen(student: Any, draw: Draw) -> None:
    """Without a mask every query may look at every key."""
    query, key, value = inputs(draw)
    smallest = float(weights_of(student, query, key, value).min())
    expect(
        smallest > 0,
        "Without a mask some keys get weight 0: mask=None hides nothing, not even the future.",
    )
    whole = weights_of(student, query, key, value, mask=torch.ones(5, 5, dtype=torch.bool))
    expect(
        close(whole, weights_of(student, query, key, value)),
        "A mask of True everywhere changes the weights: True means that a query may look.",
    )


@suite.check(ATTENTION, hint="Nothing may be squeezed away.")
def sizes_of_one(student: Any, draw: Draw) -> None:
    """A batch of one, one head and a single token keep their axes."""
    for sizes in (Sizes(1, 1, 1, 1, 4, 3), Sizes(1, 1, 4, 4, 6, 3), Sizes(3, 1, 2, 2, 1, 1)):
        query, key, value = inputs(draw, sizes)
        mask = torch.ones(sizes.batch, 1, 1, sizes.keys, dtype=torch.bool)
        values, weights = results(student, query, key, value, mask=mask)
        shape = (sizes.batch, sizes.heads, sizes.queries)
        what = f"{sizes.batch} sentences, {sizes.heads} heads, {sizes.queries} tokens:"
        as_tensor(weights, f"{what} weights", (*shape, sizes.keys))
        as_tensor(values, f"{what} values", (*shape, sizes.value_dim))
        if sizes.keys == 1:
            expect(close(values, value), "With a single key, its value must come out unchanged.")


@suite.check(ATTENTION, hint="Use reshape or einsum where view refuses.")
def strided_inputs(student: Any, draw: Draw) -> None:
    """Tensors that were transposed, and are not contiguous, give the same result."""
    query, key, value = inputs(draw, Sizes(value_dim=6))
    strided = attend_strided(student, query, key, value)
    for found, wanted in zip(strided, results(student, query, key, value), strict=True):
        expect(
            close(as_tensor(found, "Each result"), as_tensor(wanted, "Each result")),
            "Transposed (not contiguous) inputs change the result: view reads memory in the wrong "
            "order there.",
        )


@suite.check(ATTENTION)
def large_scores_do_not_overflow(student: Any, draw: Draw) -> None:
    """Scores of ±200 give finite weights that sum to 1."""
    query, key, value = inputs(draw, Sizes(dim=4))
    signs = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0]).view(5, 1)
    weights = weights_of(student, 20 * signs + 0.1 * query, 10 + 0.1 * key, value)
    expect(
        bool(weights.isfinite().all()) and close(weights.sum(dim=-1), torch.ones(2, 3, 5), 1e-3),
        "Large scores overflow the softmax: use torch.softmax, or subtract each row's own maximum "
        "before exp.",
    )

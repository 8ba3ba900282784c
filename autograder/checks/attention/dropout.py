"""Hidden checks of dropout on the attention weights."""

from __future__ import annotations

from typing import Any

import torch

from autograder.checks.attention.oracle import suite
from course.checks.attention import ATTENTION
from course.checks.attention_toys import Sizes, inputs, results, weights_of
from course.checks.base import Draw, as_tensor, close, expect, largest_difference

RATE = 0.3
MANY = Sizes(batch=4, heads=4, queries=24, keys=24)


@suite.check(ATTENTION, points=2)
def dropout_rate(student: Any, draw: Draw) -> None:
    """Dropout sets each weight to 0 with the probability that is asked for."""
    weights = weights_of(student, *inputs(draw, MANY), dropout=RATE)
    share = float((weights == 0).double().mean())
    # 9216 independent draws: the deviation of the share is 0.00477; six of them, p < 2e-9.
    for words, wrong in {
        "none is: dropout does not reach the returned weights, which must be those that multiply "
        "the values": 0.0,
        "70 % are: dropout is the probability to drop, not to keep": 0.7,
        "51 % are: it is applied twice": 0.51,
    }.items():
        expect(abs(share - wrong) > 0.029, f"With dropout=0.3, 30 % of weights must be 0; {words}.")
    expect(
        abs(share - RATE) < 0.029,
        f"With dropout=0.3, {share:.1%} of the weights are 0 instead of about 30 %: drop weights "
        "one by one, after the softmax.",
    )


@suite.check(ATTENTION)
def dropout_rescales_what_it_keeps(student: Any, draw: Draw) -> None:
    """Weights that are kept are divided by 1 - dropout, so that the mean stays."""
    args = inputs(draw, MANY)
    plain = weights_of(student, *args)
    dropped = weights_of(student, *args, dropout=RATE)
    sums = dropped.sum(dim=-1)
    expect(
        not close(sums, torch.ones_like(sums), 1e-3),
        "The weights sum to 1 again after dropout: drop after the softmax, divide by 1 - dropout "
        "and leave the sums alone.",
    )
    kept = dropped != 0
    ratio = dropped[kept] / plain[kept].clamp(min=1e-30)
    low, high = (float(ratio.min()), float(ratio.max())) if ratio.numel() else (0.0, 0.0)
    expect(
        abs(low * (1 - RATE) - 1) < 1e-2 and abs(high * (1 - RATE) - 1) < 1e-2,
        f"Kept weights are {low:.2f} to {high:.2f} times those without dropout, where 1/(1 - 0.3) "
        "= 1.43 is due: apply F.dropout to the weights, after the softmax.",
    )


@suite.check(ATTENTION)
def returned_weights_make_the_values(student: Any, draw: Draw) -> None:
    """Under dropout, too, the returned weights are those that multiplied the values."""
    query, key, value = inputs(draw, Sizes(queries=16, keys=16))
    values, weights = results(student, query, key, value, dropout=0.5)
    values, weights = as_tensor(values, "values"), as_tensor(weights, "weights")
    expect(
        float((values == 0).double().mean()) < 0.1,
        "Dropout hits the values or the output: drop the attention weights only.",
    )
    gap = largest_difference(values, weights @ value)
    expect(
        gap < 1e-4,
        f"Under dropout values differ from weights @ value by {gap:.2g}: drop the weights once, "
        "before the product, and return those.",
    )


@suite.check(ATTENTION)
def dropout_of_zero_changes_nothing(student: Any, draw: Draw) -> None:
    """With dropout=0, and by default, two calls agree and no weight is dropped."""
    args = inputs(draw, Sizes(queries=12, keys=12))
    first, second = (weights_of(student, *args, **o) for o in ({}, {"dropout": 0.0}))
    share = float((first == 0).double().mean())
    expect(
        share == 0 and close(first, second) and close(first, weights_of(student, *args)),
        f"With dropout=0 the result still varies, and {share:.0%} of the weights are 0: nothing "
        "may be dropped then.",
    )


@suite.check(ATTENTION)
def dropout_draws_each_weight_anew(student: Any, draw: Draw) -> None:
    """Every call, sentence, head and query draws its own dropped weights."""
    args = inputs(draw, Sizes(batch=2, heads=2, queries=12, keys=12))
    dropped = [weights_of(student, *args, dropout=0.5) == 0 for _ in range(2)]
    first = dropped[0]
    # The smallest patterns have 2·2·6·12 = 288 entries: fair draws agree with probability 2**-288.
    for what, a, b in (
        ("calls", first, dropped[1]),
        ("sentences", first[0], first[1]),
        ("heads", first[:, 0], first[:, 1]),
        ("queries", first[:, :, :6], first[:, :, 6:]),
        ("keys", first[..., :6], first[..., 6:]),
    ):
        expect(
            bool(a.any()) and not torch.equal(a, b),
            f"Two {what} drop exactly the same weights, or none: draw afresh for each weight, "
            "without fixing a seed.",
        )

"""Visible checks of the four pools."""

from __future__ import annotations

from typing import Any

import torch

from course.checks.base import Draw, close, expect
from course.checks.pooling.common import (
    FIRST,
    LAST,
    LEFT,
    MAX,
    MEAN,
    RIGHT,
    a_batch,
    expect_pool,
    pool_of,
    pooled,
    suite,
)


@suite.check(FIRST)
def first_of_right_padding(student: Any, draw: Draw) -> None:
    """With padding on the right, it gives each row's vector at position 0"""
    expect_pool(FIRST, student, *a_batch(draw, RIGHT), "With padding on the right")


@suite.check(FIRST, points=2)
def first_of_left_padding(student: Any, draw: Draw) -> None:
    """With padding on the left, it gives each row's first token, not the padding before it"""
    hidden, mask = a_batch(draw, LEFT)
    expect(
        not close(pool_of(student, hidden, mask), hidden[:, 0], 1e-4),
        "With padding on the left you take position 0, which is padding: take the first position "
        "whose mask is 1.",
    )
    expect_pool(FIRST, student, hidden, mask, "With padding on the left")


@suite.check(MEAN, points=2)
def padding_has_no_weight(student: Any, draw: Draw) -> None:
    """The mean is over a row's tokens; padding counts neither in the sum nor in the number"""
    hidden, mask = a_batch(draw, RIGHT)
    found, content = pool_of(student, hidden, mask), mask.unsqueeze(-1)
    expect(
        not close(found, hidden.mean(dim=1), 1e-4),
        "Padding counts in your mean like any token: multiply by the mask before you sum, and "
        "divide by the number of tokens.",
    )
    expect(
        not close(found, (hidden * content).mean(dim=1), 1e-4),
        "You divide by the padded length: divide by the number of tokens, mask.sum(dim=1).",
    )
    expect(
        not close(found, hidden.sum(dim=1) / content.sum(dim=1), 1e-4),
        "Vectors at padding are part of your sum: multiply them by the mask first.",
    )
    expect(
        not close(found, (hidden * content).sum(dim=1), 1e-4),
        "This is the sum: divide it by the number of tokens in each row.",
    )
    expect_pool(MEAN, student, hidden, mask, "With padding on the right")


@suite.check(MEAN)
def mean_of_left_padding(student: Any, draw: Draw) -> None:
    """The mean is right with padding on the left"""
    expect_pool(MEAN, student, *a_batch(draw, LEFT), "With padding on the left")


@suite.check(MAX, points=2)
def padding_never_wins(student: Any, draw: Draw) -> None:
    """Padding never gives the largest value, neither by its own number nor by a 0"""
    hidden, mask = a_batch(draw, RIGHT)
    found = pool_of(student, hidden, mask)
    expect(
        not close(found, hidden.max(dim=1).values, 1e-4),
        "The largest value comes from padding: put -inf there before you take the maximum.",
    )
    hidden = hidden - 30 * mask.unsqueeze(-1)  # now all tokens are negative
    found = pool_of(student, hidden, mask)
    padded = mask.sum(dim=1) < mask.size(1)
    expect(
        not close(found[padded], torch.zeros_like(found[padded]), 1e-4),
        "Where all values are negative you return 0, which is padding multiplied by the mask: put "
        "-inf at padding instead.",
    )
    expect_pool(MAX, student, hidden, mask, "With padding on the right")


@suite.check(MAX)
def max_of_left_padding(student: Any, draw: Draw) -> None:
    """The maximum is right with padding on the left"""
    expect_pool(MAX, student, *a_batch(draw, LEFT), "With padding on the left")


@suite.check(LAST, points=2)
def last_of_right_padding(student: Any, draw: Draw) -> None:
    """With padding on the right, it gives each row's last token, not the padding behind it"""
    hidden, mask = a_batch(draw, RIGHT)
    found, rows = pool_of(student, hidden, mask), torch.arange(len(hidden))
    expect(
        not close(found, hidden[:, -1], 1e-4),
        "With padding on the right you take the last position, which is padding: take the last "
        "position whose mask is 1, in each row its own.",
    )
    for shift, said in ((-2, "before"), (0, "after")):
        places = (mask.sum(dim=1) + shift).clamp(max=mask.size(1) - 1)
        expect(
            not close(found[rows != 1], hidden[rows, places][rows != 1], 1e-4),
            f"You take the position {said} the last token: with n tokens it stands at n - 1.",
        )
    expect_pool(LAST, student, hidden, mask, "With padding on the right")


@suite.check(LAST, points=2)
def last_of_left_padding(student: Any, draw: Draw) -> None:
    """With padding on the left, it gives the last position"""
    hidden, mask = a_batch(draw, LEFT)
    found, rows = pool_of(student, hidden, mask), torch.arange(len(hidden))
    expect(
        not close(found, hidden[rows, mask.sum(dim=1) - 1], 1e-4),
        "With padding on the left you take position n - 1 of n tokens, as if the padding stood on "
        "the right: look for the last position whose mask is 1.",
    )
    expect(
        not close(found, pooled(FIRST, hidden, mask), 1e-4),
        "This is the first token: argmax over the mask finds the first 1, not the last one.",
    )
    expect_pool(LAST, student, hidden, mask, "With padding on the left")

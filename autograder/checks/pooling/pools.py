"""Hidden checks of the four pools: mixed sides, gradients, small batches, kinds of masks."""

from __future__ import annotations

from typing import Any

import torch

from autograder.checks.pooling.suite import suite
from course.checks import live
from course.checks.base import Draw, as_tensor, close, expect
from course.checks.pooling.common import (
    FIRST,
    LAST,
    MAX,
    MEAN,
    a_batch,
    a_mask,
    expect_pool,
    pooled,
)

MIXED = ("right", "left")


def expect_mixed(kind: str, student: Any, draw: Draw) -> None:
    """A batch whose rows are padded on different sides, one row not at all."""
    where = "With rows padded on the left and on the right in one batch"
    expect_pool(kind, student, *a_batch(draw, MIXED, (3, 4, 6, 5)), where)
    expect_pool(kind, student, *a_batch(draw, MIXED[::-1], (3, 6, 2)), where)


def expect_small(kind: str, student: Any, draw: Draw) -> None:
    """Batches of one sentence, of one token, of one feature, and without any padding."""
    for shape in ((1, 4, 3), (1, 1, 3), (3, 1, 2), (1, 1, 1), (4, 5, 1), (3, 3, 3)):
        hidden, mask = draw.normal(*shape), torch.ones(shape[:2], dtype=torch.long)
        where = f"With hidden states of shape {shape} and no padding"
        expect_pool(kind, student, hidden, mask, where)


def expect_any_mask(kind: str, student: Any, draw: Draw) -> None:
    """The mask of 0 and 1 in int64, and the boolean one, mean the same."""
    for sides in (("right",), ("left",)):
        hidden, mask = a_batch(draw, sides)
        wanted = pooled(kind, hidden, mask)
        for dtype in (torch.int64, torch.bool):
            result = student(hidden.clone(), mask.to(dtype))
            found = as_tensor(result, "The result", wanted.shape)
            expect(
                close(found, wanted, 1e-4),
                f"With a mask of {dtype} and padding on the {sides[0]} the result is another one: "
                "turn the mask into what you compute with.",
            )


def expect_gradient(kind: str, student: Any, draw: Draw) -> None:
    """The gradient reaches the tokens that the pool uses, and no padding."""
    for sides in (("right",), ("left",)):
        hidden, mask = a_batch(draw, sides)
        weights = draw.normal(hidden.size(0), hidden.size(2))
        found = live.gradients(student, [hidden, mask], cotangents=[weights])[0]
        expect(
            found is not None,
            "No gradient passes through the pool, so an encoder below it can never be tuned: "
            "leave out no_grad, detach and numpy.",
        )
        leaf = hidden.clone().requires_grad_()
        (wanted,) = torch.autograd.grad((pooled(kind, leaf, mask) * weights).sum(), leaf)
        gradient = as_tensor(found, "The gradient", hidden.shape)
        expect(
            close(gradient, wanted, 1e-4),
            f"With padding on the {sides[0]} the gradient of the pool is wrong: it must reach the "
            "tokens that make the result, and nothing else.",
        )


def expect_untouched(student: Any, draw: Draw) -> None:
    """Hidden states and mask are not changed in place."""
    for dtype in (torch.int64, torch.bool):
        hidden, mask = a_batch(draw, ("right",))
        given = [hidden.clone(), mask.to(dtype)]
        kept = live.call_and_keep(student, given, {})[1]
        expect(
            torch.equal(kept[0], hidden) and torch.equal(kept[1].long(), mask),
            "The pool changes the tensors that it is given, and the next pool gets other ones: "
            "use masked_fill without the underscore, or a copy.",
        )


@suite.check(FIRST)
def first_of_mixed_sides(student: Any, draw: Draw) -> None:
    """Each row's padding may stand on its own side"""
    expect_mixed(FIRST, student, draw)


@suite.check(FIRST)
def first_of_small_batches(student: Any, draw: Draw) -> None:
    """Batches of one, sentences of one token and batches without padding keep their shape"""
    expect_small(FIRST, student, draw)


@suite.check(FIRST)
def first_with_any_mask(student: Any, draw: Draw) -> None:
    """The mask may be int64 or bool"""
    expect_any_mask(FIRST, student, draw)


@suite.check(FIRST)
def first_has_gradients(student: Any, draw: Draw) -> None:
    """Gradients pass to the first token"""
    expect_gradient(FIRST, student, draw)


@suite.check(MEAN)
def mean_of_mixed_sides(student: Any, draw: Draw) -> None:
    """Each row's padding may stand on its own side"""
    expect_mixed(MEAN, student, draw)


@suite.check(MEAN)
def mean_of_small_batches(student: Any, draw: Draw) -> None:
    """Batches of one, sentences of one token and batches without padding keep their shape"""
    expect_small(MEAN, student, draw)


@suite.check(MEAN)
def mean_with_any_mask(student: Any, draw: Draw) -> None:
    """The mask may be int64 or bool"""
    expect_any_mask(MEAN, student, draw)


@suite.check(MEAN)
def mean_has_gradients(student: Any, draw: Draw) -> None:
    """Gradients pass to all tokens alike, and not to padding"""
    expect_gradient(MEAN, student, draw)


@suite.check(MEAN)
def mean_is_for_each_row(student: Any, draw: Draw) -> None:
    """Each row is divided by its own number of tokens, special tokens included"""
    hidden = draw.normal(3, 9, 4) + 2
    mask = a_mask((9, 2, 1), ("right",), 9)
    found = as_tensor(student(hidden.clone(), mask), "The result", (3, 4))
    total = (hidden * mask.unsqueeze(-1)).sum(dim=1)
    for name, count in (("the longest row", 9), ("an average row", 4), ("the whole batch", 12)):
        expect(
            not close(found, total / count, 1e-4),
            f"Every row is divided by the {count} tokens of {name}: divide each by its own number.",
        )
    expect(
        close(found[1:], pooled(MEAN, hidden, mask)[1:], 1e-4),
        "For a sentence of two tokens, or one, the mean is wrong: every token counts, the first "
        "and the last one too.",
    )


@suite.check(MEAN)
def mean_leaves_its_arguments(student: Any, draw: Draw) -> None:
    """hidden and attention_mask stay as they are"""
    expect_untouched(student, draw)


@suite.check(MAX)
def max_of_mixed_sides(student: Any, draw: Draw) -> None:
    """Each row's padding may stand on its own side"""
    expect_mixed(MAX, student, draw)


@suite.check(MAX)
def max_of_small_batches(student: Any, draw: Draw) -> None:
    """Batches of one, sentences of one token and batches without padding keep their shape"""
    expect_small(MAX, student, draw)


@suite.check(MAX)
def max_with_any_mask(student: Any, draw: Draw) -> None:
    """The mask may be int64 or bool"""
    expect_any_mask(MAX, student, draw)


@suite.check(MAX)
def max_has_gradients(student: Any, draw: Draw) -> None:
    """Gradients pass to the largest values, and not to padding"""
    expect_gradient(MAX, student, draw)


@suite.check(MAX)
def far_below_zero(student: Any, draw: Draw) -> None:
    """Padding loses against any number, however negative"""
    hidden, mask = a_batch(draw, ("right",))
    for low in (-3.0, -300.0, -4000.0):
        hidden = low + draw.normal(*hidden.shape)
        result = student(hidden.clone(), mask)
        found = as_tensor(result, "The result", (len(hidden), hidden.size(2)))
        expect(
            close(found, pooled(MAX, hidden, mask), 1e-4),
            f"Where all values are about {low:g} a row with padding gives {float(found[0, 0]):g}: "
            "what you put at padding is larger than that; -inf never is.",
        )


@suite.check(MAX)
def max_leaves_its_arguments(student: Any, draw: Draw) -> None:
    """hidden and attention_mask stay as they are"""
    expect_untouched(student, draw)


@suite.check(LAST)
def last_of_mixed_sides(student: Any, draw: Draw) -> None:
    """Each row's padding may stand on its own side"""
    expect_mixed(LAST, student, draw)


@suite.check(LAST)
def last_of_small_batches(student: Any, draw: Draw) -> None:
    """Batches of one, sentences of one token and batches without padding keep their shape"""
    expect_small(LAST, student, draw)


@suite.check(LAST)
def last_with_any_mask(student: Any, draw: Draw) -> None:
    """The mask may be int64 or bool"""
    expect_any_mask(LAST, student, draw)


@suite.check(LAST)
def last_has_gradients(student: Any, draw: Draw) -> None:
    """Gradients pass to the last token"""
    expect_gradient(LAST, student, draw)

"""Hidden checks of how attention uses its mask."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.checks.attention.oracle import BROADCAST, suite
from course.checks.attention import ATTENTION, require_zero_row
from course.checks.attention_toys import (
    Sizes,
    inputs,
    require_hidden,
    some_keys,
    values_of,
    weights_of,
)
from course.checks.base import Draw, as_pair, as_tensor, expect


@suite.check(ATTENTION, points=2, hint=BROADCAST)
def mask_broadcasts(student: Any, draw: Draw) -> None:
    """A mask of any shape that broadcasts to (batch, heads, queries, keys) is obeyed."""
    query, key, value = inputs(draw, Sizes(batch=2, heads=3, queries=4, keys=5))
    check_shapes(
        student,
        draw,
        (query, key, value),
        [(4, 5), (2, 1, 1, 5), (2, 1, 4, 5), (1, 3, 4, 5), (2, 3, 4, 5), (3, 4, 5), (1, 5)],
    )


@suite.check(ATTENTION, hint=BROADCAST)
def mask_when_sizes_are_equal(student: Any, draw: Draw) -> None:
    """Masks keep their meaning when batch, heads and length are the same number."""
    size = draw.integer(3, 5)
    args = inputs(draw, Sizes(size, size, size, size))
    masks = [(size, size), (size, 1, 1, size), (size, 1, size, size), (1, size, size, size)]
    check_shapes(student, draw, args, masks)


def check_shapes(
    student: Any, draw: Draw, args: tuple[Tensor, ...], masks: list[tuple[int, ...]]
) -> None:
    """Fail unless exactly the keys that each mask shows get weight."""
    scores = (*args[0].shape[:-1], args[1].shape[-2])
    for shape in masks:
        mask = some_keys(draw, *shape)
        equal = " (all sizes equal)" if len(set(scores)) == 1 else ""
        what = f"A mask of shape {shape} with scores {scores}{equal}"
        try:
            weights = weights_of(student, *args, mask=mask)
        except NotImplementedError:  # a RuntimeError, but not a mistake about masks
            raise
        except (RuntimeError, ValueError, IndexError) as error:
            expect(False, f"{what} stops with {type(error).__name__}. {BROADCAST}")
        require_hidden(weights, mask, what)
        shown = weights[mask.expand(scores)]
        expect(
            float(shown.min()) > 0,
            f"{what}: a visible key gets weight 0: the mask lands on the wrong axis. {BROADCAST}",
        )


@suite.check(ATTENTION, points=2)
def mask_comes_before_softmax(student: Any, draw: Draw) -> None:
    """The weights of the visible keys alone sum to 1."""
    query, key, value = inputs(draw, Sizes(dim=4))
    mask = some_keys(draw, 2, 1, 1, 5)
    weights = weights_of(student, query, key, value, mask=mask)
    require_hidden(weights, mask, "A padding mask (batch, 1, 1, length)")
    # Masking after the softmax and dividing by the new sum is the same function: it passes.
    sums = weights.sum(dim=-1)
    worst = float(sums.flatten()[(sums.nan_to_num() - 1).abs().argmax()])
    expect(
        abs(worst - 1) < 1e-3,
        f"The weights of the visible keys sum to {worst:.2f}, not to 1: mask the scores before "
        "the softmax, not the weights after it.",
    )


@suite.check(ATTENTION)
def masked_scores_are_low_enough(student: Any, draw: Draw) -> None:
    """A hidden key gets weight 0 even when its score is far above the visible ones."""
    query, key, value = inputs(draw, Sizes(dim=4))
    mask = some_keys(draw, 2, 1, 1, 5)
    plain = weights_of(student, query, key, value, mask=mask)
    require_hidden(plain, mask, "A padding mask (batch, 1, 1, length)")
    # Visible scores near -2000, hidden ones near +2000: beyond a fill of -1000, not of BERT's -1e4.
    shown = mask.transpose(-2, -1)
    key = torch.where(shown, -10.0, 10.0) + 0.01 * key
    # Here all may be NaN: whoever masks after the softmax divides 0 by 0, and that is pardoned.
    pair = as_pair(student(100 + 0.1 * query, key, value, mask=mask), "The result")
    weights = as_tensor(pair[1], "weights", plain.shape)
    leaked = float(weights[~mask.expand(weights.shape)].nan_to_num().max())
    expect(
        leaked < 1e-6,
        f"A hidden key with a large score gets weight {leaked:.2g}: replace masked scores (do not "
        "add to them) by -inf or the dtype's lowest number; -1000 is not low enough.",
    )


@suite.check(ATTENTION, hint=BROADCAST)
def empty_sentence_gets_zeros(student: Any, draw: Draw) -> None:
    """A sentence of padding alone and left-padded queries get zeros, the others do not."""
    query, key, value = inputs(draw)
    padding = torch.tensor([[0, 0, 0, 0, 0], [0, 0, 1, 1, 1]]).bool()[:, None, None, :]
    mask = padding & torch.ones(5, 5, dtype=torch.bool).tril()
    for name, found in (
        ("weights", weights_of(student, query, key, value, mask=mask)),
        ("values", values_of(student, query, key, value, mask=mask)),
    ):
        require_zero_row(found[0], name)
        require_zero_row(found[1, :, :2], name)
        expect(
            bool(found[1, :, 2:].isfinite().all()) and float(found[1, :, 2:].abs().sum()) > 0,
            f"{name} of ordinary queries vanish or are not finite when another row sees no key.",
        )
    nothing = torch.zeros(1, 1, 1, 5, dtype=torch.bool)
    require_zero_row(weights_of(student, query, key, value, mask=nothing), "weights")


@suite.check(ATTENTION)
def mask_must_be_boolean(student: Any, draw: Draw) -> None:
    """A mask that is not boolean is refused with a TypeError."""
    query, key, value = inputs(draw)
    kept = some_keys(draw, 5, 5)
    additive = torch.zeros(5, 5).masked_fill(~kept, float("-inf"))
    for mask in (kept.float(), kept.long(), kept.to(torch.uint8), additive):
        found = error_of(student, query, key, value, mask)
        expect(
            found == "TypeError",
            f"A mask of dtype {mask.dtype} {outcome(found)}: raise TypeError unless its dtype is "
            "torch.bool, for 0/1 and additive masks mean different things.",
        )


@suite.check(ATTENTION)
def mask_that_does_not_fit(student: Any, draw: Draw) -> None:
    """A mask that does not broadcast to the scores is refused with a ValueError."""
    query, key, value = inputs(draw, Sizes(batch=2, heads=3, queries=5, keys=6))
    for shape in ((2, 6), (5, 7), (5, 5), (3, 1, 1, 6), (2, 2, 5, 6), (2, 1, 6, 5)):
        found = error_of(student, query, key, value, torch.ones(shape, dtype=torch.bool))
        expect(
            found == "ValueError",
            f"A mask of shape {shape} with scores (2, 3, 5, 6) {outcome(found)}: check that it "
            "broadcasts to the scores and raise ValueError with both shapes.",
        )


def error_of(student: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> str | None:
    """The name of the exception that a call raises, or None."""
    try:
        student(query, key, value, mask)
    except NotImplementedError:
        raise
    except Exception as error:
        for kind in (TypeError, ValueError):
            if isinstance(error, kind):
                return kind.__name__
        return type(error).__name__
    return None


def outcome(error: str | None) -> str:
    """Words for what ``error_of`` found."""
    return "is accepted silently" if error is None else f"stops with {error}"

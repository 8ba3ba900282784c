"""Visible checks of CausalSelfAttention."""

from __future__ import annotations

from typing import Any

import torch

from course.checks.base import Draw, as_tensor, expect, largest_difference
from course.checks.gpt.common import ATTENTION, suite
from course.checks.multi_head_toys import Layer


@suite.check(ATTENTION)
def attention_keeps_the_shape(student: Any, draw: Draw) -> None:
    """forward returns one tensor of the shape of x, for one token or one text too."""
    module = student(12, 3)
    for shape in ((2, 5, 12), (1, 4, 12), (3, 1, 12), (1, 1, 12)):
        result = module(draw.normal(*shape))
        expect(
            not isinstance(result, (tuple, list)),
            "forward returns several things: return the output alone.",
        )
        output = as_tensor(result, f"The output for x of shape {shape}", shape)
        expect(output.isfinite().all(), f"The output for x of shape {shape} holds NaN or infinity.")


@suite.check(ATTENTION, points=3)
def nobody_looks_ahead(student: Any, draw: Draw) -> None:
    """A later token has no influence on the outputs before it."""
    layer = Layer(student, 12, 3).randomise(draw, bias=0.3)
    x = draw.normal(2, 6, 12)
    before = layer(x)
    for place in (5, 3, 1):
        other = x.clone()
        other[:, place:] = draw.normal(2, 6 - place, 12) * 5
        leak = largest_difference(layer(other)[:, :place], before[:, :place])
        expect(
            leak <= 1e-4,
            f"Changing the tokens from position {place} on moves earlier outputs by {leak:.2g}: "
            "before the softmax, hide every key that stands after its query.",
        )


@suite.check(ATTENTION, points=2)
def everybody_looks_back(student: Any, draw: Draw) -> None:
    """Every position sees itself and all positions before it."""
    layer = Layer(student, 12, 3).randomise(draw, bias=0.3)
    x = draw.normal(1, 6, 12)
    before = layer(x)
    expect(
        bool(before.isfinite().all()),
        "The output holds NaN: a position that sees nothing at all has no softmax. Each sees at "
        "least itself, so the diagonal of the mask is True.",
    )
    for place in (0, 2, 5):
        other = x.clone()
        other[:, place] = draw.normal(12) * 2
        moved = (layer(other) - before).abs().amax(dim=(0, 2))[place:]
        expect(
            bool((moved > 1e-6).all()),
            f"Position {place + int(moved.argmin())} does not see position {place}: every position "
            "sees all that stands before it.",
        )
    # All weights 0.5: a score is 32 · t · k, so each position sees the last key that it may see.
    steps = torch.arange(6.0)
    last = Layer(student, 8, 2).fill(0.5)(steps[None, :, None].expand(1, 6, 8).contiguous())
    seen = last[0, :, 0] / 16
    expect(
        not (seen[2:] - (steps - 1)[2:]).abs().max() < 0.3,
        "Positions see those before them, but not themselves: the diagonal of the mask is True.",
    )

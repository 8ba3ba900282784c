"""Visible checks of EncoderBlock."""

from __future__ import annotations

from typing import Any

import torch

from course.checks import live
from course.checks.base import Draw, as_tensor, close, expect, largest_difference
from course.checks.encoder.suite import BLOCK, MODULE, suite
from course.checks.encoder_toys import (
    DIM,
    SIZES,
    WIDE,
    arrange,
    build,
    enliven,
    norm,
    require_wide,
    token,
    working,
)


@suite.check(BLOCK, hint=MODULE)
def block_keeps_the_shape(student: Any, draw: Draw) -> None:
    """Tokens come out in the shape they went in, with a mask or without."""
    block = working(
        student, draw, embed_dim=DIM, num_heads=2, feedforward_dim=WIDE, dropout=0.1, training=True
    )
    x = draw.normal(3, 5, DIM)
    as_tensor(block(x), "The output", (3, 5, DIM))
    mask = torch.ones(3, 1, 1, 5, dtype=torch.bool)
    as_tensor(block(x, mask=mask), "The output with a mask", (3, 5, DIM))


@suite.check(BLOCK, points=2, hint=MODULE)
def post_norm_ends_with_a_norm(student: Any, draw: Draw) -> None:
    """By default each output token leaves a LayerNorm: mean 0 and variance 1."""
    block = build(student, draw, *SIZES)
    y = as_tensor(block(token(draw, 3, 5)), "The output", (3, 5, DIM)).double()
    mean, variance = y.mean(dim=-1), y.var(dim=-1, unbiased=False)
    worst = float(mean.abs().max())
    expect(
        worst < 1e-3,
        f"An output token has mean {worst:.2f} over its features, not 0: post-norm ends with "
        "LayerNorm(h + feedforward(h)), after the addition and over the last dimension.",
    )
    expect(
        not close(variance, torch.full_like(variance, 1 - 1 / DIM), 0.02),
        "The variance is divided by embed_dim - 1: LayerNorm divides by embed_dim.",
    )
    far = float(variance.flatten()[(variance - 1).abs().argmax()])
    expect(
        abs(far - 1) < 0.02,
        f"An output token has variance {far:.2f} over its features, not 1: post-norm ends with "
        "LayerNorm(h + feedforward(h)), nothing after it.",
    )


@suite.check(BLOCK, points=2, hint=MODULE)
def both_sublayers_have_a_residual(student: Any, draw: Draw) -> None:
    """With silent sublayers a token passes through: it leaves as LayerNorm(token)."""
    block = build(student, draw, *SIZES)
    arrange(block, draw)
    x = token(draw, 2, 4)
    y = as_tensor(block(x), "The output", (2, 4, DIM))
    expect(
        float(y.abs().max()) > 0.01,
        "With attention and feed-forward silenced nothing is left of the token: a residual "
        "connection is missing. Add each sublayer's input to its output.",
    )
    expect(
        close(y, norm(x), 1e-2),
        f"With both sublayers silenced the output differs from LayerNorm(x) by "
        f"{largest_difference(y, norm(x)):.2f}: each residual adds the sublayer's own input, once.",
    )


@suite.check(BLOCK, points=1, hint=MODULE)
def feedforward_has_its_width(student: Any, draw: Draw) -> None:
    """The feed-forward widens a token to feedforward_dim, and shrinks it back."""
    require_wide(live.parameters(build(student, draw, *SIZES)))


@suite.check(BLOCK, hint="The mask is the second argument of forward; give it to the attention.")
def mask_reaches_the_attention(student: Any, draw: Draw) -> None:
    """A token that the mask hides has no influence on the others; a visible one has."""
    block = build(student, draw, *SIZES)
    enliven(block, draw)
    x = draw.normal(2, 5, DIM)
    mask = torch.ones(2, 1, 1, 5, dtype=torch.bool)
    mask[..., 3] = False
    before = block(x, mask)
    hidden, visible = x.clone(), x.clone()
    hidden[:, 3] = draw.normal(2, DIM)
    visible[:, 1] = draw.normal(2, DIM)
    leak = largest_difference(before[:, :3], block(hidden, mask)[:, :3])
    seen = largest_difference(before[:, 0], block(visible, mask)[:, 0])
    expect(
        seen > 1e-4,
        "A token that the mask shows (True) has no influence on the others: hand the mask on as it "
        "is; True means that a query may look at the key.",
    )
    expect(
        leak < 1e-5,
        f"A token that the mask hides (False) still moves the others by {leak:.3f}: hand the mask "
        "to the attention.",
    )

"""Hidden checks of EncoderBlock's dropout."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.checks.encoder.suite import suite
from course.checks import live
from course.checks.base import Draw, as_tensor, close, expect, largest_difference
from course.checks.encoder.suite import BLOCK
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

COPIES, RATE = 900, 0.4
SIX_SIGMA = 6 * (RATE * (1 - RATE) / COPIES) ** 0.5  # of a share of COPIES draws: 2e-9 a check


@suite.check(BLOCK)
def block_is_steady_when_evaluating(student: Any, draw: Draw) -> None:
    """In evaluation mode, and by default in training too, nothing is dropped."""
    x = draw.normal(3, 6, DIM)
    block = working(student, draw, *SIZES, 0.5)
    enliven(block, draw)
    expect(
        close(block(x), block(x), 1e-6),
        "In evaluation mode two calls differ: dropout must act in training only.",
    )
    default = working(student, draw, *SIZES, training=True)
    enliven(default, draw)
    expect(
        close(default(x), default(x), 1e-6),
        "With the default dropout=0.0 two calls in training differ: hand the rate on.",
    )


@suite.check(BLOCK)
def dropout_spares_the_residual(student: Any, draw: Draw) -> None:
    """Dropout acts on a sublayer's output before the addition, not on x nor on the sum."""
    for norm_first in (False, True):
        block = working(student, draw, *SIZES, 0.5, training=True, norm_first=norm_first)
        arrange(block, draw)
        x = token(draw, 3, 5)
        y = block(x)
        steady = largest_difference(y, block(x))
        expect(
            steady < 1e-6,
            "With silent sublayers two calls in training differ: dropout hits x or a sum. Drop "
            "out the sublayer's output, then add, then normalise.",
        )


def same_token(block: Any, draw: Draw, features: Tensor) -> Tensor:
    """What the block, in training, makes of many sequences of one and the same token."""
    x = features.expand(COPIES, 1, DIM).contiguous()
    return as_tensor(block(x), "The output", (COPIES, 1, DIM))[:, 0]


@suite.check(BLOCK)
def dropout_after_the_feedforward(student: Any, draw: Draw) -> None:
    """In training the feed-forward's output is dropped at the given rate."""
    block = build(student, draw, *SIZES, RATE, training=True)
    require_wide(live.parameters(block))
    u = torch.zeros(DIM)
    u[0] = 0.5
    arrange(block, draw, feedforward=u)
    x = draw.normal(DIM)
    x[0] = 3.0  # the feed-forward adds WIDE · GELU(u·h) · u, which is in feature 0 alone
    y = same_token(block, draw, x)
    share = float(((y - norm(x)).abs().amax(dim=-1) < 1e-3).double().mean())
    expect(
        share > 0,
        "In training the feed-forward's output is never dropped: apply dropout to it before it is "
        "added.",
    )
    expect(
        abs(share - RATE) < SIX_SIGMA,
        f"With dropout={RATE} a feature of the feed-forward's output is dropped with a share of "
        f"{share:.2f}: hand the block's rate on, and drop out once.",
    )


@suite.check(BLOCK, points=2)
def dropout_on_the_attention_weights(student: Any, draw: Draw) -> None:
    """In training the attention weights are dropped too, at the given rate."""
    block = build(student, draw, DIM, 1, WIDE, RATE, training=True)
    arrange(block, draw, attention=1.0)
    x = token(draw)
    y = same_token(block, draw, x)
    # One head, one key: where its weight is dropped, x alone is left. Features of the output
    # all fall by themselves with probability RATE^8 = 7e-4.
    share = float(((y - norm(x)).abs().amax(dim=-1) < 1e-3).double().mean())
    expect(
        share > 0.05,
        "In training no attention weight is ever dropped: hand the block's dropout on to the "
        "multi-head attention.",
    )
    expect(
        abs(share - RATE) < SIX_SIGMA + RATE**DIM,
        f"With dropout={RATE} an attention weight is dropped with a share of {share:.2f}: hand the "
        "block's rate on to the attention as it is.",
    )


@suite.check(BLOCK)
def dropout_after_the_attention(student: Any, draw: Draw) -> None:
    """In training the attention's output is dropped, feature by feature."""
    block = build(student, draw, DIM, 1, WIDE, RATE, training=True)
    arrange(block, draw, attention=1.0)
    x = token(draw)
    y = same_token(block, draw, x)
    kept = y[(y - norm(x)).abs().amax(dim=-1) > 1e-3]
    # 2^8 patterns of features are possible; fewer than four in hundreds of draws never happen.
    patterns = len({tuple(row) for row in (kept * 100).round().tolist()})
    expect(
        patterns > 3,
        "In training the attention's output is added as a whole: apply dropout to it before it is "
        "added to x.",
    )


@suite.check(BLOCK)
def pre_norm_drops_out_too(student: Any, draw: Draw) -> None:
    """With norm_first=True both sublayers' outputs are dropped in training as well."""
    sizes = (DIM, 1, WIDE, RATE)
    x = token(draw)
    block = build(student, draw, *sizes, norm_first=True, training=True)
    u = torch.zeros(DIM)
    u[0] = 0.5 if norm(x)[0] > 0 else -0.5
    arrange(block, draw, feedforward=u)
    added = same_token(block, draw, x)[:, 0] - x[0]
    share = float((added.abs() < 1e-5).double().mean())
    expect(
        abs(share - RATE) < SIX_SIGMA,
        f"With norm_first=True and dropout={RATE} a feature of the feed-forward's output is "
        f"dropped with a share of {share:.2f}.",
    )
    block = build(student, draw, *sizes, norm_first=True, training=True)
    arrange(block, draw, attention=1.0)
    added = same_token(block, draw, x) - x
    # A feature is 0 where its own dropout or that of the one attention weight strikes.
    share, both = float((added.abs() < 1e-5).double().mean()), 1 - (1 - RATE) ** 2
    # Draws of one token hang together: allow six sigma of COPIES whole tokens.
    expect(
        abs(share - both) < 6 * (both * (1 - both) / COPIES) ** 0.5,
        f"With norm_first=True and dropout={RATE} a share of {share:.2f} of the attention's output "
        f"is 0, not {both:.2f}: drop out weights and output, as in the other form.",
    )

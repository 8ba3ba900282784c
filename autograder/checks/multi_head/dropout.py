"""Hidden checks of the dropout of MultiHeadAttention.

A lone token attends to itself with weight 1, so with one head its output is either that of
evaluation mode over 1 - p or, when the weight is dropped, nothing: all of it or none of it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.checks.multi_head.suite import MODULE, suite
from course.checks import live
from course.checks.base import Draw, close, expect
from course.checks.multi_head_toys import Layer

DIM, COPIES = 4, 1200


def lone_tokens(student: Any, draw: Draw, rate: float, heads: int = 1) -> tuple[Tensor, Tensor]:
    """Outputs of COPIES equal lone tokens: in training (COPIES, DIM), in evaluation (DIM,)."""
    layer = Layer(student, DIM, heads, dropout=rate).randomise(draw)  # zero biases
    x = draw.normal(1, 1, DIM).expand(COPIES, 1, DIM).contiguous()
    calm = layer(x[:1])[0, 0]
    live.set_mode(layer.module, True)
    live.seed(layer.module, draw.integer(0, 2**31))
    return layer(x)[:, 0], calm


@suite.check(MODULE, points=2)
def dropout_falls_on_weights_alone(student: Any, draw: Draw) -> None:
    """A dropped weight takes a whole value away; no single feature is dropped."""
    rows, calm = lone_tokens(student, draw, 0.4)
    some_zero = (rows.abs() < 1e-6).any(dim=1) & ~(rows.abs() < 1e-6).all(dim=1)
    expect(
        not some_zero.any(),
        "Dropout zeroes single features of the output: it must act on the attention weights, "
        "after the softmax, and nowhere else.",
    )
    share = rows @ calm / (calm @ calm)
    off = (rows - share[:, None] * calm).abs().max()
    expect(
        off < 1e-3,
        "Dropout hits single features of values, queries or input: it must act on the attention "
        "weights, after the softmax, and nowhere else.",
    )


@suite.check(MODULE, points=2)
def dropout_rate_is_handed_on(student: Any, draw: Draw) -> None:
    """In training, a share ``dropout`` of the weights is dropped, the others grow by 1/(1 - p)."""
    for rate in (0.2, 0.7):
        rows, calm = lone_tokens(student, draw, rate)
        dropped = float((rows.abs() < 1e-6).double().mean())
        # Six sigma of a binomial of COPIES draws: a false alarm in 5e8 runs. Where features are
        # dropped one by one there are more draws, and the bound is wider than need be.
        bound = 6 * (rate * (1 - rate) / COPIES) ** 0.5
        expect(
            dropped > 0,
            f"Built with dropout={rate}, the module drops nothing in training mode: hand the "
            "rate on to the attention weights, after the softmax.",
        )
        expect(
            abs(dropped - rate) < bound,
            f"Built with dropout={rate}, the module drops a share of {dropped:.2f} in training "
            "mode: hand its own rate on, once.",
        )
        kept = rows[(rows.abs() > 1e-6).all(dim=1)]
        expect(
            len(kept) == 0 or close(kept, (calm / (1 - rate)).expand_as(kept), 1e-3),
            f"With dropout={rate} a kept weight must grow by 1/(1 - {rate}) = {1 / (1 - rate):.2f}"
            ", so that the mean stays: torch's dropout does it.",
        )


@suite.check(MODULE)
def every_call_draws_anew(student: Any, draw: Draw) -> None:
    """Two calls in training drop different weights."""
    layer = Layer(student, DIM, 2, dropout=0.5, train=True).randomise(draw)
    x = draw.normal(20, 6, DIM)  # 1440 weights: two equal draws have a chance of 2 ** -1440
    expect(
        not close(layer(x), layer(x), 1e-6),
        "Two calls in training mode drop the same weights, or none: do not seed, draw anew.",
    )


@suite.check(MODULE)
def no_dropout_by_default(student: Any, draw: Draw) -> None:
    """Without a rate, training mode computes what evaluation mode does."""
    layer = Layer(student, 12, 3).randomise(draw, bias=0.3)
    x = draw.normal(4, 6, 12)
    calm = layer(x)
    live.set_mode(layer.module, True)
    expect(
        close(layer(x), calm),
        "Built without a dropout rate, the module gives other outputs in training mode: the "
        "default rate is 0.",
    )


@suite.check(MODULE)
def each_weight_dropped_by_itself(student: Any, draw: Draw) -> None:
    """Heads, queries, keys and sentences draw apart."""
    rows, _ = lone_tokens(student, draw, 0.5, heads=2)
    gone = float((rows.abs() < 1e-6).all(dim=1).double().mean())
    # Both heads lose their weight in a quarter of the sentences; six sigma is 0.075.
    expect(
        abs(gone - 0.25) < 0.075,
        f"At rate 0.5 with two heads, both weights of a token vanish in {gone:.0%} of the "
        "sentences instead of 25 %: draw for every head and sentence.",
    )
    kept = kept_weights(student, draw).flatten(1)  # (sentences, 3 queries · 3 keys)
    spread = kept.std(dim=0)
    kept = kept[:, spread > 1e-3]
    moves = (kept - kept.mean(dim=0)) / kept.std(dim=0)
    together = (moves.T @ moves / len(moves)).abs()
    together.fill_diagonal_(0.0)
    # Correlation of two fair coins over 1200 draws: standard deviation 0.029, six of them 0.18.
    expect(kept.size(1) > 1, "With dropout=0.5, in training mode, weights keep their size.")
    expect(
        together.max() < 0.25,
        "Weights are dropped in groups (whole queries, keys or heads at once): draw for every "
        "weight by itself.",
    )


def kept_weights(student: Any, draw: Draw) -> Tensor:
    """Shares that three tokens take of each other in training, (sentences, queries, keys).

    With one head and zero biases an output is Σ_j weight_j A x_j; A x_j is seen on lone tokens.
    """
    layer = Layer(student, DIM, 1, dropout=0.5).randomise(draw, size=0.6)
    x = draw.normal(1, 3, DIM)
    values = layer(x[0][:, None])[:, 0]  # (3, DIM)
    live.set_mode(layer.module, True)
    live.seed(layer.module, draw.integer(0, 2**31))
    outputs = layer(x.expand(COPIES, 3, DIM).contiguous())  # (COPIES, 3, DIM)
    return outputs @ torch.linalg.pinv(values)

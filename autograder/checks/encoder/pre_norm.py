"""Hidden checks of EncoderBlock with norm_first=True, and of how the two forms relate."""

from __future__ import annotations

from typing import Any

import torch

from autograder.checks.encoder.suite import suite
from course.checks import live
from course.checks.base import Draw, as_tensor, close, expect, largest_difference
from course.checks.encoder.suite import BLOCK
from course.checks.encoder_toys import (
    ACTIVATIONS,
    DIM,
    SIZES,
    arrange,
    build,
    direction,
    enliven,
    feedforward_of,
    feedforward_weights,
    is_gain,
    is_matrix,
    norm,
    token,
    working,
)


@suite.check(BLOCK, points=2)
def pre_norm_is_an_open_road(student: Any, draw: Draw) -> None:
    """norm_first=True with silent sublayers returns x itself."""
    block = working(student, draw, *SIZES, norm_first=True)
    arrange(block, draw)
    x = token(draw, 2, 4)
    y = as_tensor(block(x), "The output", (2, 4, DIM))
    expect(
        not close(y, norm(x), 1e-2),
        "With norm_first=True and silent sublayers the output is LayerNorm(x): the residual must "
        "carry x itself, x + sublayer(LayerNorm(x)), without a norm at the end.",
    )
    expect(
        float(y.abs().max()) > 0.01,
        "With norm_first=True and silent sublayers nothing is left: a residual is missing.",
    )
    expect(
        close(y, x),
        f"With norm_first=True and silent sublayers the output differs from x by "
        f"{largest_difference(y, x):.2f}: x passes through unchanged.",
    )


@suite.check(BLOCK)
def pre_norm_feeds_normalised_tokens(student: Any, draw: Draw) -> None:
    """With norm_first=True the attention sees LayerNorm(x): scale and mean of x change nothing."""
    block = build(student, draw, *SIZES, norm_first=True)
    arrange(block, draw, attention=0.5)
    x = draw.normal(2, 5, DIM)
    moved = 4 * x + 3
    first, second = block(x) - x, block(moved) - moved
    added = largest_difference(first, torch.zeros(2, 5, DIM))
    expect(added > 1e-3, "With norm_first=True the attention adds nothing to x.")
    wrong = largest_difference(first, second)
    expect(
        wrong < 0.02,
        f"What the attention adds to x changes by {wrong:.2f} when x is scaled and shifted: with "
        "norm_first=True it gets LayerNorm(x), and x + attention(LayerNorm(x)) goes on.",
    )


@suite.check(BLOCK, points=2)
def pre_norm_feedforward(student: Any, draw: Draw) -> None:
    """With norm_first=True the output is h + feedforward(LayerNorm(h)), h after the attention."""
    block = build(student, draw, *SIZES, norm_first=True)
    arrange(block, draw, attention=0.5)
    x = token(draw, 2, 5)
    h = as_tensor(block(x), "The output", (2, 5, DIM))
    u = direction(draw)
    live.set_parameters(block, feedforward_weights(live.parameters(block), u))
    y = block(x)
    expect(
        not close(y, h + feedforward_of(norm(x), u), 2e-3),
        "With norm_first=True the feed-forward gets LayerNorm(x) of the block's input: normalise "
        "h, the sum after the attention.",
    )
    expect(
        not close(y, h + feedforward_of(h, u), 2e-3),
        "With norm_first=True the feed-forward gets h as it is: normalise its input first.",
    )
    forms = [h + feedforward_of(norm(h), u, f) for f in ACTIVATIONS.values()]
    wrong = min(largest_difference(y, form) for form in forms)
    expect(
        wrong < 5e-2,
        f"With norm_first=True the output is off by {wrong:.2f} from "
        "h + feedforward(LayerNorm(h)), h = x + attention(LayerNorm(x)).",
    )


@suite.check(BLOCK)
def pre_norm_has_two_norms_too(student: Any, draw: Draw) -> None:
    """With norm_first=True as well, both LayerNorms and all other parameters are used."""
    block = working(student, draw, *SIZES, norm_first=True)
    fresh = live.parameters(block)
    found = live.parameter_gradients(block, [draw.normal(2, 5, DIM)], {}, [draw.normal(2, 5, DIM)])
    idle = [name for name, gradient in found.items() if gradient is None]
    expect(
        not idle,
        f"With norm_first=True no gradient reaches {', '.join(idle[:4])}: each sublayer normalises "
        "its input by its own LayerNorm.",
    )
    gains = sum(is_gain(value) for value in fresh.values())
    expect(gains != 1, "With norm_first=True one LayerNorm serves both sublayers: make two.")


@suite.check(BLOCK)
def norm_first_moves_only_the_norms(student: Any, draw: Draw) -> None:
    """Both forms compute with the same sublayers: only the place of the norms differs."""
    pre = working(student, draw, *SIZES, norm_first=True)
    post = working(student, draw, *SIZES)
    arrange(pre, draw, attention=0.5)
    weights = live.parameters(pre)
    shapes = {name: value.shape for name, value in live.parameters(post).items()}
    if shapes != {name: value.shape for name, value in weights.items()}:
        return  # other layers for each form are allowed, and cannot be compared
    live.set_parameters(post, weights)
    x = norm(draw.normal(2, 5, DIM))  # the first norm changes nothing: attention sees the same
    h = pre(x)
    wrong = largest_difference(post(x), norm(h))
    expect(any(is_matrix(value) for value in weights.values()), "The block has no weights.")
    expect(
        wrong < 1e-2,
        f"With one set of weights the two forms disagree by {wrong:.2f} after the attention: "
        "post-norm is LayerNorm(x + attention(x)), pre-norm x + attention(LayerNorm(x)).",
    )


@suite.check(BLOCK, hint="Hand the mask on in both forms.")
def pre_norm_gets_the_mask(student: Any, draw: Draw) -> None:
    """With norm_first=True the mask reaches the attention too."""
    block = working(student, draw, *SIZES, norm_first=True)
    enliven(block, draw)
    x = draw.normal(2, 5, DIM)
    mask = torch.ones(2, 1, 1, 5, dtype=torch.bool)
    mask[..., 3] = False
    other = x.clone()
    other[:, 3] = draw.normal(2, DIM)
    leak = largest_difference(block(x, mask)[:, :3], block(other, mask)[:, :3])
    expect(
        leak < 1e-5,
        f"With norm_first=True a token that the mask hides moves the others by {leak:.3f}: hand "
        "the mask to the attention there as well.",
    )

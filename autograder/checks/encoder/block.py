"""Hidden checks of EncoderBlock in its default form, post-norm."""

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
    WIDE,
    arrange,
    build,
    direction,
    enliven,
    feedforward_of,
    feedforward_weights,
    is_gain,
    is_wide,
    jacobian,
    norm,
    require_wide,
    token,
    working,
)

NEAR = 2e-3  # LayerNorm's eps is not pinned: 1e-12 and 1e-5 differ by less than this here


@suite.check(BLOCK, points=2)
def feedforward_uses_gelu(student: Any, draw: Draw) -> None:
    """The feed-forward's activation is GELU, exact or tanh."""
    block = build(student, draw, *SIZES)
    require_wide(live.parameters(block))
    u = direction(draw)
    arrange(block, draw, feedforward=u)
    x = token(draw, 2, 12)
    y = as_tensor(block(x), "The output", (2, 12, DIM))
    h = norm(x)

    forms = {name: norm(h + feedforward_of(h, u, f)) for name, f in ACTIVATIONS.items()}
    right = forms.pop("GELU")
    if close(y, right, 2e-2):  # the tanh form differs by 1e-3 · WIDE
        return
    for name, form in forms.items():
        expect(
            not close(y, form, 1e-2),
            f"The feed-forward computes with {name}: its activation must be GELU.",
        )
    wrong = largest_difference(y, right)
    expect(
        False,
        f"With silent attention the output must be LayerNorm(h + feedforward(h)), h = LayerNorm(x);"
        f" it is off by {wrong:.2f}. feedforward is Linear, GELU, Linear.",
    )


@suite.check(BLOCK, points=2)
def second_sublayer_starts_from_the_first(student: Any, draw: Draw) -> None:
    """The feed-forward and its residual both take the first sublayer's output, h."""
    block = working(student, draw, *SIZES)
    x = token(draw, 2, 5)
    enliven(block, draw)
    kept = live.parameters(block)
    silent = {n: torch.zeros_like(v) for n, v in kept.items() if is_wide(v) or v.dim() < 2}
    gains = {n: torch.ones_like(v) for n, v in kept.items() if is_gain(v)}
    live.set_parameters(block, silent | gains)
    h = as_tensor(block(x), "The output", (2, 5, DIM))
    expect(
        largest_difference(h, norm(x)) > 0.01,
        "With a silent feed-forward the attention has no effect on the output: the second residual "
        "must add h, the first sublayer's output, not the block's input.",
    )
    u = direction(draw)
    live.set_parameters(block, feedforward_weights(kept, u))
    y = block(x)
    for seen in (x, norm(x)):
        expect(
            not close(y, norm(h + feedforward_of(seen, u)), NEAR),
            "The feed-forward gets the block's input: give it h, the first LayerNorm's output.",
        )
    # Whatever the activation: a check of its own looks at that.
    forms = [norm(h + feedforward_of(h, u, f)) for f in ACTIVATIONS.values()]
    wrong = min(largest_difference(y, form) for form in forms)
    expect(
        wrong < 5e-2,
        f"The output is not LayerNorm(h + feedforward(h)), with h the first sublayer's output: it "
        f"is off by {wrong:.2f}.",
    )


@suite.check(BLOCK, points=2)
def first_norm_takes_the_sum(student: Any, draw: Draw) -> None:
    """The first LayerNorm comes after x and its attention are added."""
    block = working(student, draw, *SIZES)
    arrange(block, draw, attention=0.6, feedforward=direction(draw))
    x = token(draw, 5, 1)
    small, large = block(x), block(30 * x)
    wrong = largest_difference(small, large)
    # One token attends to itself, so x + attention(x) is linear, and its LayerNorm forgets scale.
    expect(
        wrong < 0.02,
        f"A token alone, made 30 times larger, changes the output by {wrong:.2f}. It must not: "
        "h = LayerNorm(x + attention(x)), and all that follows uses h alone.",
    )


@suite.check(BLOCK)
def two_layer_norms(student: Any, draw: Draw) -> None:
    """Each sublayer has a LayerNorm of its own."""
    block = working(student, draw, *SIZES)
    gains = [name for name, value in live.parameters(block).items() if is_gain(value)]
    found = live.parameter_gradients(block, [draw.normal(2, 5, DIM)], {}, [draw.normal(2, 5, DIM)])
    used = [name for name in gains if found[name] is not None]
    expect(
        len(used) != 1,
        "Only one LayerNorm does all the work: each sublayer needs its own, with its own gain.",
    )


@suite.check(BLOCK, points=2)
def every_parameter_is_reached(student: Any, draw: Draw) -> None:
    """Every parameter of the block gets a gradient."""
    block = build(student, draw, *SIZES)
    enliven(block, draw)
    found = live.parameter_gradients(block, [draw.normal(2, 5, DIM)], {}, [draw.normal(2, 5, DIM)])
    expect(bool(found), "The block has no parameters: make its layers in __init__ as attributes.")
    idle = [name for name, gradient in found.items() if gradient is None]
    expect(
        not idle,
        f"No gradient reaches {', '.join(idle[:4])}: these parameters are declared and never used.",
    )


@suite.check(BLOCK)
def feedforward_is_position_wise(student: Any, draw: Draw) -> None:
    """With silent attention a token's output depends on that token alone."""
    block = working(student, draw, *SIZES)
    enliven(block, draw)
    zero = {n: v * 0 for n, v in live.parameters(block).items() if not is_wide(v) and v.dim() > 1}
    live.set_parameters(block, zero)
    x = draw.normal(2, 5, DIM)
    other = x.clone()
    other[:, 2] = draw.normal(2, DIM)
    rest = [0, 1, 3, 4]
    moved = largest_difference(block(other)[:, rest], block(x)[:, rest])
    expect(
        moved < 1e-5,
        "The feed-forward mixes positions: it must treat every token by itself, as nn.Linear does.",
    )


@suite.check(BLOCK, hint="nn.MultiheadAttention needs batch_first=True.")
def sequences_do_not_mix(student: Any, draw: Draw) -> None:
    """The sequences of a batch do not see each other, even when batch == length."""
    block = working(student, draw, *SIZES)
    enliven(block, draw)
    x = draw.normal(4, 4, DIM)
    other = x.clone()
    other[1] = draw.normal(4, DIM)
    before, after = block(x), block(other)
    moved = largest_difference(before[[0, 2, 3]], after[[0, 2, 3]])
    expect(
        moved < 1e-5,
        f"Changing one sequence moves another one by {moved:.2f}: attention must run along the "
        "length, within each sequence; x is (batch, length, embed_dim).",
    )
    order = draw.permutation(4)
    expect(
        close(block(x[:, order]), before[:, order], 1e-4),
        "Without a mask, tokens in another order must give the same outputs in that order.",
    )


@suite.check(BLOCK, hint="Hand any boolean mask to the attention as it is.")
def masks_of_every_shape(student: Any, draw: Draw) -> None:
    """A mask may be (length, length) or (batch, 1, length, length) too."""
    block = build(student, draw, *SIZES)
    enliven(block, draw)
    x = draw.normal(3, 5, DIM)
    other = x.clone()
    other[:, 3] = draw.normal(3, DIM)
    causal = torch.ones(5, 5, dtype=torch.bool).tril()
    for mask in (causal, causal.expand(3, 1, 5, 5)):
        before, after = block(x, mask), block(other, mask)
        leak = largest_difference(before[:, :3], after[:, :3])
        seen = largest_difference(before[:, 4], after[:, 4])
        expect(
            leak < 1e-5,
            f"With a causal mask of shape {tuple(mask.shape)} a later token moves earlier ones by "
            f"{leak:.3f}.",
        )
        expect(
            seen > 1e-6,
            f"With a causal mask of shape {tuple(mask.shape)} an earlier token has no influence.",
        )


@suite.check(BLOCK, points=2)
def heads_are_as_many_as_asked(student: Any, draw: Draw) -> None:
    """The attention has num_heads heads."""
    try:
        as_tensor(student(DIM, 3, WIDE)(draw.normal(1, 2, DIM)), "The output")
    except NotImplementedError:
        raise
    except Exception:
        pass
    else:
        expect(False, "3 heads of 8 features raise no error: hand num_heads on to the attention.")
    block = build(student, draw, DIM, 4, WIDE)
    arrange(block, draw, attention=8.0)
    x = draw.normal(1, 12, DIM)
    ranks = []
    # Sharp attention: a head copies one token through a map of rank head_dim = 2, and most tokens
    # that are looked at at all are looked at by one head. One or two heads give ranks of 4 and 6.
    for query in range(4):
        found = jacobian(block, x, query)
        others = [found[:, key] for key in range(12) if key != query]
        top = max(float(torch.linalg.matrix_norm(found, 2, dim=(0, 2)).max()), 1e-30)
        ranks += [int((torch.linalg.svdvals(m) > 1e-6 * top).sum()) for m in others]
    seen = [rank for rank in ranks if rank]
    expect(
        seen and seen.count(2) >= len(seen) / 4,
        f"4 heads on 8 features move 2 features each, but here {max(seen, default=0)} move "
        "together: hand num_heads on to the attention.",
    )


@suite.check(BLOCK)
def gradients_flow_by_every_road(student: Any, draw: Draw) -> None:
    """The gradient of the input is the slope of the output, in both forms"""
    for norm_first in (False, True):
        block = working(student, draw, *SIZES, norm_first=norm_first)
        enliven(block, draw)
        x, cotangent = draw.normal(2, 4, DIM), draw.normal(2, 4, DIM)
        (found,) = live.gradients(block, [x], {}, [0], [cotangent])
        expect(found is not None, "No gradient reaches the input: something is detached.")
        # Central differences: at this step the third derivative and float32 leave about 1 %.
        step = 0.002
        ways = [draw.normal(2, 4, DIM) for _ in range(6)]
        rises = [block(x + step * way) - block(x - step * way) for way in ways]
        slopes = torch.stack([(rise.detach() * cotangent).sum() / 2 / step for rise in rises])
        along = torch.stack([(found * way).sum() for way in ways])
        off = float((along - slopes).norm() / slopes.norm().clamp(min=1e-6))
        expect(
            off < 0.15,
            f"The gradient of the input is off from the output's slope by {off:.0%}: a sublayer's "
            "input is detached, or a part computes without autograd.",
        )


@suite.check(BLOCK)
def input_is_left_alone(student: Any, draw: Draw) -> None:
    """x is not overwritten, float64 stays float64, gradients reach x."""
    for norm_first in (False, True):
        block = build(student, draw, *SIZES, norm_first=norm_first)
        x = draw.normal(2, 4, DIM)
        _, args, _ = live.call_and_keep(block, [x.clone()], {})
        expect(close(args[0], x, 0.0), "x itself is changed: write x = x + …, not x += ….")
        gradient = live.gradients(block, [x], cotangents=[draw.normal(2, 4, DIM)])[0]
        expect(gradient is not None, "No gradient reaches x: the block must not detach anything.")
        before = block(x)
        live.convert(block, torch.float64)
        after = as_tensor(block(x.double()), "The output of a float64 block")
        expect(
            after.dtype == torch.float64 and close(before, after.float(), 1e-4),
            f"After block.double() the output is {after.dtype} and another one: no fixed dtypes.",
        )

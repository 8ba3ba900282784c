"""Hidden checks of CausalSelfAttention."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.checks.gpt.common import suite
from course.checks import live
from course.checks.base import Draw, close, expect, largest_difference
from course.checks.gpt.common import ATTENTION
from course.checks.multi_head_toys import Layer


@suite.check(ATTENTION, points=3)
def scores_are_divided(student: Any, draw: Draw) -> None:
    """Scores are divided by the square root of head_dim before the softmax."""
    dim, heads, weight = 24, 3, 0.15
    layer = Layer(student, dim, heads).fill(weight)
    x = draw.normal(2, 5, dim)
    # All features of q, k and v are weight · Σ x, so a score is head_dim · q · k · scale. Only the
    # last position is looked at: it sees all others, with any mask.
    feature = weight * x.double().sum(-1)  # (batch, length)
    found = layer(x)[:, -1].double()

    def output(scale: float) -> Tensor:
        scores = dim // heads * feature[:, -1:] * feature * scale  # (batch, length)
        mixed = (scores.softmax(-1) * feature).sum(-1, keepdim=True)  # (batch, 1)
        return (dim * weight * mixed).expand(2, dim)

    right = output((dim // heads) ** -0.5)
    for scale, words in (
        (1.0, "Scores are not divided by √head_dim"),
        (dim**-0.5, "Scores are divided by √embed_dim, not by √head_dim = √(embed_dim / heads)"),
        (heads / dim, "Scores are divided by head_dim, not by its square root"),
        (heads**-0.5, "Scores are divided by the root of the number of heads, not of head_dim"),
    ):
        if abs(scale - (dim // heads) ** -0.5) > 1e-9:
            expect(
                not close(found, output(scale), 1e-3) or close(found, right, 1e-3),
                f"{words}: without the right scale the softmax is too sharp or too flat.",
            )
    expect(
        close(found, right, 1e-3),
        f"With weights that are all {weight} the output must be {float(right[0, 0]):.3f} "
        f"everywhere, but it is {float(found[0, 0]):.3f}: softmax(q·k / √head_dim) averages the "
        "values, then comes the output projection, and nothing is added.",
    )


@suite.check(ATTENTION, points=2)
def weights_sum_to_one(student: Any, draw: Draw) -> None:
    """The weights of every position sum to 1, however little it sees."""
    layer = Layer(student, 12, 3).randomise(draw, bias=0.3)
    token = draw.normal(2, 1, 12)
    found = layer(token.expand(2, 6, 12).contiguous())
    wrong = largest_difference(found, found[:, -1:].expand_as(found))
    expect(
        wrong < 1e-3,
        f"For a text of equal tokens the outputs differ by {wrong:.2g} between positions: an "
        "average of equal values is that value. Mask the scores before the softmax, with -inf, "
        "so that the weights left still sum to 1.",
    )


@suite.check(ATTENTION, points=2)
def two_linear_layers_for_a_token_alone(student: Any, draw: Draw) -> None:
    """A lone token is projected to its value and then by the output projection."""
    layer = Layer(student, 12, 3).randomise(draw)
    token = draw.normal(6, 1, 12)
    floor = layer.multiply(0.0)(token)
    once = Layer(student, 12, 3).randomise(draw)
    expect(
        float(floor.abs().max()) < 1e-4,
        "With all weights 0 the output is not 0, though all biases are: attention does not add "
        "its input, the block does.",
    )
    small = once(token)
    large = once.multiply(2.0)(token)
    ratio = float((large - floor).norm() / (small - floor).norm().clamp(min=1e-9))
    expect(
        abs(ratio / 2 - 1) > 0.01,
        "With all weights doubled a lone token's output doubles, so it meets one linear layer: "
        "values are projected, and the joined heads go through the output projection.",
    )
    expect(
        abs(ratio / 4 - 1) < 0.01,
        f"With all weights doubled a lone token's output grows {ratio:.3g} times, not 4 times: "
        "value projection and output projection, nothing else, make it.",
    )
    count = sum(value.numel() for value in once.weights().values())
    expect(
        count >= 4 * 12 * 12,
        f"There are {count} weights, fewer than 4 · embed_dim² = {4 * 12 * 12}: queries, keys, "
        "values and the output each have a projection of their own.",
    )


@suite.check(ATTENTION, points=2)
def heads_attend_on_their_own(student: Any, draw: Draw) -> None:
    """num_heads heads attend side by side, each with features of its own."""
    wide, one = Layer(student, 12, 3), Layer(student, 12, 1)
    x = 2 * draw.normal(2, 6, 12)
    shapes = [{n: v.shape for n, v in layer.values.items()} for layer in (wide, one)]
    if shapes[0] != shapes[1]:  # heads as modules of their own
        return
    wide.randomise(draw, 1.5)
    live.set_parameters(one.module, wide.values)
    expect(
        largest_difference(wide(x), one(x)) > 1e-4,
        "With the same weights 3 heads give what 1 head gives: cut queries, keys and values into "
        "num_heads parts, each with its own softmax.",
    )


@suite.check(ATTENTION, points=2)
def texts_and_positions_stay_apart(student: Any, draw: Draw) -> None:
    """A text's output depends neither on its batch nor on what is appended to it."""
    layer = Layer(student, 12, 3).randomise(draw, bias=0.3)
    for size in (3, 6):  # as many texts as heads, and as tokens
        x = draw.normal(size, 6, 12)
        together, alone = layer(x), torch.cat([layer(row[None]) for row in x])
        expect(
            close(together, alone),
            f"A text's output changes by {largest_difference(together, alone):.2g} when others "
            "join the batch: heads, texts and positions are mixed in a reshape.",
        )
        short = layer(x[:, :4])
        expect(
            close(short, together[:, :4]),
            "The first four outputs of a text of six tokens are not those of its first four "
            "tokens: the output before a position must not depend on what follows.",
        )
    swapped = torch.tensor([1, 0, 2, 3, 4, 5])
    expect(
        close(layer(x[:, swapped])[:, 2:], layer(x)[:, 2:], 1e-3),
        "Swapping two early tokens changes what later positions see in them: attention itself "
        "knows no order, heads and positions are mixed (a reshape without the swap of axes).",
    )


@suite.check(ATTENTION)
def any_length_works(student: Any, draw: Draw) -> None:
    """Texts of any length work, and long ones see their beginning."""
    layer = Layer(student, 8, 2).randomise(draw, bias=0.3)
    x = draw.normal(1, 150, 8)
    other = x.clone()
    other[:, 0] += 10
    found = layer(x)
    expect(
        largest_difference(found[:, -1], layer(other)[:, -1]) > 1e-7,
        "Position 149 does not see position 0: every position sees all before it, however far.",
    )
    expect(close(layer(x[:, :70]), found[:, :70]), "70 tokens get other outputs than in 150.")


@suite.check(ATTENTION, points=2)
def attention_drops_only_in_training(student: Any, draw: Draw) -> None:
    """Dropout acts in training, and only there; by default there is none."""
    x = draw.normal(8, 6, 12)
    still = Layer(student, 12, 3, dropout=0.5).randomise(draw)
    expect(
        close(still(x), still(x), 1e-6),
        "In evaluation mode two calls differ: drop only while self.training is true.",
    )
    plain = Layer(student, 12, 3)
    live.set_parameters(plain.module, still.values)
    expect(
        close(still(x), plain(x)),
        "In evaluation mode the dropout rate changes the output: it must have no effect there.",
    )
    busy = Layer(student, 12, 3, dropout=0.5, train=True).randomise(draw)
    expect(
        largest_difference(busy(x), busy(x)) > 1e-4,
        "In training with dropout=0.5 two calls agree: nothing is dropped.",
    )
    calm = Layer(student, 12, 3, train=True).randomise(draw)
    expect(close(calm(x), calm(x), 1e-6), "By default dropout is 0, but something is dropped.")


@suite.check(ATTENTION)
def every_projection_learns(student: Any, draw: Draw) -> None:
    """Every parameter gets a gradient, and so does the input."""
    layer = Layer(student, 12, 3).randomise(draw, 1.5, bias=0.3)
    x = draw.normal(2, 5, 12)
    found = live.parameter_gradients(layer.module, [x], {}, [draw.normal(2, 5, 12)])
    idle = [n for n, g in found.items() if g is None or (n not in layer.biases and not g.any())]
    expect(
        bool(found) and not idle,
        f"No gradient reaches {', '.join(idle[:4]) or 'any parameter'}: it is never used, or cut "
        "off by detach or no_grad.",
    )
    for name in layer.weights():
        still = float((found[name] == 0).float().mean())
        expect(
            still < 0.05,
            f"{still:.0%} of the weights in {name} get no gradient: queries, keys and values are "
            "three projections, and each is used in its place.",
        )
    cotangent, step = draw.normal(2, 5, 12), 0.002
    gradient = live.gradients(layer.module, [x], {}, (0,), [cotangent])[0]
    expect(gradient is not None, "No gradient reaches the input x.")
    # Central differences: at this step the third derivative and float32 leave about 1 %.
    ways = [draw.normal(2, 5, 12) for _ in range(6)]
    rises = [layer(x + step * way) - layer(x - step * way) for way in ways]
    slopes = torch.stack([(rise * cotangent).sum() / 2 / step for rise in rises])
    along = torch.stack([(gradient * way).sum() for way in ways])
    off = float((along - slopes).norm() / slopes.norm().clamp(min=1e-6))
    expect(
        off < 0.15,
        f"The gradient of the input is off from the output's slope by {off:.0%}: queries, keys or "
        "values are detached.",
    )

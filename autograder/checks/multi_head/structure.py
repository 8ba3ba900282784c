"""Hidden checks of MultiHeadAttention: heads, scale, softmax, projections.

None knows how the student lays out parameters. Constant weights give one function for every
layout; with random weights, what two tokens do to each other shows how many heads there are.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from autograder.checks.multi_head.suite import MODULE, suite
from course.checks import live
from course.checks.base import Draw, close, expect, largest_difference
from course.checks.multi_head_toys import Layer, ragged

DIM, HEADS = 12, 3  # head_dim 4: no two of the roots and ratios in `SCALES` coincide


def tokens_with_sums(draw: Draw, sums: list[float]) -> Tensor:
    """One sentence (1, length, DIM) of random tokens whose features add up to ``sums``."""
    x = draw.normal(1, len(sums), DIM, dtype=torch.float64) * 0.3
    return (x + (torch.tensor(sums)[:, None] - x.sum(-1, keepdim=True)) / DIM).float()


def pull(layer: Layer, u: Tensor, draw: Draw, count: int = 24) -> Tensor:
    """What a token's presence adds to its own output, (count, embed_dim).

    Sentences are (z + u, z) with random z. The output of the first token, less that of z alone,
    is Σ_h w_h A_h u: w_h the weight on itself in head h, A_h value and output projection of it.
    So the rows span one direction a head.
    """
    z = draw.normal(count, 1, layer.embed_dim) * 1.5
    both = torch.cat([z + u, z], dim=1)
    return (layer(both)[:, 0] - layer(z)[:, 0]).double()


def rank(matrix: Tensor, tolerance: float = 1e-4) -> int:
    """Singular values above ``tolerance`` × the largest; 0 where the matrix is not finite."""
    if not matrix.isfinite().all():
        return 0
    values = torch.linalg.svdvals(matrix.double())
    return int((values > tolerance * values[0]).sum()) if values[0] > 0 else 0


@suite.check(MODULE, points=2)
def each_head_looks_by_itself(student: Any, draw: Draw) -> None:
    """num_heads heads, each with weights of its own over all features of the input."""
    for dim, heads in [(12, 3), (8, 4), (6, 6), (6, 1)]:
        layer = Layer(student, dim, heads).randomise(draw, size=1.5)
        dense = rank(pull(layer, draw.normal(dim), draw))
        expect(
            dense == heads,
            f"With {heads} heads the output mixes {dense} independent pattern(s) of attention: "
            "each of num_heads heads needs weights of its own, made from its own head_dim "
            "features.",
        )
        single = torch.zeros(dim)
        single[draw.integer(0, dim - 1)] = 2.0
        expect(
            rank(pull(layer, single, draw)) == heads,
            "A feature of the input reaches one head alone: project the whole token first, then "
            "split the projection into heads.",
        )


@suite.check(MODULE)
def output_projection_mixes_heads(student: Any, draw: Draw) -> None:
    """Every output feature depends on every head."""
    layer = Layer(student, DIM, HEADS).randomise(draw, size=1.5)
    columns = pull(layer, draw.normal(DIM), draw)  # (count, DIM)
    columns = columns / columns.norm(dim=0).clamp(min=1e-12)
    twins = ((columns.T @ columns).abs() > 1 - 1e-5).sum(dim=1)
    expect(
        not (twins > 1).all(),
        "Each output feature follows one head alone: one projection of all embed_dim merged "
        "features must come after the merge.",
    )


# From the divisor that the constant weights reveal to the mistake behind it, for DIM and HEADS.
SCALES = {
    "they are not scaled at all": 1.0,
    "they are multiplied by the root": 0.5,
    "that is √embed_dim": math.sqrt(DIM),
    "that is head_dim without the root, or the root twice": DIM / HEADS,
    "that is embed_dim": float(DIM),
    "that is √num_heads": math.sqrt(HEADS),
    "that is num_heads": float(HEADS),
    "one head has all embed_dim features": DIM / HEADS / math.sqrt(DIM),
    "one head has all embed_dim features, and √head_dim is the scale": 2 / HEADS,
}


@suite.check(MODULE, points=2)
def scores_scaled_by_root_of_head_dim(student: Any, draw: Draw) -> None:
    """Scores are divided by √head_dim, the width of one head."""
    c, (low, high) = 0.5, (draw.uniform(0.5, 1.0), draw.uniform(1.5, 2.5))
    layer = Layer(student, DIM, HEADS).fill(c)
    x = tokens_with_sums(draw, [low, high, high])
    one, two = float(layer(x[:, :1])[0, 0, 0]), float(layer(x[:, 1:2])[0, 0, 0])
    equal = float(layer(x[:, 1:])[0, 1, 0])
    expect(
        abs(equal - two) < 1e-3 * abs(two),
        "Two equal tokens do not give what one of them gives: a query's weights must add up to 1, "
        "so scale the scores before the softmax, and nothing after it.",
    )
    # The last query: a causal module, which another check refuses, lets it see both keys.
    weight = (float(layer(x[:, :2])[0, 1, 0]) - one) / (two - one)
    expect(
        1e-6 < weight < 1 - 1e-6 and abs(weight - 0.5) > 1e-4,
        "With all weights equal, the output is not an average of the values with weights that "
        "follow the scores: check how the scores are made and go into the softmax.",
    )
    logit = math.log(weight / (1 - weight))
    head_dim = DIM // HEADS
    divisor = head_dim * c * c * high * (high - low) / logit  # q and k are c · sum throughout
    known = [words for words, value in SCALES.items() if abs(divisor / value - 1) < 0.02]
    expect(
        abs(divisor / math.sqrt(head_dim) - 1) < 0.01,
        f"Scores behave as if divided by {divisor:.2f}"
        + (f" ({known[0]})" if known else "")
        + f": with {DIM} features in {HEADS} heads it must be √{head_dim} = 2.",
    )


@suite.check(MODULE, points=2)
def softmax_runs_over_keys(student: Any, draw: Draw) -> None:
    """With sharp scores each query takes the value of its best key, wherever that key is."""
    layer = Layer(student, DIM, HEADS).fill(2.8)
    x = tokens_with_sums(draw, [1.0, 2.0])
    # Scores are about 16 · sumᵢ · sumⱼ, so both queries want the second key: weight 1 - 1e-7.
    low, high = (float(layer(x[:, i : i + 1])[0, 0, 0]) for i in (0, 1))
    first, last = (float(value) for value in layer(x)[0, :, 0])
    bound = 0.02 * abs(high)
    expect(
        abs(first) > bound or abs(last - low - high) > bound,
        "The softmax runs over the queries: each query's weights over the keys (last axis of the "
        "scores) must add up to 1.",
    )
    mean = (low + high) / 2
    expect(
        abs(first - mean) > bound or abs(last - mean) > bound,
        "However strong the scores, all keys get equal weight: the scores never reach the "
        "softmax, or it runs over the wrong axis.",
    )
    expect(
        abs(first - high) < bound and abs(last - high) < bound,
        f"Sharp scores must pick the best key's value for both queries; they got "
        f"{first / high:.2f} and {last / high:.2f} times it: softmax over the keys, then average.",
    )


@suite.check(MODULE)
def large_scores_stay_finite(student: Any, draw: Draw) -> None:
    """Scores in the thousands do not overflow."""
    layer = Layer(student, DIM, HEADS).randomise(draw, size=20.0)
    expect(
        layer(draw.normal(2, 5, DIM)).isfinite().all(),
        "Large scores give NaN or infinity: use torch.softmax, which takes the maximum out "
        "before the exponential.",
    )


@suite.check(MODULE)
def a_lone_token_passes_linearly(student: Any, draw: Draw) -> None:
    """A sentence of one token goes through an affine map: no residual, norm or activation."""
    layer = Layer(student, DIM, HEADS).randomise(draw, bias=0.3)
    basis = torch.cat([torch.zeros(1, DIM), torch.eye(DIM)])[:, None]  # (DIM + 1, 1, DIM)
    rows = layer(basis)[:, 0]
    matrix, shift = rows[1:] - rows[0], rows[0]  # (DIM, DIM), (DIM,)
    x = draw.normal(8, DIM) * 2
    gap = largest_difference(layer(x[:, None])[:, 0], x @ matrix + shift)
    expect(
        gap < 1e-3,
        f"A lone token's output is not linear in it (off by {gap:.2g}): values and output are "
        "plain linear layers, without normalisation or activation.",
    )
    constant = layer.fill(0.5)(x[:, None])[:, 0]  # (8, DIM), each feature 0.5² · DIM · Σx
    ratio = float(constant.sum() / (0.25 * DIM * DIM * x.sum()))
    expect(
        abs(ratio - 1) < 1e-3,
        f"With all weights equal a lone token gives {ratio:.3g} times what values and output "
        "projection make of it: its weight on itself is 1, and nothing else is scaled.",
    )
    untouched = layer.fill(0.0)(x[:, None])
    expect(
        untouched.abs().max() < 1e-6,
        "With all weights zero something of the input still comes out: the residual and the norm "
        "belong to the encoder block, not here.",
    )


@suite.check(MODULE)
def heads_are_joined_not_averaged(student: Any, draw: Draw) -> None:
    """What a lone token gives spans more dimensions than a single head has."""
    for dim, heads in [(12, 3), (8, 2), (6, 6)]:
        layer = Layer(student, dim, heads).randomise(draw)
        rows = layer(torch.cat([torch.zeros(1, dim), torch.eye(dim)])[:, None])[:, 0]
        found, least = rank(rows[1:] - rows[0]), dim - dim // heads + 1
        expect(
            found >= least,
            f"{dim} features leave only {found} dimensions: give every head its own values and "
            f"set the {heads} results side by side (no mean, no sum, no shared values).",
        )


@suite.check(MODULE)
def weights_are_four_square_matrices(student: Any, draw: Draw) -> None:
    """Queries, keys, values and output have embed_dim² weights each, all registered."""
    for dim, heads in [(12, 3), (8, 1)]:
        count = sum(w.numel() for w in Layer(student, dim, heads).weights().values())
        fewer = "a projection is missing, shared, or not registered (keep lists in nn.ModuleList)"
        expect(
            count == 4 * dim * dim,
            f"parameters() lists {count} weights; queries, keys, values and output make 4 · "
            f"{dim}² = {4 * dim * dim}: "
            + (fewer if count < 4 * dim * dim else "there is one that does not belong."),
        )


@suite.check(MODULE, points=2)
def every_weight_learns(student: Any, draw: Draw) -> None:
    """A gradient reaches every weight: nothing is declared and left unused, nothing detached."""
    layer = Layer(student, DIM, HEADS).randomise(draw, bias=0.3)
    cotangents = (draw.normal(3, 5, DIM),)
    found = live.parameter_gradients(layer.module, (draw.normal(3, 5, DIM),), {}, cotangents)
    for name, gradient in found.items():
        expect(
            gradient is not None,
            f"No gradient reaches {name}: it is never used, or its result is detached.",
        )
        dead = float((gradient == 0).double().mean())
        expect(
            name in layer.biases or dead < 0.01,
            f"{dead:.0%} of {name} gets no gradient: that part of the projection is never used.",
        )


@suite.check(MODULE)
def gradient_of_the_input_is_whole(student: Any, draw: Draw) -> None:
    """The gradient with respect to x agrees with finite differences."""
    layer = Layer(student, DIM, HEADS).randomise(draw, bias=0.3)
    x, cotangent, step = draw.normal(2, 4, DIM), draw.normal(2, 4, DIM), 1e-2
    gradient = live.gradients(layer.module, (x,), cotangents=(cotangent,))[0]
    expect(gradient is not None, "No gradient reaches x: do not detach, and no torch.no_grad().")
    for _ in range(4):
        u = draw.normal(2, 4, DIM)
        rise = ((layer(x + step * u) - layer(x - step * u)) * cotangent).sum() / (2 * step)
        slope = (gradient * u).sum()  # of the size of the gradient's norm
        expect(
            abs(float(rise - slope)) < 0.02 * float(gradient.norm()) + 0.02,
            f"Along one direction the output rises by {float(rise):.4g}, but the gradient says "
            f"{float(slope):.4g}: part of the computation is detached.",
        )


@suite.check(MODULE)
def works_in_float64(student: Any, draw: Draw) -> None:
    """A module in float64 computes in float64."""
    layer = Layer(student, DIM, HEADS).randomise(draw, bias=0.3)
    x = draw.normal(2, 4, DIM)
    single = layer(x)
    live.convert(layer.module, torch.float64)
    double = layer(x.double())
    expect(
        double.dtype == torch.float64,
        f"float64 went in and {double.dtype} came out: do not convert, do not name a dtype.",
    )
    expect(
        close(double, single.double(), 1e-3), "In float64 the output is another than in float32."
    )
    nudge = draw.normal(2, 4, DIM, dtype=torch.float64) * 1e-12
    moved = float((layer(x.double() + nudge) - double).abs().max()) / 1e-12
    expect(
        1e-2 < moved < 1e3,
        "In float64 the result is only as exact as float32: a step converts in between.",
    )


@suite.check(MODULE)
def calls_leave_no_trace(student: Any, draw: Draw) -> None:
    """x stays as it was, and earlier calls of other lengths do not change later ones."""
    layer = Layer(student, DIM, HEADS).randomise(draw, bias=0.3)
    short, long = draw.normal(2, 3, DIM), draw.normal(3, 7, DIM)
    first = layer(short)
    layer(long, torch.ones(7, 7, dtype=torch.bool).tril())
    again = layer(short)
    expect(close(first, again, 1e-6), "The same x gives another output after a call in between.")
    mask = torch.ones(3, 3, dtype=torch.bool).tril()
    _, (x_after, mask_after), _ = live.call_and_keep(
        layer.module, (short.clone(), mask.clone()), {}
    )
    expect(torch.equal(x_after, short), "forward changes its input x: work on new tensors.")
    expect(torch.equal(mask_after, mask), "forward changes the mask that it was given.")


@suite.check(MODULE, hint="Do not change tensors in place that the backward pass still needs.")
def a_training_step_runs(student: Any, draw: Draw) -> None:
    """In training, with dropout, with and without a mask, gradients come back and are finite."""
    layer = Layer(student, DIM, HEADS, dropout=0.3, train=True).randomise(draw, bias=0.3)
    x = draw.normal(2, 5, DIM)
    for args in [(x,), (x, ragged([3, 5]))]:
        for name, gradient in live.parameter_gradients(layer.module, args).items():
            expect(
                gradient is not None and gradient.isfinite().all(),
                f"In training, with dropout, {name} gets no finite gradient.",
            )

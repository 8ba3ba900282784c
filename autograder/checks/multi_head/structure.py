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
from course.checks.base import Draw, expect, largest_difference
from course.checks.multi_head_toys import Layer

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


def patterns(layer: Layer, draw: Draw, heads: int, single: bool) -> int:
    """Independent patterns of attention; a few tries, as a draw may hide one but never add one.

    For the sizes used here one try misses a pattern in less than one draw in a hundred (counted
    over 3,000), so four in a row miss once in a hundred million.
    """
    found = 0
    for _ in range(4):
        layer.randomise(draw, size=1.5)
        u = draw.normal(layer.embed_dim)
        if single:
            u = torch.zeros(layer.embed_dim)
            u[draw.integer(0, layer.embed_dim - 1)] = 2.0
        found = rank(pull(layer, u, draw))
        if found == heads:
            break
    return found


@suite.check(MODULE, points=2)
def each_head_looks_by_itself(student: Any, draw: Draw) -> None:
    """num_heads heads, each with weights of its own over all features of the input."""
    for dim, heads in [(12, 3), (8, 4), (2, 2), (6, 1)]:
        layer = Layer(student, dim, heads)
        dense = patterns(layer, draw, heads, single=False)
        expect(
            dense == heads,
            f"With {heads} heads the output mixes {dense} independent pattern(s) of attention: "
            "each of num_heads heads needs weights of its own, made from its own head_dim "
            "features.",
        )
        expect(
            patterns(layer, draw, heads, single=True) == heads,
            "A feature of the input reaches one head alone: project the whole token first, then "
            "split the projection into heads.",
        )


@suite.check(MODULE)
def output_projection_mixes_heads(student: Any, draw: Draw) -> None:
    """Every output feature depends on every head."""
    layer, fewest = Layer(student, DIM, HEADS), DIM
    for _ in range(3):  # sharp attention may make a few columns look alike; never all, thrice
        layer.randomise(draw, size=1.5)
        columns = pull(layer, draw.normal(DIM), draw)  # (count, DIM)
        columns = columns / columns.norm(dim=0).clamp(min=1e-12)
        twins = ((columns.T @ columns).abs() > 1 - 1e-5).sum(dim=1) > 1
        fewest = min(fewest, int(twins.sum()))
    expect(
        fewest < DIM,
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
    "that is the root of the length": math.sqrt(2),
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
    positive = x.abs()  # so that the sum below is far from 0
    constant = layer.fill(0.5)(positive[:, None])[:, 0]  # (8, DIM), each 0.5² · DIM · Σx
    ratio = float(constant.sum() / (0.25 * DIM * DIM * positive.sum()))
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
    for dim, heads in [(12, 3), (8, 2), (6, 3)]:
        layer = Layer(student, dim, heads)
        basis = torch.cat([torch.zeros(1, dim), torch.eye(dim)])[:, None]  # (dim + 1, 1, dim)
        found, least = 0, dim - dim // heads + 1
        for _ in range(3):  # a draw may hide a dimension, never add one
            rows = layer.randomise(draw)(basis)[:, 0]
            found = max(found, rank(rows[1:] - rows[0]))
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

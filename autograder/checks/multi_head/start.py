"""Hidden checks of how a MultiHeadAttention starts."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import torch
from torch import Tensor

from autograder.checks.multi_head.suite import MODULE, suite
from course.checks import live
from course.checks.base import Draw, close, expect
from course.checks.multi_head import refused
from course.checks.multi_head_toys import Layer

DIM, HEADS = 32, 4


def xavier_bounds(shape: torch.Size, dim: int, heads: int) -> list[float]:
    """Bounds √(6 / (fan in + fan out)) that a correct layout may have: the tensor as a whole, one
    square matrix, keys and values fused, all three fused, one head, one head's three fused."""
    head_dim = dim // heads
    fans = [2 * dim, 3 * dim, 4 * dim, dim + head_dim, dim + 3 * head_dim, dim + 2 * head_dim]
    if len(shape) >= 2:
        fan_in, fan_out = nn_fans(shape)
        fans.append(fan_in + fan_out)
    return [math.sqrt(6 / fan) for fan in fans]


def nn_fans(shape: torch.Size) -> tuple[int, int]:
    """Fan in and fan out as torch.nn.init counts them."""
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def looks_uniform(values: Tensor, bound: float) -> bool:
    """Whether numbers may come from U(-bound, bound).

    The largest of n misses the bound by more than 30/n of it once in e^30 draws; the mean of
    their sizes is half the bound, within six of its standard deviations.
    """
    n, sizes = values.numel(), values.abs().double() / bound
    return bool(
        1 - 30 / n <= sizes.max() <= 1 + 1e-5
        and abs(sizes.mean() - 0.5) < 6 / math.sqrt(12 * n)
        and abs(values.double().mean() / bound) < 6 / math.sqrt(3 * n)
    )


@suite.check(MODULE, points=2)
def weights_start_xavier_uniform(student: Any, draw: Draw) -> None:
    """Every weight matrix starts Xavier-uniform."""
    groups: dict[torch.Size, list[tuple[str, Tensor]]] = defaultdict(list)
    for name, value in Layer(student, DIM, HEADS).weights().items():
        groups[value.shape].append((name, value))
    expect(groups, "The module has no weights that differ from zero at the start.")
    for shape, members in groups.items():
        bounds = xavier_bounds(shape, DIM, HEADS)
        pooled = torch.cat([value.flatten() for _, value in members])
        alike = any(looks_uniform(pooled, bound) for bound in bounds)
        if alike or all(any(looks_uniform(v, b) for b in bounds) for _, v in members):
            continue
        name, worst = max(members, key=lambda member: wrongness(member[1], bounds))
        expect(
            False,
            f"{name} {tuple(shape)} starts with sizes up to {worst.abs().max():.3f}, mean size "
            f"{worst.abs().mean():.3f}: Xavier-uniform means U(-b, b) with b = √(6 / (fan in + fan"
            " out)); use nn.init.xavier_uniform_ on every weight.",
        )


def wrongness(values: Tensor, bounds: list[float]) -> float:
    """How far the largest number is from the nearest bound, as a ratio."""
    return min(abs(float(values.abs().max()) / bound - 1) for bound in bounds)


@suite.check(MODULE)
def biases_start_at_zero(student: Any, draw: Draw) -> None:
    """There are biases, and they start at zero."""
    layer = Layer(student, DIM, HEADS)
    for name in sorted(layer.biases):
        size = float(layer.values[name].abs().max())
        expect(size == 0, f"{name} starts with numbers up to {size:.3f}: biases start at zero.")
    nothing = torch.zeros(1, 2, DIM)
    expect(
        layer.randomise(draw, bias=1.0)(nothing).abs().max() > 1e-3,
        "A token of zeros gives zeros whatever the parameters: the projections have no bias.",
    )


@suite.check(MODULE)
def modules_are_their_own(student: Any, draw: Draw) -> None:
    """Two modules start differently and share nothing."""
    first, second = Layer(student, DIM, HEADS), Layer(student, DIM, HEADS)
    for name, value in first.weights().items():
        expect(
            name not in second.values or not close(value, second.values[name], 1e-6),
            f"{name} starts the same in two modules: do not seed, do not share parameters.",
        )
    x = draw.normal(1, 3, DIM)
    before = first.works()(x)
    second.fill(0.0)
    expect(close(first(x), before), "Changing one module changes another: parameters are shared.")


@suite.check(MODULE, points=2)
def parameters_hold_all_that_is_learned(student: Any, draw: Draw) -> None:
    """A module with copied parameters computes the same."""
    first, second = Layer(student, 12, 3), Layer(student, 12, 3)
    first.randomise(draw, bias=0.3)
    live.set_parameters(second.module, first.values)
    x = draw.normal(2, 4, 12)
    expect(
        close(first(x), second(x)),
        "Two modules with equal parameters() differ: a layer is not registered (a plain list or "
        "a tensor), so it would never be trained or saved. Use nn.ModuleList, nn.Parameter.",
    )


@suite.check(MODULE)
def refuses_uneven_heads(student: Any, draw: Draw) -> None:
    """A number of heads that does not divide embed_dim is refused."""
    for dim, heads in [(10, 3), (4, 8)]:
        refused(
            lambda dim=dim, heads=heads: student(dim, heads)(draw.normal(1, 2, dim)),
            f"embed_dim {dim} with {heads} heads gives no error: raise a ValueError that names "
            "both numbers.",
        )


@suite.check(MODULE, hint="Every number of heads that divides embed_dim must work.")
def serves_many_sizes(student: Any, draw: Draw) -> None:
    """One head, one feature a head, odd widths: no size is built in."""
    for dim, heads in [(6, 1), (6, 6), (15, 5), (64, 8)]:
        module = student(embed_dim=dim, num_heads=heads, dropout=0.0)
        expect(module is not None, "The class takes embed_dim, num_heads and dropout by name.")
        layer = Layer(student, dim, heads).randomise(draw, bias=0.3)
        x = draw.normal(2, 3, dim)
        same_tokens = x[:, :1].expand(2, 3, dim).contiguous()
        expect(
            close(layer(same_tokens), layer(x[:, :1]).expand(2, 3, dim), 1e-3),
            f"With embed_dim {dim} and {heads} heads, equal tokens do not give what one of them "
            "gives: the weights of a query must add up to 1.",
        )

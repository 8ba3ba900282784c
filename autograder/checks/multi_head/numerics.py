"""Hidden checks of MultiHeadAttention: gradients, dtypes, and what a call leaves behind."""

from __future__ import annotations

from typing import Any

import torch

from autograder.checks.multi_head.suite import MODULE, suite
from course.checks import live
from course.checks.base import Draw, close, expect
from course.checks.multi_head_toys import Layer, ragged

DIM, HEADS = 12, 3


@suite.check(MODULE, points=2)
def every_weight_learns(student: Any, draw: Draw) -> None:
    """A gradient reaches every weight: nothing is declared and left unused, nothing detached."""
    layer = Layer(student, DIM, HEADS).randomise(draw, bias=0.3)
    cotangents = (draw.normal(3, 5, DIM),)
    found = live.parameter_gradients(layer.module, (draw.normal(3, 5, DIM),), {}, cotangents)
    expect(found, "The module has no parameters: nothing in it can learn.")
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


@suite.check(MODULE, hint="Let new tensors take their dtype from x, or write x.new_zeros.")
def works_in_float64(student: Any, draw: Draw) -> None:
    """A module in float64 takes and gives float64."""
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
        found = live.parameter_gradients(layer.module, args)
        expect(found, "The module has no parameters: nothing in it can learn.")
        for name, gradient in found.items():
            expect(
                gradient is not None and gradient.isfinite().all(),
                f"In training, with dropout, {name} gets no finite gradient.",
            )

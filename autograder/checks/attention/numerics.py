"""Hidden checks of side effects, gradients and precision."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.checks.attention.oracle import oracle, suite
from course.checks import live
from course.checks.attention import ATTENTION
from course.checks.attention_toys import inputs, results, some_keys, values_of
from course.checks.base import Draw, as_tensor, close, expect, largest_difference


@suite.check(ATTENTION)
def arguments_are_left_alone(student: Any, draw: Draw) -> None:
    """Query, key, value and mask are not changed in place."""
    query, key, value = inputs(draw)
    for mask in (None, some_keys(draw, 2, 1, 1, 5)):
        given = [query, key, value, mask]
        copies = [None if x is None else x.clone() for x in given]
        _, kept, _ = live.call_and_keep(student, copies, {})
        for name, before, after in zip(("query", "key", "value", "mask"), given, kept, strict=True):
            expect(
                before is None or torch.equal(before, after),
                f"{name} is changed in place: the caller still needs it. Write x = x / y instead "
                "of x /= y, and no functions that end in an underscore on arguments.",
            )


@suite.check(ATTENTION, hint="Stay in torch: no .data, .detach(), .numpy() or no_grad.")
def gradients_reach_every_input(student: Any, draw: Draw) -> None:
    """Gradients reach query, key and value, and agree with finite differences."""
    args = inputs(draw)
    cotangent = draw.normal(2, 3, 5, 8)

    def total(*tensors: Tensor) -> float:
        found = values_of(student, *tensors)
        return float((found.double() * cotangent).sum())

    leaves = [x.clone().requires_grad_() for x in args]
    wanted = oracle(leaves[0], leaves[1], leaves[2], None)
    right = torch.autograd.grad((wanted * cotangent).sum(), leaves)
    found = live.gradients(student, args, wrt=(0, 1, 2), cotangents=(cotangent, None))
    through_weights = live.gradients(student, args, cotangents=(None, cotangent[..., :5]))
    expect(
        found[0] is None or through_weights[0] is not None,
        "No gradient flows back from the weights that you return: return them as they are, without "
        "detach.",
    )
    for i, name in enumerate(("query", "key", "value")):
        advice = "keep every step inside autograd (no detach, .data, .item, no_grad or numpy)"
        expect(found[i] is not None, f"No gradient reaches {name}: {advice}.")
        # Along the steepest direction a step of 0.01 changes the sum far above float32's noise.
        step = 0.01 * right[i] / right[i].norm()
        ahead, behind = (
            total(*(x + s * step if j == i else x for j, x in enumerate(args))) for s in (1, -1)
        )
        slope, claimed = (ahead - behind) / 0.02, float((found[i] * step).sum() / 0.01)
        expect(
            abs(slope - claimed) < 0.05 * abs(slope) + 0.02,
            f"The gradient of {name} says {claimed:.2f}, finite differences {slope:.2f}: {advice}.",
        )


@suite.check(ATTENTION)
def gradients_stay_finite(student: Any, draw: Draw) -> None:
    """A query without keys gives gradients without NaN."""
    query, key, value = inputs(draw)
    mask = some_keys(draw, 2, 1, 5, 5)
    mask[0, 0, 1], mask[1] = False, False
    found = live.gradients(
        student,
        [query, key, value, mask],
        wrt=(0, 1, 2),
        cotangents=(draw.normal(2, 3, 5, 8), None),
    )
    for name, gradient in zip(("query", "key", "value"), found, strict=True):
        expect(
            gradient is None or bool(gradient.isfinite().all()),
            f"The gradient of {name} has NaN when a query sees no key: fill with a large finite "
            "number, then set those weights to 0; adding -inf leaves 0 · inf in the backward pass.",
        )
    expect(
        found[2] is not None and bool(found[2].any()),
        "No gradient comes back to value at all: keep every step inside autograd.",
    )


@suite.check(ATTENTION)
def float64_stays_float64(student: Any, draw: Draw) -> None:
    """Double precision goes in and comes out, and nothing is rounded to float32 between."""
    query, key, value = inputs(draw, dtype=torch.float64)
    tiny = 1e-8 * draw.normal(*query.shape, dtype=torch.float64)
    found = [values_of(student, query + i * tiny, key, value) for i in range(3)]
    expect(
        found[0].dtype == torch.float64,
        f"float64 inputs give {found[0].dtype} values: keep the dtype of the inputs.",
    )
    once, twice = found[1] - found[0], found[2] - found[0]
    expect(
        float(once.abs().max()) > 0
        and largest_difference(twice, 2 * once) < 0.02 * float(once.abs().max()),
        "float64 inputs are rounded to float32 on the way: a change of 1e-8 is lost. Never call "
        ".float() or make float32 tensors inside.",
    )


@suite.check(ATTENTION)
def half_precision_stays_half(student: Any, draw: Draw) -> None:
    """float16 and bfloat16 inputs give finite results of the same dtype, near the right ones."""
    cases = (
        (torch.float16, None),
        (torch.bfloat16, None),
        (torch.bfloat16, some_keys(draw, 2, 1, 1, 5)),
    )
    for dtype, mask in cases:
        both = results(student, *inputs(draw, dtype=dtype), mask=mask)
        for name, found in zip(("values", "weights"), both, strict=True):
            found = as_tensor(found, name)
            expect(
                found.dtype == dtype,
                f"{dtype} inputs give {name} of {found.dtype}: keep the dtype of the inputs.",
            )
            expect(
                bool(found.isfinite().all()),
                f"In {dtype} {name} are not finite: a masked score must fit into the dtype "
                "(torch.finfo(dtype).min or -inf).",
            )
        sums = found.float().sum(dim=-1)
        expect(
            mask is not None or close(sums, torch.ones_like(sums), 0.05),
            f"In {dtype} the weights of a query sum to {float(sums.flatten()[0]):.2f}, not to "
            "about 1.",
        )

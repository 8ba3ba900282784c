"""The suite of hidden checks, and what they share.

False alarms: every comparison with chance is Bernstein's bound at 1e-7 (``toys.bound``), or an
event of the probability that stands beside it. A run makes fewer than 150 such comparisons, so a
right answer loses a point in fewer than 2 of 100,000 runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from course.checks import live
from course.checks import masked_lm_toys as toys
from course.checks.base import Draw, Suite

suite = Suite("masked_lm", hidden=True)
MASK, LOSS, STEP = "mask_tokens", "masked_lm_loss", "pretraining_step"
FILL, SAMPLE = "fill_mask", "sample_mask"


def seed_globally(near: Any, draw: Draw) -> None:
    """Give torch's global generator, beside the student's code, a new state."""
    live.seed(near, draw.integer(0, 2**31))


def generator_fault(
    student: Any, draw: Draw, args: list[Any], kwargs: dict[str, Any], same: Callable[..., bool]
) -> str | None:
    """What is wrong with a function's use of its generator, or None; ``same`` compares results."""
    value = draw.integer(1, 2**31)
    seed_globally(student, draw)
    first = toys.with_generator(student, args, kwargs, value, 1)[0]
    seed_globally(student, draw)
    second, third = toys.with_generator(student, args, kwargs, value, 2)
    if not same(first, second):
        return (
            "Two generators with one seed give different results: hand generator=generator to "
            "every random function that you call."
        )
    if same(second, third):
        return (
            "Two calls with one generator give the same result: draw from the generator itself, "
            "which moves on, and never seed anything."
        )
    return None

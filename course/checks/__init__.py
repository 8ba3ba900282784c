"""The visible checks, and the small base that visible and hidden checks share.

``course.checks.base`` runs checks and words their results, ``course.checks.live`` holds the
helpers that must run beside the student's own objects, and each exercise has a module here.
"""

from course.checks.base import (
    Check,
    CheckFailed,
    Draw,
    Result,
    Suite,
    as_pair,
    as_tensor,
    close,
    collect,
    current_seed,
    expect,
    largest_difference,
    seeded,
)

__all__ = [
    "Check",
    "CheckFailed",
    "Draw",
    "Result",
    "Suite",
    "as_pair",
    "as_tensor",
    "close",
    "collect",
    "current_seed",
    "expect",
    "largest_difference",
    "seeded",
]

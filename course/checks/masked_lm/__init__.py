"""Visible checks of the exercise `masked_lm`."""

from course.checks.masked_lm import filling, masking, training
from course.checks.masked_lm.common import suite

__all__ = ["filling", "masking", "suite", "training"]

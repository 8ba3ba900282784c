"""Visible checks of the exercise `encoder`, a module a part."""

from course.checks.encoder import bert, block, positions
from course.checks.encoder.suite import suite

__all__ = ["bert", "block", "positions", "suite"]

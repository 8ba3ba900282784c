"""Visible checks of the exercise `tagging`."""

from course.checks.tagging import model, words
from course.checks.tagging.common import suite

__all__ = ["model", "suite", "words"]

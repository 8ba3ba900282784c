"""Visible checks of the exercise `beam_search`."""

from course.checks.beam_search import blocking, searching, starting
from course.checks.beam_search.common import suite

__all__ = ["blocking", "searching", "starting", "suite"]

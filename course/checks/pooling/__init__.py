"""Visible checks of the exercise `pooling`."""

from course.checks.pooling import extracting, pools, probing, tuning
from course.checks.pooling.common import suite

__all__ = ["extracting", "pools", "probing", "suite", "tuning"]

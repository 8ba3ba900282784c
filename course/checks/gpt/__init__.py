"""Visible checks of the exercise `gpt`."""

from course.checks.gpt import attention, data, generation, network
from course.checks.gpt.common import suite

__all__ = ["attention", "data", "generation", "network", "suite"]

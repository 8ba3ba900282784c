"""Hidden checks of the exercise `gpt`."""

from autograder.checks.gpt import (
    attention,
    classes,
    data,
    generation,
    network,
    padding,
    sampling,
    start,
    table,
)
from autograder.checks.gpt.common import suite

__all__ = [
    "attention",
    "classes",
    "data",
    "generation",
    "network",
    "padding",
    "sampling",
    "start",
    "suite",
    "table",
]

"""Hidden checks of the exercise `tagging`."""

from autograder.checks.tagging import aligning, classifying, reading, scoring, training
from autograder.checks.tagging.common import suite

__all__ = ["aligning", "classifying", "reading", "scoring", "suite", "training"]

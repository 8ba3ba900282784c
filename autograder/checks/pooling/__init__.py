"""Hidden checks of the exercise `pooling`."""

from autograder.checks.pooling import extracting, pools, probe, training, tuning, updates
from autograder.checks.pooling.suite import suite

__all__ = ["extracting", "pools", "probe", "suite", "training", "tuning", "updates"]

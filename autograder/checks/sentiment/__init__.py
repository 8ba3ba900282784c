"""Hidden checks of the exercise `sentiment`."""

from autograder.checks.sentiment import (
    accuracy,
    classifier,
    gru_encoder,
    gru_reading,
    gru_sizes,
    gru_training,
    predicting,
)
from autograder.checks.sentiment.common import suite

__all__ = [
    "accuracy",
    "classifier",
    "gru_encoder",
    "gru_reading",
    "gru_sizes",
    "gru_training",
    "predicting",
    "suite",
]

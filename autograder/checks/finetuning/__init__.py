"""Hidden checks of the exercise `finetuning`."""

from autograder.checks.finetuning import blocks, corpus, inference, pairs, rouge, targets
from autograder.checks.finetuning.suite import suite

__all__ = ["blocks", "corpus", "inference", "pairs", "rouge", "suite", "targets"]

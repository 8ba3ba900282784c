"""Visible checks of the exercise `finetuning`."""

from course.checks.finetuning import perplexity, rouge, texts
from course.checks.finetuning.common import suite

__all__ = ["perplexity", "rouge", "suite", "texts"]

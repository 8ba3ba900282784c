"""Hidden checks of the exercise `beam_search`."""

from autograder.checks.beam_search import (
    care,
    ending,
    ngrams,
    processing,
    starting,
    widths,
    words,
)
from autograder.checks.beam_search.common import suite

__all__ = ["care", "ending", "ngrams", "processing", "starting", "suite", "widths", "words"]

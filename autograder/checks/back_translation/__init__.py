"""Hidden checks of the exercise `back_translation`."""

from autograder.checks.back_translation import duplicates, entries, ids, trips
from autograder.checks.back_translation.common import suite

__all__ = ["duplicates", "entries", "ids", "suite", "trips"]

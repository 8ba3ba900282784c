"""Hidden checks of the exercise `masked_lm`."""

from autograder.checks.masked_lm import choosing, filling, loss, replacing, sampling, step
from autograder.checks.masked_lm.common import suite

__all__ = ["choosing", "filling", "loss", "replacing", "sampling", "step", "suite"]

"""Hidden checks of the exercise `attention`; torch's own attention is the oracle."""

from autograder.checks.attention import attention, dropout, masking, masks, numerics
from autograder.checks.attention.oracle import suite

__all__ = ["attention", "dropout", "masking", "masks", "numerics", "suite"]

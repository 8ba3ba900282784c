"""Hidden checks of exercise 5, one module a name that a student writes."""

from autograder.checks.objectives import distillation, pairs, permutation, shift, spans
from autograder.checks.objectives.base import suite

__all__ = ["distillation", "pairs", "permutation", "shift", "spans", "suite"]

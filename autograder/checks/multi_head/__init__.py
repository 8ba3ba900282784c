"""Hidden checks of the exercise `multi_head`, a module a theme."""

from autograder.checks.multi_head import dropout, layout, masks, numerics, start, structure
from autograder.checks.multi_head.suite import suite

__all__ = ["dropout", "layout", "masks", "numerics", "start", "structure", "suite"]

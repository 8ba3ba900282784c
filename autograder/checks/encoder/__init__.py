"""Hidden checks of the exercise `encoder`, a module a part.

False alarms: five checks count dropped entries. Each allows six standard deviations of a
binomial, at most 2e-9 a run; every other check is exact but for rounding.
"""

from autograder.checks.encoder import bert, bert_modes, block, block_dropout, positions, pre_norm
from autograder.checks.encoder.suite import suite

__all__ = ["bert", "bert_modes", "block", "block_dropout", "positions", "pre_norm", "suite"]

"""The suite of hidden checks, and what they share.

False alarms: each comparison with chance is Bernstein's bound at 1e-7 (``masked_lm_toys.bound``),
six standard deviations (2e-9), or an event of the probability that stands beside it. A run makes
fewer than 100 such comparisons, so a right answer loses a point in fewer than 2 of 100,000 runs.
"""

from __future__ import annotations

from course.checks.base import Suite

suite = Suite("gpt", hidden=True)
EVEN_WORDS = 12

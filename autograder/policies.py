"""A rule for late work, for ``nbgrader_config.py``::

c.AssignLatePenalties.plugin_class = "autograder.policies.PenaltyPerDay"
c.PenaltyPerDay.share = 0.1
"""

from __future__ import annotations

import math

from nbgrader.plugins import LateSubmissionPlugin
from traitlets import Float

DAY = 24 * 60 * 60


class PenaltyPerDay(LateSubmissionPlugin):
    """Takes a share of the notebook's points for each day that has begun."""

    share = Float(0.1, help="Share of the points a day, 0 to 1.").tag(config=True)
    grace_minutes = Float(10.0, help="Minutes after the due date that cost nothing.").tag(
        config=True
    )

    def late_submission_penalty(
        self, student_id: str, score: float, total_seconds_late: float
    ) -> float | None:
        """Points to take off a score; None within the grace. Never more than the score."""
        if total_seconds_late <= 60 * self.grace_minutes:
            return None
        days = math.ceil(total_seconds_late / DAY)
        return min(score, score * self.share * days)

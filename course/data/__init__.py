"""Real data by name: offline from what the course ships and from packages, or from the hub.

    train = data.load("topics", "train")

`COURSE_PROFILE` chooses where from. Splits are fixed and disjoint; their hashes are recorded.
"""

from course.data.loading import SPLITS, fingerprint, load
from course.data.sources import NAMES, conll_lines
from course.data.table import table

__all__ = ["NAMES", "SPLITS", "conll_lines", "fingerprint", "load", "table"]

"""Real models by role: offline from packages and from what the course ships, or from the hub.

    model, tokenizer = models.load("encoder")

`COURSE_PROFILE` chooses where from. What transformers changes from release to release is dealt with
in this package and nowhere else.
"""

from course.models.attention import attentions
from course.models.catalog import ROLES, Entry, entry_for, locate
from course.models.lens import layers_and_head
from course.models.loading import load
from course.models.queries import queries_keys_values

__all__ = [
    "ROLES",
    "Entry",
    "attentions",
    "entry_for",
    "layers_and_head",
    "load",
    "locate",
    "queries_keys_values",
]

"""The hidden suite of the exercise `multi_head`; the modules beside this one fill it."""

from course.checks.base import Suite

suite = Suite("multi_head", hidden=True)
SPLIT, MERGE, MODULE = "split_heads", "merge_heads", "MultiHeadAttention"

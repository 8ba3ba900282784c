"""``python -m autograder report ASSIGNMENT``: a page on how a class did, for its instructor.

Distribution of points, each check's failure rate with its message, what odd submissions resemble,
pairs of submissions that are alike, time used. One file, no scripts, nothing loaded from outside.
"""

from autograder.instructor.command import main

__all__ = ["main"]

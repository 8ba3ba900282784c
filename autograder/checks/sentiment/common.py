"""The suite of hidden checks, and what they share.

False alarms: the inputs are drawn, but nearly all comparisons are of results that must be equal, or
must differ by far more than rounding. Where a fresh model's own chance plays a part, the bound and
its rate stand beside it; together they are below 1 in 100,000 runs.
"""

from __future__ import annotations

from course.checks.base import Suite

suite = Suite("sentiment", hidden=True)
CLS, GRU = "ClsClassifier", "GruSentiment"
ACCURACY, PREDICT = "binary_accuracy", "predict_sentiment"

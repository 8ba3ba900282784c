"""The suite of visible checks, and small encoders made beside the student's code."""

from __future__ import annotations

from typing import Any

from torch import Tensor, equal

from course.checks import live
from course.checks import tagging_toys as toys
from course.checks.base import Draw, Suite, as_tensor, expect

suite = Suite("tagging")
READ, ALIGN, MODEL, F1 = "read_conll", "align_labels", "TokenClassifier", "per_class_f1"


def a_classifier(
    student: Any, draw: Draw, labels: int, training: bool = False, **options: Any
) -> tuple[Any, Any]:
    """A student's classifier on a small real BERT, with seeded weights; and that BERT."""
    live.seed(student, draw.integer(0, 2**31))
    encoder = live.make(student, f"{toys.HERE}:bert", draw.integer(0, 2**31), **options)
    classifier = student(encoder, labels)
    live.set_mode(classifier, training)
    return classifier, encoder


def on_table(student: Any, draw: Draw, table: Tensor, labels: int) -> Any:
    """A student's classifier in eval mode on an encoder whose states are known word by word."""
    live.seed(student, draw.integer(0, 2**31))
    classifier = student(live.make(student, f"{toys.HERE}:word_by_word", table), labels)
    live.set_mode(classifier, False)
    return classifier


def of_the_encoder(parameters: dict[str, Tensor], encoder: Any) -> set[str]:
    """The names of those parameters of a classifier that the encoder has too, found by value."""
    own = live.parameters(encoder).values()
    return {name for name, value in parameters.items() if any(equal(value, one) for one in own)}


def logits_of(classifier: Any, ids: Tensor, mask: Tensor, labels: int) -> Tensor:
    """The classifier's logits, (batch, length, labels); fails the check for another shape.

    Nor do numbers pass that say nothing, and so agree with themselves whatever is asked.
    """
    logits = as_tensor(classifier(ids, mask), "The logits", (*ids.shape, labels))
    expect(logits.isfinite().all(), "The logits hold NaN or infinity.")
    expect(logits.any(), "All logits are 0: put a linear layer on the encoder's hidden states.")
    return logits

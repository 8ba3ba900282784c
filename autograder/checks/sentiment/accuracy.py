"""Hidden checks of binary_accuracy, against counting."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.checks.sentiment.common import ACCURACY, suite
from course.checks import live
from course.checks import sentiment_toys as toys
from course.checks.base import Draw, expect

HINT = "logits and labels are both (batch,)."


def a_case(draw: Draw, count: int, positive: float) -> tuple[Tensor, Tensor, float]:
    """Logits, none near 0, labels (float, a share of them positive), and the true accuracy."""
    labels = draw.boolean(count, probability=positive).float()
    logits = draw.normal(count)
    logits = logits + 0.05 * logits.sign()
    right = sum((z > 0) == (y == 1) for z, y in zip(logits.tolist(), labels.tolist(), strict=True))
    return logits, labels, right / count


def expect_share(found: Any, wanted: float, what: str) -> None:
    """Fail in words unless ``found`` is the share ``wanted``, a float."""
    expect(
        isinstance(found, float),
        f"The accuracy must be a Python float, but it is a {type(found).__name__}: use .item().",
    )
    expect(
        found <= 1.0 or wanted == found,
        f"The accuracy of {what} is {found:.4g}: it must be a share from 0 to 1, neither per cent "
        "nor a count.",
    )
    expect(
        abs(found - wanted) < 1e-4,
        f"The accuracy of {what} is {found:.4f}, but counting gives {wanted:.4f}.",
    )


@suite.check(ACCURACY, hint=HINT)
def accuracy_is_a_share(student: Any, draw: Draw) -> None:
    """The result is the share of right answers, exact also for odd sizes and one text"""
    for count in (1, 7, 67):
        logits, labels, wanted = a_case(draw, count, 0.5)
        expect_share(student(logits, labels), wanted, f"{count} texts")


@suite.check(ACCURACY, points=2, hint=HINT)
def both_classes_count(student: Any, draw: Draw) -> None:
    """Each text counts once, whatever its class and however rare that is"""
    for positive in (0.1, 0.9, 0.0, 1.0):
        logits, labels, wanted = a_case(draw, 60, positive)
        expect_share(
            student(logits, labels), wanted, f"60 texts, {int(labels.sum())} of them positive,"
        )


@suite.check(ACCURACY, hint=HINT)
def large_logits_are_fine(student: Any, draw: Draw) -> None:
    """Only the sign of a logit counts, whether it is small or very large"""
    for scale in (0.02, 30.0, 1000.0):
        logits, labels, wanted = a_case(draw, 40, 0.5)
        expect_share(student(logits * scale, labels), wanted, f"logits of size {scale:g}")


@suite.check(ACCURACY, hint="Labels come as float or int64: compare, do not combine by & or ~.")
def labels_of_any_dtype(student: Any, draw: Draw) -> None:
    """Labels may be float32 or int64"""
    logits, labels, wanted = a_case(draw, 25, 0.6)
    for dtype in (torch.float32, torch.int64):
        expect_share(student(logits, labels.to(dtype)), wanted, f"{dtype} labels")


@suite.check(ACCURACY, hint="In training logits require gradients: .detach() them.")
def logits_in_training(student: Any, draw: Draw) -> None:
    """Logits may come from a model in training, with gradients"""
    logits, labels, wanted = a_case(draw, 25, 0.5)
    found = toys.accuracy_with_gradients(student, logits, labels)
    expect_share(found, wanted, "logits with gradients")


@suite.check(ACCURACY, hint=HINT)
def arguments_stay(student: Any, draw: Draw) -> None:
    """Logits and labels stay as they are"""
    logits, labels, _ = a_case(draw, 25, 0.5)
    kept = live.call_and_keep(student, [logits.clone(), labels.clone()], {})[1]
    expect(
        torch.equal(kept[0], logits) and torch.equal(kept[1], labels),
        "The arguments were changed in place: the loss would get other logits afterwards.",
    )

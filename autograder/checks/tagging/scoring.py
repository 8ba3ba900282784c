"""Hidden checks of per_class_f1; all expected numbers are counted token by token."""

from __future__ import annotations

from typing import Any

import torch

from autograder.checks.tagging.common import F1, suite
from course.checks import live
from course.checks import tagging_toys as toys
from course.checks.base import Draw, expect

HINT = "predictions and labels are int64 tensors (batch, length)."


@suite.check(F1, points=2, hint=HINT)
def tokens_are_pooled(student: Any, draw: Draw) -> None:
    """All tokens are counted together before anything is divided, not sentence by sentence."""
    predictions, labels = toys.a_scoring(draw, ignored=6, width=4)
    found = toys.some_score(student, predictions, labels)
    rows = [toys.f1_of(p[None], t[None], 4) for p, t in zip(predictions, labels, strict=True)]
    mean = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    expect(
        not toys.same(found, mean),
        "These are means of each sentence's F1: count TP, FP and FN over all tokens, then divide "
        "once.",
    )
    free = labels != -100
    wide = toys.score(student, predictions[free][None], labels[free][None], 4)
    expect(
        toys.same(found, wide),
        f"The same tokens give {toys.shown(found)} in many rows and {toys.shown(wide)} in one row: "
        "count over all tokens of the batch, then divide once.",
    )


@suite.check(F1, points=2, hint=HINT + " Divide by 2 TP + FP + FN only where it is not 0.")
def a_class_that_never_occurs(student: Any, draw: Draw) -> None:
    """A class that neither label nor prediction has gets 0.0, and keeps its place in the list."""
    predictions, labels = toys.a_scoring(draw)
    free = draw.integer(1, 4)
    up = predictions + (predictions >= free), labels + (labels >= free)
    for classes in (5, 7):
        found = toys.score(student, *up, classes)
        absent = [found[free], *found[5:]]
        expect(
            all(v == v for v in absent),
            "A class that never occurs gets NaN (0 / 0): its F1 is 0.0.",
        )
        expect(
            all(abs(v) < 1e-3 for v in absent),
            f"A class that never occurs gets {max(absent):g}: its F1 is 0.0.",
        )
        wanted = toys.f1_of(*up, classes)
        expect(
            toys.same(found, wanted),
            f"With class {free} absent, the F1s are {toys.shown(found)}, not "
            f"{toys.shown(wanted)}: every class keeps its place.",
        )


@suite.check(F1, hint=HINT + " TP + FP or TP + FN may be 0.")
def classes_without_a_hit(student: Any, draw: Draw) -> None:
    """A class that is never predicted, never true, or never hit gets 0.0."""
    labels = torch.tensor([[0, 0, 0, 1, 1, 3], [0, 3, 0, 0, 1, 3]])
    predictions = torch.tensor([[0, 0, 2, 0, 0, 0], [0, 0, 2, 0, 0, 0]])
    found = toys.score(student, predictions, labels, 4)
    expect(
        all(v == v for v in found),
        "A class without a hit gets NaN: precision, recall or their sum is 0 / 0; its F1 is 0.0.",
    )
    expect(
        all(abs(v) < 1e-3 for v in found[1:]),
        f"Classes without a single hit get {toys.shown(found[1:])}: their F1 is 0.0.",
    )
    expect(abs(found[0] - 8 / 16) < 1e-3, f"Class 0 gets {found[0]:.3f}, not 8/16 = 0.5.")


@suite.check(F1, points=2, hint="Choose the positions with labels != -100 before all else.")
def predictions_at_ignored_places_may_be_anything(student: Any, draw: Draw) -> None:
    """What is predicted where the label is -100 does not count, even a class out of range."""
    predictions, labels = toys.a_scoring(draw, ignored=12)
    base = toys.some_score(student, predictions, labels)
    for odd in (-100, 99, -1, 0, 3):
        found = toys.score(student, predictions.masked_fill(labels == -100, odd), labels, 4)
        expect(
            toys.same(found, base),
            f"With {odd} predicted where the label is -100 the F1s are {toys.shown(found)}, with "
            f"other classes there {toys.shown(base)}: leave these positions out.",
        )


@suite.check(F1, hint=HINT)
def a_miss_counts(student: Any, draw: Draw) -> None:
    """A token of class 1 that is taken for class 0 is a miss of class 1."""
    labels = torch.tensor([[1] * 5 + [0] * 5 + [-100]])
    predictions = torch.tensor([[1] * 3 + [0] * 2 + [0] * 5 + [1]])
    order = draw.permutation(11)
    found = toys.score(student, predictions[:, order], labels[:, order], 2)
    expect(
        abs(found[1] - 1.0) > 1e-3,
        "Class 1 gets 1.0 although two of its five tokens were taken for class 0: only the label "
        "decides what is left out, never the prediction.",
    )
    expect(
        toys.same(found, [10 / 12, 6 / 8]),
        f"The F1s are {toys.shown(found)}, not 0.833, 0.750.",
    )


@suite.check(F1, hint=HINT)
def class_zero_is_a_class(student: Any, draw: Draw) -> None:
    """Class 0 (O) has its F1, and a mistake on a token of class 0 is a false positive."""
    # Ten tokens of class 0, of which four are taken for class 1; three of class 1, all found.
    labels = torch.tensor([[0] * 10 + [1] * 3 + [-100]])
    predictions = torch.tensor([[0] * 6 + [1] * 4 + [1] * 3 + [0]])
    order = draw.permutation(14)
    found = toys.score(student, predictions[:, order], labels[:, order], 2)
    expect(
        abs(found[1] - 1.0) > 1e-3,
        "Class 1 gets 1.0 although four tokens of class 0 were taken for it: positions whose label "
        "is 0 count, only those with -100 do not.",
    )
    expect(
        toys.same(found, [12 / 16, 6 / 10]),
        f"The F1s are {toys.shown(found)}, not 0.750, 0.600.",
    )


@suite.check(F1, hint=HINT)
def perfect_and_wrong(student: Any, draw: Draw) -> None:
    """Perfect predictions give 1.0 for each class that occurs, wholly wrong ones 0.0."""
    _, labels = toys.a_scoring(draw, ignored=6)
    found = toys.score(student, labels.clamp(min=0), labels, 4)
    expect(
        toys.same(found, [1.0] * 4),
        f"Perfect predictions get {toys.shown(found)}: F1 goes from 0 to 1, without smoothing.",
    )
    found = toys.score(student, (labels.clamp(min=0) + 1) % 4, labels, 4)
    expect(toys.same(found, [0.0] * 4), f"Wholly wrong ones get {toys.shown(found)}, not zeros.")


@suite.check(F1, hint=HINT)
def numbers_are_plain_and_exact(student: Any, draw: Draw) -> None:
    """The floats are not rounded, and the order of the classes is that of their numbers."""
    labels = torch.tensor([[0] * 700 + [1] * 300])
    predictions = torch.tensor([[0] * 699 + [1] + [0] + [1] * 299])
    found = toys.score(student, predictions, labels, 2)
    wanted = [2 * 699 / 1400, 2 * 299 / 600]
    expect(
        not toys.same(found, wanted[::-1], 1e-4),
        "The classes come in another order: entry i is the F1 of class i.",
    )
    expect(
        toys.same(found, wanted, 2e-4),
        f"The F1s are {found[0]:.5f}, {found[1]:.5f}, but {wanted[0]:.5f}, {wanted[1]:.5f} is due: "
        "do not round, do not smooth.",
    )


@suite.check(F1, hint=HINT)
def tensors_stay_as_they_are(student: Any, draw: Draw) -> None:
    """Predictions and labels are not changed in place."""
    predictions, labels = toys.a_scoring(draw, ignored=6)
    args = live.call_and_keep(student, [predictions.clone(), labels.clone(), 4], {})[1]
    expect(
        torch.equal(args[0], predictions) and torch.equal(args[1], labels),
        "predictions or labels were changed in place: choose positions with labels != -100 instead "
        "of overwriting them.",
    )

"""Visible checks of TokenClassifier and per_class_f1."""

from __future__ import annotations

from typing import Any

import torch

from course.checks import live
from course.checks import tagging_toys as toys
from course.checks.base import Draw, as_tensor, expect
from course.checks.tagging.common import F1, MODEL, a_classifier, logits_of, of_the_encoder, suite

HINT = "It is called as classifier(input_ids, attention_mask); the encoder is a BERT."


@suite.check(MODEL, hint=HINT)
def logits_for_every_token(student: Any, draw: Draw) -> None:
    """It returns one tensor of logits, (batch, length, num_labels)."""
    classifier, _ = a_classifier(student, draw, 5)
    ids = draw.integers(1, 19, 3, 7)
    logits = classifier(ids, torch.ones_like(ids))
    expect(
        getattr(logits, "shape", None) != (3, 5),
        "The logits are (batch, num_labels): classify every token, not the sentence. Take "
        "last_hidden_state, without pooling.",
    )
    as_tensor(logits, "The result", (3, 7, 5))
    logits_of(classifier, ids, torch.ones_like(ids), 5)


@suite.check(MODEL, points=2, hint=HINT)
def gradients_reach_the_encoder(student: Any, draw: Draw) -> None:
    """Gradients reach the encoder and the layer on top of it."""
    classifier, encoder = a_classifier(student, draw, 5, training=True)
    ids = draw.integers(1, 19, 3, 7)
    args, cotangent = [ids, torch.ones_like(ids)], draw.normal(3, 7, 5)
    classifier(*args)
    names = of_the_encoder(live.parameters(classifier), encoder)
    found = live.parameter_gradients(classifier, args, cotangents=[cotangent])
    inside = [g for name, g in found.items() if name in names and g is not None and g.dim() > 1]
    expect(
        any(bool(g.abs().sum() > 0) for g in inside),
        "No gradient reaches the encoder, so it will never learn: no torch.no_grad(), no detach(), "
        "no requires_grad = False, and keep it as an attribute.",
    )
    outside = [g for name, g in found.items() if name not in names and g is not None]
    expect(
        any(bool(g.abs().sum() > 0) for g in outside),
        "No gradient reaches a layer above the encoder: make one in __init__, as an attribute, "
        "from the encoder's hidden size to num_labels.",
    )


@suite.check(F1)
def one_float_a_class(student: Any, draw: Draw) -> None:
    """It returns a list of num_labels floats."""
    toys.some_score(student, *toys.a_scoring(draw))


@suite.check(F1, points=2, hint="predictions and labels are int64 tensors (batch, length).")
def f1_of_each_class(student: Any, draw: Draw) -> None:
    """Each entry is the F1 of its class: 2 TP / (2 TP + FP + FN)."""
    predictions, labels = toys.a_scoring(draw)
    found = toys.score(student, predictions, labels, 4)
    counts = toys.counted(predictions, labels, 4)
    both = [(row["precision"], row["recall"], row["f1"]) for row in counts]
    due = [int((labels == c).sum()) / labels.numel() for c in range(4)]
    for name, numbers in (
        ("precisions", [p for p, _, _ in both]),
        ("recalls", [r for _, r, _ in both]),
        ("arithmetic means of precision and recall", [(p + r) / 2 for p, r, _ in both]),
        ("TP / (TP + FP + FN), which is Jaccard's index", [f / (2 - f) for _, _, f in both]),
        (
            "F1s times the share of the class",
            [f * d for (_, _, f), d in zip(both, due, strict=True)],
        ),
    ):
        expect(
            not toys.same(found, numbers),
            f"These are {name}: F1 is the harmonic mean of precision and recall, "
            "2 TP / (2 TP + FP + FN).",
        )
    right = (predictions == labels).double().mean().item()
    expect(
        not toys.same(found, [right] * 4),
        "Every class has the accuracy as its F1: that is the micro average. Count TP, FP and FN "
        "for each class apart.",
    )
    each = [((predictions == c) == (labels == c)).double().mean().item() for c in range(4)]
    expect(
        not toys.same(found, each),
        "These are accuracies of 'this class or not': true negatives do not count in F1.",
    )
    wanted = [row["f1"] for row in counts]
    expect(
        toys.same(found, wanted),
        f"The F1s are {toys.shown(found)}, but 2 TP / (2 TP + FP + FN) gives {toys.shown(wanted)}.",
    )


@suite.check(F1, points=2)
def ignored_labels_do_not_count(student: Any, draw: Draw) -> None:
    """Positions whose label is -100 do not count, whatever is predicted there."""
    predictions, labels = toys.a_scoring(draw, ignored=12)
    found = toys.some_score(student, predictions, labels)
    as_o = toys.f1_of(predictions, labels.clamp(min=0), 4)
    expect(
        not toys.same(found, as_o),
        "Special tokens and padding (label -100) are counted as class 0: leave them out.",
    )
    wanted = toys.f1_of(predictions, labels, 4)
    free = toys.score(student, predictions[labels != -100][None], labels[labels != -100][None], 4)
    expect(
        toys.same(found, free),
        f"The F1s are {toys.shown(found)}, but {toys.shown(wanted)} without the positions whose "
        "label is -100: what is predicted there is no false positive. Leave them out first.",
    )

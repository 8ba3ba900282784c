"""A hidden check of TokenClassifier: train it, and compare with labels that stay here."""

from __future__ import annotations

from typing import Any

import torch

from autograder.checks.tagging.common import MODEL, suite
from course.checks import tagging_toys as toys
from course.checks.base import Draw, as_tensor, expect
from course.checks.tagging.common import a_classifier

ROWS, LENGTH, WORDS = 48, 12, 12
BEST = 0.9  # the share of unseen labels that can be known: the rest is drawn anew


@suite.check(MODEL, points=3, hint="It is called as classifier(input_ids, attention_mask).")
def trained_it_tags_unseen_sentences(student: Any, draw: Draw) -> None:
    """Trained on a small language, it tags unseen sentences better than the commonest tag"""
    # A word's class is given, in three classes of four words. A tenth of the unseen labels are
    # wrong by purpose, so nobody who has not seen them is right in more than 0.9 of the 576, but
    # for 6 standard deviations of sqrt(0.9 * 0.1 / 576) = 0.0125: a chance of 1e-9.
    order = draw.permutation(WORDS)
    classes = order % 3
    ids, unseen = (draw.integers(1, WORDS, ROWS, LENGTH) for _ in range(2))
    mask = (torch.arange(LENGTH) < draw.integers(6, LENGTH, ROWS, 1)).long()
    labels = classes[ids - 1].masked_fill(mask == 0, toys.IGNORED)
    hidden = classes[unseen - 1]
    wrong = draw.boolean(ROWS, LENGTH, probability=1 - BEST)
    hidden = torch.where(wrong, (hidden + draw.integers(1, 2, ROWS, LENGTH)) % 3, hidden)
    sizes = {"words": WORDS + 1, "dim": 16, "spread": 0.1}
    classifier, _ = a_classifier(student, draw, 3, training=True, **sizes)
    found = as_tensor(
        toys.train(classifier, ids, mask, labels, unseen, 24), "The classes", (ROWS, LENGTH)
    )
    accuracy = float((found == hidden).double().mean())
    commonest = float(hidden.flatten().bincount(minlength=3).max() / hidden.numel())
    expect(
        accuracy > 0.7,
        f"After 24 steps of Adam it is right in {accuracy:.0%} of unseen tokens; the commonest tag "
        f"alone gives {commonest:.0%}, and about {BEST:.0%} can be had: it does not learn from "
        "each token's own state.",
    )
    expect(
        accuracy < BEST + 6 * 0.0125,
        f"It is right in {accuracy:.0%} of unseen tokens, more than can be known ({BEST:.0%}).",
    )
    lowest = min(toys.f1_of(found, hidden, 3))
    expect(lowest > 0.6, f"One class has an F1 of {lowest:.2f}: it never learns that class.")

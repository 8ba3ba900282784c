"""Visible checks of extract_features, on a scripted encoder."""

from __future__ import annotations

from typing import Any

import torch

from course.checks.base import Draw, as_tensor, close, expect
from course.checks.pooling.common import EXTRACT, a_table, extract, features_alone, sentences, suite


@suite.check(EXTRACT, points=2, hint="The model's vectors are output.last_hidden_state.")
def a_row_a_sentence_in_order(student: Any, draw: Draw) -> None:
    """Row i of the result belongs to sentence i, whatever the lengths"""
    table = a_table(draw)
    texts = sentences(draw, [5, 1, 8, 3, 9, 2, 7, 4, 6])
    # The vector at [CLS] would be the same for all: the sums differ.
    found = as_tensor(
        extract(student, table, texts, "moments", batch_size=4), "The result", (9, 12)
    )
    wanted = features_alone("moments", table, texts)
    # Squares of the sums do not depend on the order, so each row can be looked for.
    distances = torch.cdist(found.double(), wanted.double())  # (found, wanted)
    there = bool((distances.min(dim=0).values < 1e-3).all())
    place = distances.argmin(dim=0).tolist()
    expect(
        not there or place == list(range(9)),
        f"The features are right but in another order (sentence 0 is in row {place[0]}): undo the "
        "sorting, features[order] = sorted_features.",
    )
    wrong = [i for i in range(9) if not close(found[i], wanted[i], 1e-3)]
    expect(
        not wrong,
        f"Row {wrong[:1]} is not the pool of its sentence's own vectors: check the padding mask "
        "that the pool gets, and that every sentence is there once.",
    )


@suite.check(EXTRACT)
def the_given_pool_is_used(student: Any, draw: Draw) -> None:
    """The pool that is given makes the features, from the hidden states"""
    table, texts = a_table(draw), sentences(draw, [4, 4, 4])
    for name, width in (("moments", 12), ("first", 6)):
        result = extract(student, table, texts, name)
        found = as_tensor(result, "The result", (3, width))
        expect(
            close(found, features_alone(name, table, texts), 1e-3),
            "The features are not pool(hidden, attention_mask) of the pool that was given: call it "
            "with the model's last hidden states and the attention mask.",
        )


@suite.check(EXTRACT)
def features_carry_no_graph(student: Any, draw: Draw) -> None:
    """The features are frozen: no gradient is recorded"""
    result = extract(student, a_table(draw), sentences(draw, [3, 5]))
    found = as_tensor(result, "The result")
    expect(len(found.shape) == 2 and len(found) == 2, "2 sentences must give 2 rows of features.")
    expect(
        not result.requires_grad,
        "The features require a gradient, so the whole encoder's graph stays in memory: extract "
        "them under torch.no_grad().",
    )

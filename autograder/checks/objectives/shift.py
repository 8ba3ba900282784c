"""Hidden checks of ``shift_for_teacher_forcing``."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.checks.objectives.base import suite
from course.checks.base import Draw, as_tensor, expect
from course.checks.live import call_and_keep
from course.checks.objectives_toys import call_non_contiguous


def shifted(student: Any, labels: Tensor, start_id: int) -> Tensor:
    """The student's decoder inputs, of the labels' shape."""
    return as_tensor(student(labels.clone(), start_id), "The result", tuple(labels.shape))


def moved(result: Tensor, labels: Tensor) -> None:
    """Fail when the result is the labels as they were, or holds nothing: all 0, or NaN."""
    expect(
        not torch.equal(result, labels) and bool((result == result).logical_and(result != 0).any()),
        "The result is the labels as they were, or all zeros: the start token comes first, then "
        "the labels one step later.",
    )


@suite.check("shift_for_teacher_forcing")
def every_row_starts_with_the_start_token(student: Any, draw: Draw) -> None:
    """The start token stands first in every row, and `start_id` says which it is."""
    for start_id in (0, draw.integer(100, 999)):
        labels = draw.integers(3, 60, 4, 5)
        first = shifted(student, labels, start_id)[:, 0].tolist()
        expect(
            first == [start_id] * 4,
            f"The rows start with {first}, but every one must start with start_id {start_id}.",
        )


@suite.check("shift_for_teacher_forcing")
def the_rest_moves_right(student: Any, draw: Draw) -> None:
    """Behind the start token stand all labels but the last, row by row."""
    for batch, length in ((1, 6), (3, 3), (5, 2)):
        labels = draw.permutation(batch * length).reshape(batch, length) + 3
        result = shifted(student, labels, 1)[:, 1:]
        if length > 2 and torch.equal(result[:, :-1], labels[:, 2:]):
            expect(False, "The labels moved left: input t must be label t−1, what came before.")
        expect(
            torch.equal(result, labels[:, :-1]),
            f"Labels {labels[0].tolist()} give {result[0].tolist()} behind the start token; "
            f"it must be {labels[0, :-1].tolist()}.",
        )


@suite.check("shift_for_teacher_forcing", points=2)
def ignored_labels_are_left_alone(student: Any, draw: Draw) -> None:
    """−100 moves along like any label, in the middle, at the end and at the start of a row."""
    labels = draw.integers(3, 60, 3, 6)
    labels[0, 4:], labels[1, :3], labels[2, 2] = -100, -100, -100
    result = shifted(student, labels, 1)
    expected = (labels == -100)[:, :-1]
    replaced = result[:, 1:][expected].unique().tolist()
    expect(
        replaced == [-100],
        f"Where −100 should stand there is {replaced}: leave it, the caller decides what to "
        "put there.",
    )
    expect(
        torch.equal(result[:, 1:] == -100, expected),
        "−100 appears where the label before was a token: nothing else may be changed.",
    )


@suite.check("shift_for_teacher_forcing")
def the_shape_stays(student: Any, draw: Draw) -> None:
    """The result has the shape of the labels, for one row and for one column too."""
    for batch, length in ((1, 1), (4, 1), (1, 5), (3, 4)):
        labels = draw.integers(3, 60, batch, length)
        result = as_tensor(student(labels.clone(), 1), "The result")
        expect(
            tuple(result.shape) == (batch, length),
            f"Labels of shape {(batch, length)} give inputs of shape {tuple(result.shape)}: "
            "the start token is added and the last label dropped.",
        )
        moved(result, labels)


@suite.check("shift_for_teacher_forcing")
def ids_stay_integers(student: Any, draw: Draw) -> None:
    """The result holds integers, as an embedding needs them."""
    labels = draw.integers(3, 60, 2, 4)
    result = as_tensor(student(labels.clone(), 1), "The result")
    moved(result, labels)
    whole = not (result.is_floating_point() or result.is_complex()) and result.dtype != torch.bool
    expect(whole, f"The result is {result.dtype}: an embedding looks up integers only.")


@suite.check("shift_for_teacher_forcing")
def labels_are_not_changed(student: Any, draw: Draw) -> None:
    """The labels are the same after the call: the loss still needs them."""
    labels = draw.integers(3, 60, 3, 5)
    labels[1, 3:] = -100
    _, args, _ = call_and_keep(student, [labels.clone(), 1], {})
    expect(
        torch.equal(args[0], labels),
        "The labels were changed in place: write into a copy (clone, or a new tensor).",
    )


@suite.check(
    "shift_for_teacher_forcing",
    hint="The labels need not be contiguous: slices, cat and roll work, view does not.",
)
def any_layout_is_served(student: Any, draw: Draw) -> None:
    """A transposed (non-contiguous) tensor and a second call of another shape work too."""
    for batch, length in ((3, 4), (2, 5), (4, 3)):
        labels = draw.permutation(batch * length).reshape(batch, length) + 3
        expected = torch.cat([torch.full((batch, 1), 2), labels[:, :-1]], dim=1)
        result = as_tensor(call_non_contiguous(student, labels, 2), "The result", (batch, length))
        expect(
            torch.equal(result.long(), expected),
            f"A transposed tensor of shape {(batch, length)} comes out wrong: use roll, cat or "
            "slices, not the order in memory.",
        )

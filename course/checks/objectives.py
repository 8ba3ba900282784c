"""Visible checks of exercise 5: the examples of the task, worked by hand."""

from __future__ import annotations

from typing import Any

import torch

from course.checks.base import Draw, Suite, as_tensor, expect
from course.checks.objectives_toys import (
    as_pairs,
    corrupted,
    generator,
    mask_for,
    place_of,
    write_documents,
)

suite = Suite("objectives")


@suite.check("next_sentence_pairs", points=2)
def pairs_are_triples(student: Any, draw: Draw) -> None:
    """You return a list of (first, second, is_next) with unchanged sentences."""
    documents = write_documents(4, 2, 6)
    found = as_pairs(student(documents, generator(draw.integer(0, 9999))), documents)
    expect(
        found, "There is no pair at all, though every one of the documents has several sentences."
    )


@suite.check("next_sentence_pairs", points=2)
def true_pairs_are_neighbours(student: Any, draw: Draw) -> None:
    """The second sentence of a true pair is the one that follows the first in its document."""
    documents = write_documents(*[3] * 40)
    place = place_of(documents)
    pairs = as_pairs(student(documents, generator(draw.integer(0, 9999))), documents)
    true = [(place[a], place[b]) for a, b, is_next in pairs if is_next]
    expect(true, "No pair is marked True: about half of them should be.")
    for (d, i), (e, j) in true:
        if d == e and j == i - 1:
            expect(
                False, f"A true pair is reversed: sentence {i} comes first, then {j}. Swap them."
            )
        expect(
            d == e,
            f"A pair marked True crosses documents ({d} and {e}): True means that the second "
            "sentence follows the first in one document.",
        )
        expect(
            j == i + 1,
            f"A pair marked True joins sentences {i} and {j} of one document: "
            f"the second must be sentence {i + 1}.",
        )


@suite.check("next_sentence_pairs", points=2)
def false_pairs_are_strangers(student: Any, draw: Draw) -> None:
    """The second sentence of a false pair comes from another document."""
    documents = write_documents(5, 5)
    place, first = place_of(documents), draw.integer(0, 9999)
    pairs = []
    for seed in range(first, first + 40):
        pairs += as_pairs(student(documents, generator(seed)), documents)
    false = [(place[a], place[b]) for a, b, is_next in pairs if not is_next]
    expect(false, "No pair is marked False: about half of them should be.")
    same = sum(a[0] == b[0] for a, b in false)
    expect(
        same == 0,
        f"{same} of {len(false)} pairs marked False have both sentences from one document: "
        "draw the second from the other documents only.",
    )


@suite.check("permutation_mask", points=2)
def mask_is_a_boolean_square(student: Any, draw: Draw) -> None:
    """The mask is boolean and of shape (length, length)."""
    square = torch.ones(3, 3, dtype=torch.bool).tril()
    mask = as_tensor(mask_for(student, [0, 1, 2], square), "The mask", (3, 3))
    expect(
        mask.dtype == torch.bool,
        f"The mask must be boolean (True: may look), but it is {mask.dtype}.",
    )


@suite.check("permutation_mask", points=2)
def natural_order_is_causal(student: Any, draw: Draw) -> None:
    """The order 0, 1, 2, … gives the causal mask."""
    causal = torch.ones(5, 5, dtype=torch.bool).tril()
    mask = as_tensor(mask_for(student, range(5), causal), "The mask", (5, 5)).bool()
    if torch.equal(mask, causal.tril(-1)):
        expect(False, "A position must also see itself: the diagonal of your mask is False.")
    if torch.equal(mask, causal.T):
        expect(False, "Rows are queries and columns are keys: your mask is transposed.")
    if torch.equal(mask, ~causal):
        expect(False, "True means 'may look': your mask is True where looking is forbidden.")
    expect(
        torch.equal(mask, causal),
        f"In the order 0, 1, 2, 3, 4 position 2 sees 0, 1 and 2; yours sees "
        f"{mask[2].nonzero().flatten().tolist()}.",
    )


@suite.check("distillation_loss", points=2)
def without_teacher_it_is_cross_entropy(student: Any, draw: Draw) -> None:
    """With alpha=0 the loss is the plain cross-entropy with the labels."""
    # log(1/4), log(3/4): the label has probability 1/4, so the loss is ln 4 = 1.3863.
    logits = torch.tensor([[0.25, 0.75]]).log()
    teacher = torch.tensor([[0.9, 0.1]]).log()
    loss = float(student(logits, teacher, torch.tensor([0]), temperature=2.0, alpha=0.0))
    if abs(loss - 1.2216) < 1e-3 or abs(loss - 0.3054) < 1e-3:
        expect(
            False, "With alpha=0 the teacher must not count: alpha weighs the soft part, swap them."
        )
    if abs(loss - 1.0050) < 1e-3:
        expect(False, f"The loss is {loss:.4f}: the hard part must not be divided by temperature.")
    expect(
        abs(loss - 1.3863) < 1e-3,
        f"The label has probability 1/4: with alpha=0 the loss is ln 4 = 1.3863, not {loss:.4f}.",
    )


@suite.check("distillation_loss", points=2)
def worked_example(student: Any, draw: Draw) -> None:
    """With alpha=1 and temperature=1 the loss is the KL divergence worked out in the task."""
    # Teacher (1/2, 1/2), student (1/4, 3/4): ½·ln 2 + ½·ln(2/3) = 0.1438. The other way: 0.1308.
    logits = torch.tensor([[0.25, 0.75]]).log()
    loss = float(student(logits, torch.zeros(1, 2), torch.tensor([0]), temperature=1.0, alpha=1.0))
    if abs(loss - 0.1308) < 1e-3:
        expect(False, "0.1308 is KL(student ‖ teacher). Weigh by the teacher's probabilities.")
    if abs(loss - 0.0719) < 1e-3:
        expect(
            False, "0.0719 is half of the right value: sum over the classes, mean over the batch."
        )
    if abs(loss - 0.8370) < 1e-3:
        expect(False, "0.8370 is a cross-entropy: subtract the teacher's own entropy to get KL.")
    expect(abs(loss - 0.1438) < 1e-3, f"The loss of the task's example is 0.1438, not {loss:.4f}.")


THANK_YOU = [11, 12, 13, 14, 15, 16, 17, 18, 19, 20]  # Thank you for inviting me to your … week


@suite.check("span_corruption", points=2)
def inputs_of_the_example(student: Any, draw: Draw) -> None:
    """In the task's example each span is one sentinel in the inputs."""
    right = ([11, 12, 99, 15, 16, 17, 18, 98, 20], [99, 13, 14, 98, 19, 97])
    inputs, _ = corrupted(student, THANK_YOU, [(2, 4), (8, 9)], [99, 98, 97], right)
    expect(
        inputs == right[0],
        f"The inputs of the task's example are {right[0]}, but yours are {inputs}.",
    )


@suite.check("span_corruption", points=2)
def targets_of_the_example(student: Any, draw: Draw) -> None:
    """In the task's example the targets name each sentinel, its tokens, and a last sentinel."""
    right = ([11, 12, 99, 15, 16, 17, 18, 98, 20], [99, 13, 14, 98, 19, 97])
    _, targets = corrupted(student, THANK_YOU, [(2, 4), (8, 9)], [99, 98, 97], right)
    expect(
        targets != right[1][:-1],
        "The targets stop too early: they end with the next unused sentinel, here 97.",
    )
    expect(
        targets == right[1],
        f"The targets of the task's example are {right[1]}, but yours are {targets}.",
    )


@suite.check("shift_for_teacher_forcing", points=2)
def labels_move_one_step(student: Any, draw: Draw) -> None:
    """Each row starts with the start token, then come all labels but the last."""
    labels = torch.tensor([[7, 8, 9], [4, 5, 6]])
    shifted = as_tensor(student(labels, 1), "The result", (2, 3)).tolist()
    expect(
        shifted == [[1, 7, 8], [1, 4, 5]],
        f"[[7, 8, 9], [4, 5, 6]] with start token 1 becomes [[1, 7, 8], [1, 4, 5]], not {shifted}.",
    )


@suite.check("shift_for_teacher_forcing", points=2)
def ignored_places_stay(student: Any, draw: Draw) -> None:
    """A label of −100 stays −100."""
    labels = torch.tensor([[7, -100, 9, -100, 3]])
    shifted = as_tensor(student(labels, 1), "The result", (1, 5)).tolist()[0]
    expect(
        shifted != labels.tolist()[0],
        "The labels came back as they were: they move one step, and the start token comes first.",
    )
    expect(
        shifted.count(-100) == 2,
        f"[7, -100, 9, -100, 3] became {shifted}: both −100 move along and stay as they are.",
    )

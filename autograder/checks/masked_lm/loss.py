"""Hidden checks of masked_lm_loss."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from autograder.checks.masked_lm.common import LOSS, suite
from course.checks import live
from course.checks.base import Draw, as_tensor, close, expect
from course.checks.masked_lm.common import a_loss, cross_entropy


def loss_of(student: Any, logits: Tensor, labels: Tensor) -> Tensor:
    """The student's loss, a scalar tensor, from copies of the arguments."""
    return as_tensor(student(logits.clone(), labels.clone()), "The loss", ())


@suite.check(LOSS)
def positions_are_not_shifted(student: Any, draw: Draw) -> None:
    """Logits at a position are compared with the label of that very position."""
    labels = draw.integers(0, 8, 2, 10)
    logits = 12.0 * F.one_hot(labels, 9).float()  # certain of every label
    loss, wrong = loss_of(student, logits, labels), loss_of(student, logits.roll(1, -1), labels)
    expect(
        wrong > 1e-3,
        f"With a wrong answer at every position the loss is {float(wrong):.4f}: it is above 0.",
    )
    expect(
        loss < 0.01,
        f"With the right answer at every position the loss is {float(loss):.2f}, not near 0: "
        "logits[:, i] speak of labels[:, i], nothing is shifted.",
    )


@suite.check(LOSS)
def every_word_is_a_label(student: Any, draw: Draw) -> None:
    """Words 0 and vocab_size - 1 count as labels; only -100 is left out."""
    logits = 2 * draw.normal(2, 6, 9)
    for word in (0, 1, 8):
        labels = torch.full((2, 6), -100)
        labels[0, 2], labels[1, 4] = word, 5
        loss, wanted = loss_of(student, logits, labels), cross_entropy(logits, labels)
        expect(
            close(loss, wanted, 1e-3),
            f"With word {word} among the labels the loss is {float(loss):.3f}, not "
            f"{float(wanted):.3f}: only labels of -100 are left out.",
        )


@suite.check(LOSS)
def unlabelled_positions_do_not_count(student: Any, draw: Draw) -> None:
    """What the logits say where there is no label changes nothing."""
    logits, labels = a_loss(draw, 4, 9)
    noise = 30 * draw.normal(4, 9, 11) * (labels == -100).unsqueeze(-1)
    before, after = loss_of(student, logits, labels), loss_of(student, logits + noise, labels)
    expect(before > 1e-3, f"The loss of random guesses is {float(before):.4f}: it is above 0.")
    expect(
        close(before, after, 1e-3),
        f"Other logits at positions without a label move the loss from {float(before):.3f} to "
        f"{float(after):.3f}: leave these positions out.",
    )


@suite.check(LOSS)
def labels_count_alike(student: Any, draw: Draw) -> None:
    """Every label has the same weight, however many its sequence has."""
    logits = 2 * draw.normal(2, 8, 5)
    logits[0] += 6 * F.one_hot(torch.tensor(3), 5)
    labels = torch.full((2, 8), -100)
    labels[0], labels[1, 5] = 3, 0
    loss, wanted = loss_of(student, logits, labels), cross_entropy(logits, labels)
    rows = [cross_entropy(logits[i : i + 1], labels[i : i + 1]) for i in range(2)]
    expect(
        not close(loss, (rows[0] + rows[1]) / 2, 1e-3),
        "The loss is a mean of means: it must be one mean over all labels of the batch.",
    )
    expect(
        close(loss, wanted, 1e-3),
        f"With 8 labels in one sequence and 1 in the other the loss is {float(loss):.3f}, not "
        f"{float(wanted):.3f}.",
    )


@suite.check(LOSS, hint="Flatten batch and length together: logits.flatten(0, 1).")
def any_sizes_do(student: Any, draw: Draw) -> None:
    """Batch, length and vocabulary may have any sizes, equal ones too."""
    for batch, length, words in ((1, 4, 6), (5, 5, 5), (3, 6, 3), (2, 3, 40)):
        logits, labels = 2 * draw.normal(batch, length, words), torch.full((batch, length), -100)
        chosen = draw.boolean(batch, length)
        chosen[0, 1] = True
        labels[chosen] = draw.integers(0, words - 1, int(chosen.sum()))
        loss, wanted = loss_of(student, logits, labels), cross_entropy(logits, labels)
        expect(
            close(loss, wanted, 1e-3),
            f"For logits of shape {(batch, length, words)} the loss is {float(loss):.3f}, not "
            f"{float(wanted):.3f}: the vocabulary is the last axis; flatten, do not transpose by "
            "reshape.",
        )


@suite.check(LOSS)
def gradient_is_softmax_minus_one_hot(student: Any, draw: Draw) -> None:
    """The gradient at a label is (softmax - one-hot) / number of labels."""
    logits, labels = a_loss(draw)
    chosen = labels != -100
    found = live.gradients(student, [logits, labels])[0]
    expect(found is not None, "No gradient reaches the logits: return the tensor itself.")
    wanted = torch.zeros_like(logits)
    hot = F.one_hot(labels[chosen], 11)  # (labelled, vocab)
    wanted[chosen] = (logits[chosen].softmax(-1) - hot) / chosen.sum()
    expect(
        close(as_tensor(found, "The gradient", logits.shape), wanted, 1e-4),
        "The gradient is not that of the mean cross-entropy, (softmax - one-hot) / labels.",
    )


@suite.check(LOSS, hint="Let F.cross_entropy or log_softmax subtract the maximum for you.")
def large_logits_do_no_harm(student: Any, draw: Draw) -> None:
    """A constant added to all logits changes nothing, even a large one."""
    logits, labels = a_loss(draw)
    loss, wanted = loss_of(student, logits + 500.0, labels), cross_entropy(logits, labels)
    expect(
        close(loss, wanted, 1e-2),
        f"With 500 added to all logits the loss is {float(loss)}, not {float(wanted):.3f}: use "
        "log_softmax or F.cross_entropy, which cannot overflow.",
    )


@suite.check(LOSS)
def loss_leaves_its_arguments(student: Any, draw: Draw) -> None:
    """logits and labels are not changed in place."""
    logits, labels = a_loss(draw)
    args = live.call_and_keep(student, [logits.clone(), labels.clone()], {})[1]
    expect(
        torch.equal(args[0], logits) and torch.equal(args[1], labels),
        "An argument was changed in place: the labels of the batch are gone. Use ignore_index or "
        "index with a boolean mask.",
    )

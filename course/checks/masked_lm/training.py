"""Visible checks of masked_lm_loss and pretraining_step."""

from __future__ import annotations

from typing import Any

import torch

from course.checks import live
from course.checks import masked_lm_toys as toys
from course.checks.base import Draw, as_tensor, close, expect
from course.checks.masked_lm.common import (
    LOSS,
    STEP,
    a_loss,
    cross_entropy,
    suite,
    train,
)


@suite.check(LOSS, points=2)
def loss_is_mean_over_labels(student: Any, draw: Draw) -> None:
    """The loss is the mean cross-entropy over the labelled positions alone."""
    logits, labels = a_loss(draw)
    loss = as_tensor(student(logits, labels), "The loss", ())
    wanted = cross_entropy(logits, labels)
    share = (labels != -100).double().mean()
    expect(
        not close(loss, wanted * share, 1e-3),
        "The loss is divided by the number of all positions: divide by that of the labelled ones.",
    )
    expect(
        not close(loss, wanted * (labels != -100).sum(), 1e-3),
        "The loss is a sum: it must be the mean over the labelled positions.",
    )
    expect(
        not close(loss, cross_entropy(logits.softmax(-1), labels), 1e-3),
        "A softmax was taken before the cross-entropy, which takes one itself: give it the logits.",
    )
    expect(
        close(loss, wanted, 1e-3),
        f"The loss is {float(loss):.4f}, but the mean of -log p(label) over the labelled "
        f"positions is {float(wanted):.4f}.",
    )


@suite.check(LOSS)
def loss_has_gradients(student: Any, draw: Draw) -> None:
    """Gradients reach the logits of labelled positions, and only these."""
    logits, labels = a_loss(draw)
    gradient = live.gradients(student, [logits, labels])[0]
    expect(
        gradient is not None,
        "No gradient reaches the logits: return the tensor itself, without item() or detach().",
    )
    reached = as_tensor(gradient, "The gradient", logits.shape).abs().sum(-1) > 1e-9
    expect(reached[labels != -100].all(), "A labelled position gets no gradient.")
    expect(
        not reached[labels == -100].any(),
        "A position without a label gets a gradient: leave out every label of -100.",
    )


@suite.check(STEP, points=2)
def step_returns_the_loss(student: Any, draw: Draw) -> None:
    """It returns the loss before the update, as a Python float."""
    word, values = draw.integer(0, 6), draw.normal(7)
    ids = torch.full((8, 64), word)
    loss, model = train(student, values, ids)
    expect(
        isinstance(loss, (int, float)) and not isinstance(loss, bool),
        f"It returns a {type(loss).__name__}, not a float: loss.item() gives one and lets the "
        "graph go.",
    )
    wanted = float(-values.double().log_softmax(-1)[word])
    after = float(-live.parameters(model)["values"].double().log_softmax(-1)[word])
    expect(
        abs(loss - wanted) < 1e-3 or abs(loss - after) > 1e-3,
        "It returns the loss after the update: return the loss that you called backward() on.",
    )
    expect(
        abs(loss - wanted) < 1e-3,
        f"It returns {loss:.4f}, but the mean cross-entropy of the guesses is {wanted:.4f}.",
    )


@suite.check(STEP, points=2)
def step_trains(student: Any, draw: Draw) -> None:
    """Repeated on one batch, steps bring the loss close to zero."""
    ids = draw.integers(0, 6, 12).repeat(8, 1)  # eight times the same sentence of twelve tokens
    start = torch.zeros(12, 7)
    setup = live.make(student, f"{toys.HERE}:rehearsal", start, 0.3, adam=True)
    special = torch.zeros_like(ids, dtype=torch.bool)
    args = [setup.model, setup.optimizer, ids, special, 7, 7]
    toys.repeat(student, args, 50)
    values = live.parameters(setup.model)["values"]
    expect(
        not torch.equal(values, start),
        "No parameter has moved: call loss.backward() after zero_grad() and before "
        "optimizer.step().",
    )
    loss = -values.double().log_softmax(-1).gather(1, ids[0].unsqueeze(1)).mean()
    expect(
        loss < 0.5,
        f"After 50 steps on one batch the loss is {float(loss):.2f}; it began at 1.95 and must "
        "come close to 0.",
    )


@suite.check(STEP)
def step_shows_corrupted_text(student: Any, draw: Draw) -> None:
    """The model sees the corrupted tokens, not the clean ones."""
    ids = draw.integers(0, 6, 32, 64)
    model = train(student, torch.zeros(7), ids)[1]
    seen = toys.notes(model)[0]["input_ids"]
    expect(
        not torch.equal(seen, ids),
        "The model gets the clean input_ids and can read off the answers: give it the corrupted "
        "ones.",
    )
    expect(not (seen == -100).any(), "The model gets the labels: give it the corrupted tokens.")
    expect(
        (seen == 7).any(),
        "The model never sees the mask token: hand mask_token_id and vocab_size to mask_tokens, "
        "in this order.",
    )

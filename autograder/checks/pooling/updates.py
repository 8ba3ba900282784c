"""Hidden check of train_probe's updates: each is replayed on the batches that were really seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from autograder.checks.pooling.suite import suite
from course.checks.base import Draw, expect
from course.checks.pooling.common import TRAIN
from course.checks.pooling.rehearsal import GROWING, Rehearsal, rehearse

Loss = Callable[[Tensor, Tensor], Tensor]
RATE, EPOCHS = 0.02, 4


def replay(
    run: Rehearsal,
    make: Callable[[list[Tensor]], torch.optim.Optimizer],
    loss: Loss = F.cross_entropy,
    clear: bool = True,
    anew: bool = False,
    shuffled_labels: bool = False,
) -> Tensor:
    """The weights after the noted batches, trained in the given way: (classes, features).

    ``clear`` off lets gradients pile up, ``anew`` makes a new optimizer in every epoch, and
    ``shuffled_labels`` takes the labels by place, not with their examples.
    """
    weight = run.start.clone().requires_grad_()
    optimizer = make([weight])
    features, labels = run.train
    for epoch in range(1, EPOCHS + 1):
        optimizer = make([weight]) if anew else optimizer
        place = 0
        for batch in run.batches(epoch):
            taken = range(place, place + len(batch)) if shuffled_labels else batch
            place += len(batch)
            value = loss(features[batch][:, 2:] @ weight.t(), labels[list(taken)])
            if clear:
                optimizer.zero_grad()
            value.backward()
            optimizer.step()
    return weight.detach()


def adam(rate: float = RATE, **options: Any) -> Callable[[list[Tensor]], torch.optim.Optimizer]:
    """A maker of Adam."""
    return lambda weights: torch.optim.Adam(weights, lr=rate, **options)


def smoothed(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits, labels, label_smoothing=0.1)


def softmax_twice(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits.softmax(-1), labels)


def squares(logits: Tensor, labels: Tensor) -> Tensor:
    return F.mse_loss(logits, F.one_hot(labels, 3).float())


def mistakes(run: Rehearsal) -> list[tuple[str, Callable[[], Tensor]]]:
    """What typical mistakes would lead to, each with the sentence that names it."""
    clear = "call optimizer.zero_grad() for every batch"
    return [
        ("plain gradient descent", lambda: replay(run, lambda w: torch.optim.SGD(w, RATE))),
        (
            "AdamW, which also shrinks the weights; take Adam",
            lambda: replay(run, lambda w: torch.optim.AdamW(w, RATE)),
        ),
        (f"gradients that pile up; {clear}", lambda: replay(run, adam(), clear=False)),
        ("a new optimizer in every epoch; make one", lambda: replay(run, adam(), anew=True)),
        ("a learning rate of 0.001, not the given one", lambda: replay(run, adam(1e-3))),
        (
            "features that are shuffled without their labels",
            lambda: replay(run, adam(), shuffled_labels=True),
        ),
        ("label smoothing; take the plain cross-entropy", lambda: replay(run, adam(), smoothed)),
        (
            "a softmax before the cross-entropy, which takes one itself",
            lambda: replay(run, adam(), softmax_twice),
        ),
        ("squared errors; take the cross-entropy", lambda: replay(run, adam(), squares)),
    ]


@suite.check(TRAIN, points=3)
def adam_on_cross_entropy(student: Any, draw: Draw) -> None:
    """Each batch makes one step of Adam on its cross-entropy, with the given learning rate"""
    run = rehearse(student, draw, GROWING, epochs=EPOCHS, learning_rate=RATE)
    found, wanted = run.weights_after(EPOCHS), replay(run, adam())
    expect(
        not torch.equal(found, run.start),
        "The weights never change: go backward and make a step for every batch.",
    )
    # AdamW shrinks a weight by 1 % of the rate a step; rounding moves it a thousand times less.
    tolerance = 1e-3 * RATE * len(run.learning)

    def same(weights: Tensor) -> bool:
        return float((found - weights).abs().max()) <= tolerance

    if same(wanted):
        return
    for name, weights in mistakes(run):
        expect(not same(weights()), f"The weights are those of {name}.")
    expect(
        False,
        "The weights are not those of one Adam step a batch on its mean cross-entropy with the "
        "given learning rate (no weight decay, no schedule, gradients cleared for every batch).",
    )


@suite.check(TRAIN)
def measuring_does_not_train(student: Any, draw: Draw) -> None:
    """Weights change by training batches alone, not while dev is measured"""
    run = rehearse(student, draw, [30, 25, 35, 28], epochs=4)
    starts = {epoch: [n for n in run.learning if n["epoch"] == epoch] for epoch in (2, 3, 4)}
    for epoch, notes in starts.items():
        expect(
            bool(notes) and torch.equal(notes[0]["weight"], run.weights_after(epoch - 1)),
            "Weights change between the measurement on dev and the next epoch: dev is for "
            "measuring alone, and best weights come back only at the end.",
        )

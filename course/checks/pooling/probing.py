"""Visible checks of Probe and train_probe."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from course.checks import live
from course.checks import pooling_toys as toys
from course.checks.base import Draw, as_tensor, close, expect
from course.checks.pooling.common import PROBE, TRAIN, suite
from course.checks.pooling.rehearsal import GROWING, expect_weights, rehearse


def two_layers(weights: dict[str, Tensor], sizes: tuple[int, int, int]) -> list[Tensor] | None:
    """Both weight matrices as (out, in) and both biases, found by shape; None if they differ."""
    inputs, hidden, classes = sizes
    matrices = [w for w in weights.values() if w.dim() == 2]
    vectors = [w for w in weights.values() if w.dim() == 1]
    found: list[Tensor] = []
    for rows, columns in ((hidden, inputs), (classes, hidden)):
        for m in matrices:
            if tuple(m.shape) == (rows, columns):
                found.append(m)
            elif tuple(m.shape) == (columns, rows):
                found.append(m.t())
        found += [v for v in vectors if tuple(v.shape) == (rows,)]
    return found if len(found) == 4 == len(weights) else None


@suite.check(PROBE)
def probe_gives_logits(student: Any, draw: Draw) -> None:
    """It turns features (batch, in_features) into (batch, num_classes) numbers"""
    for inputs, hidden, classes, batch in ((7, 5, 3, 4), (2, 9, 4, 1)):
        probe = student(inputs, hidden, classes)
        logits = as_tensor(probe(draw.normal(batch, inputs)), "The result", (batch, classes))
        expect(
            logits.isfinite().all() and logits.any(),
            "All numbers are 0, or there is NaN among them: compute them from the features.",
        )


@suite.check(PROBE, points=2)
def probe_is_linear_relu_linear(student: Any, draw: Draw) -> None:
    """It computes Linear, ReLU, Linear, and returns logits"""
    sizes = (7, 5, 3)
    probe, x = student(*sizes), 3 * draw.normal(16, 7)
    layers = two_layers(live.parameters(probe), sizes)
    expect(
        layers is not None,
        "Probe(7, 5, 3) must hold two linear layers, 7 to 5 and 5 to 3, each with its bias, and "
        f"nothing else; yours has {[tuple(w.shape) for w in live.parameters(probe).values()]}.",
    )
    assert layers is not None
    inner, inner_bias, outer, outer_bias = layers
    found, before = as_tensor(probe(x), "The result", (16, 3)), x @ inner.t() + inner_bias
    logits = before.relu() @ outer.t() + outer_bias
    if close(found, logits, 1e-4):
        return
    expect(
        not close(found, before @ outer.t() + outer_bias, 1e-4),
        "There is no ReLU between the two layers: together they are one linear layer.",
    )
    for name, other in (
        ("a softmax", logits.softmax(-1)),
        ("a log-softmax", logits.log_softmax(-1)),
        ("a ReLU", logits.relu()),
        ("a sigmoid", logits.sigmoid()),
    ):
        expect(
            not close(found, other, 1e-4),
            f"There is {name} after the last layer: return the logits as they are.",
        )
    expect(
        False,
        "The result is not Linear, ReLU, Linear of the features (in eval and training mode alike).",
    )


@suite.check(TRAIN)
def history_has_an_entry_an_epoch(student: Any, draw: Draw) -> None:
    """It returns a list with a dictionary an epoch: loss and accuracy, both numbers"""
    run = rehearse(student, draw, GROWING, epochs=4)
    expect(
        len(run.history) == 4,
        f"After 4 epochs, each better than the one before, the history has {len(run.history)} "
        "entries.",
    )


@suite.check(TRAIN, points=2)
def accuracy_is_measured_on_dev(student: Any, draw: Draw) -> None:
    """accuracy is the share of dev examples that are right after the epoch, from 0 to 1"""
    script = [33, 40, 36, 42]
    run = rehearse(student, draw, script, epochs=4)
    expect(bool(run.dev_notes), "The probe never sees the dev examples: measure it on them.")
    due = [right / run.dev_size for right in script]
    found = [entry["accuracy"] for entry in run.history]

    def shows(numbers: list[float]) -> bool:
        return len(found) == 4 and all(
            abs(a - b) < 1e-5 for a, b in zip(found, numbers, strict=True)
        )

    expect(
        max(found) <= 1.0,
        f"accuracy goes up to {max(found):g}: give the share, from 0 to 1, not a number or per "
        "cent.",
    )
    expect(
        not shows([0.0, *due[:3]]),
        "The accuracies are those before each epoch: measure after the training of the epoch.",
    )
    expect(
        not shows([due[0], due[1], due[1], due[3]]),
        "The history shows the best accuracy so far: write down each epoch's own.",
    )
    for right, a, b in zip(script, found, due, strict=False):
        expect(
            abs(a - b) < 1e-5,
            f"With {right} of {run.dev_size} dev examples right the accuracy is {a:.3f}, not "
            f"{b:.3f}: count over all dev examples after each whole epoch, and divide by their "
            "number.",
        )
    expect(len(found) == 4, f"After 4 epochs the history has {len(found)} entries.")


@suite.check(TRAIN, points=2)
def best_weights_are_restored(student: Any, draw: Draw) -> None:
    """Afterwards the probe has the weights of its best epoch on dev"""
    script = [20, 30, 45, 25, 10, 15]
    run = rehearse(student, draw, script, epochs=20)
    expect_weights(run, 3, "The best epoch was the third of six")


@suite.check(TRAIN, points=2)
def patience_stops_training(student: Any, draw: Draw) -> None:
    """Training stops after three epochs in a row that are not better than the best"""
    script = [20, 30, 25, 28, 29, *range(31, 47)]
    run = rehearse(student, draw, script, epochs=20)
    expect(
        len(run.history) < 20,
        "Training never stops early: count the epochs since the best one, and stop at patience.",
    )
    expect(
        len(run.history) == 5,
        f"The second epoch was the best, and three that were not better followed; training should "
        f"end after 5 epochs, but it made {len(run.history)}.",
    )


@suite.check(TRAIN)
def training_learns(student: Any, draw: Draw) -> None:
    """On examples that are easy to tell apart it comes close to no error"""
    centres = 6 * torch.eye(3)[:, [0, 1, 2, 0]]  # (classes, features)
    labels = draw.integers(0, 2, 200)
    x = centres[labels] + 0.5 * draw.normal(200, 4)
    live.seed(student, draw.integer(0, 2**31))
    probe = live.make(student, f"{toys.HERE}:small_probe", 4, 3)
    train, dev = (x[:100], labels[:100]), (x[100:], labels[100:])
    history = student(probe, train, dev, 30, 0.05, 10)
    right = float((probe(x).argmax(-1) == labels).float().mean())
    expect(
        right > 0.85,  # the best of 100 dev examples are all right within a few epochs
        f"After {len(history)} epochs on well separated classes only {100 * right:.0f} % are "
        "right: does every batch clear the gradients, go backward and step?",
    )

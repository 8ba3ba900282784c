"""Hidden checks of Probe."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.checks.pooling.suite import suite
from course.checks import live
from course.checks.base import Draw, as_tensor, close, expect
from course.checks.pooling.common import PROBE


def logits_of(probe: Any, x: Tensor, classes: int = 3) -> Tensor:
    """The probe's logits; fails the check for another shape, and for numbers that say nothing."""
    logits = as_tensor(probe(x), "The result", (len(x), classes))
    expect(
        logits.isfinite().all() and logits.any(),
        "All logits are 0, or there is NaN among them: compute them from the features.",
    )
    return logits


@suite.check(PROBE)
def sizes_are_obeyed(student: Any, draw: Draw) -> None:
    """in_features, hidden and num_classes are what they say, by place and by name"""
    for inputs, hidden, classes in ((4, 32, 2), (11, 6, 8), (3, 1, 5)):
        named = {"in_features": inputs, "hidden": hidden, "num_classes": classes}
        for probe in (student(inputs, hidden, classes), student(**named)):
            shapes = sorted(tuple(w.shape) for w in live.parameters(probe).values())
            count = sum(w.numel() for w in live.parameters(probe).values())
            due = inputs * hidden + hidden + hidden * classes + classes
            expect(
                count == due,
                f"Probe({inputs}, {hidden}, {classes}) has {count} parameters of shapes {shapes}; "
                f"two linear layers with bias have {due}.",
            )


@suite.check(PROBE)
def every_probe_starts_anew(student: Any, draw: Draw) -> None:
    """Two probes begin with different random weights"""
    live.seed(student, draw.integer(0, 2**31))
    x = draw.normal(8, 6)
    one, two = (logits_of(student(6, 5, 3), x) for _ in range(2))
    expect(
        not torch.equal(one, two),
        "Two probes have the same first weights: seed nothing, and do not start from constants; "
        "five seeds would be one.",
    )


@suite.check(PROBE)
def hidden_units_differ(student: Any, draw: Draw) -> None:
    """All weights are random at the start, so that hidden units can become different"""
    live.seed(student, draw.integer(0, 2**31))
    weights = live.parameters(student(6, 5, 3))
    expect(weights, "The probe has no parameters: it is Linear, ReLU, Linear.")
    for name, weight in weights.items():
        if weight.dim() == 2:
            expect(
                len(weight.flatten().unique()) > 3,
                f"{name} is constant at the start: then all hidden units learn the same. Leave "
                "nn.Linear's own random start.",
            )


@suite.check(PROBE)
def mode_changes_nothing(student: Any, draw: Draw) -> None:
    """It computes the same in training and in eval mode, and twice the same"""
    probe, x = student(6, 40, 3), draw.normal(8, 6)
    results = []
    for training in (True, True, False):
        live.set_mode(probe, training)
        results.append(logits_of(probe, x))
    expect(
        close(results[0], results[1], 1e-6) and close(results[0], results[2], 1e-6),
        "The probe computes differently in training mode: it has neither dropout nor batch norm.",
    )


@suite.check(PROBE)
def rows_are_independent(student: Any, draw: Draw) -> None:
    """Each row's logits depend on that row alone"""
    probe, x = student(6, 9, 3), draw.normal(5, 6)
    whole = logits_of(probe, x)
    each = torch.cat([as_tensor(probe(row), "The result", (1, 3)) for row in x.split(1)])
    expect(
        close(whole, each, 1e-5),
        "A row's logits are other ones when other rows stand beside it: nothing may mix the batch.",
    )


@suite.check(PROBE)
def features_stay_as_they_are(student: Any, draw: Draw) -> None:
    """The features that it is given are not changed in place"""
    probe, x = student(6, 9, 3), draw.normal(5, 6)
    kept = live.call_and_keep(probe, [x.clone()], {})[1][0]
    expect(
        torch.equal(kept, x),
        "The probe changes its input in place, so the next epoch sees other features.",
    )


@suite.check(PROBE)
def probe_can_learn(student: Any, draw: Draw) -> None:
    """Gradients reach both layers, weights and biases"""
    probe = student(6, 40, 3)
    found = live.parameter_gradients(probe, [draw.normal(32, 6)], cotangents=[draw.normal(32, 3)])
    still = [name for name, g in found.items() if g is None or not bool(g.abs().sum() > 0)]
    expect(
        bool(found) and not still,
        f"No gradient reaches {still[:1] or 'any parameter'}: detach nothing and freeze nothing in "
        "the probe.",
    )

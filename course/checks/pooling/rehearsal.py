"""A training of a probe that takes notes: what happened, epoch by epoch.

The judge writes the script of dev accuracies, and reads from the notes which examples were seen,
when the probe was measured, and what its weights were at the end of each epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from course.checks import live
from course.checks import pooling_toys as toys
from course.checks.base import Draw, expect

DEV = 47  # examples; more than a batch, and the rest of a batch
GROWING = [33, 36, 38, 40, 41, 42, 43, 44, 45, 46]


@dataclass
class Rehearsal:
    """What a training did. Weights are (classes, features)."""

    history: list[dict[str, float]]
    notes: list[dict[str, Any]]
    start: Tensor
    final: Tensor
    train: tuple[Tensor, Tensor]
    dev: tuple[Tensor, Tensor]
    kept: tuple[Any, Any]  # train and dev after the call

    @property
    def dev_size(self) -> int:
        return len(self.dev[1])

    @property
    def learning(self) -> list[dict[str, Any]]:
        """The notes of the batches that were trained on."""
        return [note for note in self.notes if note["learning"]]

    @property
    def dev_notes(self) -> list[dict[str, Any]]:
        """The notes of the calls on dev examples after the first epoch's training."""
        return [note for note in self.notes if bool(note["dev"].all()) and note["epoch"]]

    def weights_after(self, epoch: int) -> Tensor:
        """The weights when dev was measured after an epoch, counted from one."""
        found = [note["weight"] for note in self.dev_notes if note["epoch"] == epoch]
        expect(
            bool(found),
            f"After epoch {epoch} the probe is not measured on dev: measure it after every epoch.",
        )
        return found[0]

    def batches(self, epoch: int) -> list[list[int]]:
        """The examples' numbers in the training batches of an epoch, counted from one."""
        return [n["numbers"].tolist() for n in self.learning if n["epoch"] == epoch]

    def order(self, epoch: int) -> list[int]:
        """The examples' numbers in the order in which an epoch saw them."""
        return [number for batch in self.batches(epoch) for number in batch]


def examples(draw: Draw, size: int, dev: bool) -> tuple[Tensor, Tensor]:
    """Features (size, 2 + 4) whose first columns are number and kind, and labels 0 to 2."""
    numbers = torch.arange(size, dtype=torch.float32).unsqueeze(1)
    features = torch.cat([numbers, torch.full_like(numbers, dev), 0.3 * draw.normal(size, 4)], 1)
    return features, draw.integers(0, 2, size)


def rehearse(
    student: Any,
    draw: Draw,
    script: Sequence[int],
    epochs: int,
    size: int = 70,
    learning_rate: float = 0.01,
    dev_size: int = DEV,
    **options: Any,
) -> Rehearsal:
    """Train a noting probe whose n-th epoch gets ``script[n - 1]`` dev examples right."""
    train, dev = examples(draw, size, dev=False), examples(draw, dev_size, dev=True)
    start = 2 * draw.normal(3, 4)
    live.seed(student, draw.integer(0, 2**31))
    script = [*script, *([0] * (epochs - len(script)))]
    probe = live.make(student, f"{toys.HERE}:noting", start, size, dev[1], script)
    given = [tuple(part.clone() for part in pair) for pair in (train, dev)]
    args = [probe, *given, epochs, learning_rate]
    result, kept, _ = live.call_and_keep(student, args, options)
    history, notes = as_history(result), toys.notes(probe)
    expect(
        history,
        f"train_probe returned an empty list for {epochs} epochs: note the loss and the accuracy "
        "of each epoch.",
    )
    final = live.parameters(probe)["weight"]
    return Rehearsal(history, notes, start, final, train, dev, (kept[1], kept[2]))


def as_history(value: Any) -> list[dict[str, float]]:
    """train_probe's answer as plain numbers; fails the check in words otherwise."""
    expect(
        isinstance(value, (list, tuple)),
        f"It must return a list, an entry an epoch, but it returns a {type(value).__name__}.",
    )
    found = []
    for entry in value:
        expect(
            isinstance(entry, dict) and {"loss", "accuracy"} <= set(entry),
            "Each entry must be a dictionary with 'loss' and 'accuracy', but one is "
            f"{str(entry)[:60]}.",
        )
        found.append({name: as_number(entry[name], name) for name in ("loss", "accuracy")})
    return found


def as_number(value: Any, name: str) -> float:
    """A float from a number or a tensor of one element; fails the check in words otherwise."""
    one = isinstance(value, torch.Tensor) and value.numel() == 1
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    expect(one or number, f"{name!r} must be a number, but it is {str(value)[:60]}.")
    expect(
        number or not value.requires_grad,
        f"{name!r} is a tensor that keeps the whole graph of its batches: take loss.item().",
    )
    return float(value)


def expect_weights(run: Rehearsal, best: int, why: str) -> None:
    """Fail unless the final weights are those of epoch ``best``, counted from one."""
    wanted, last = run.weights_after(best), run.weights_after(len(run.history))
    same = torch.equal(run.final, wanted)
    expect(
        same or not torch.equal(run.final, last),
        f"{why}, but the probe keeps its last weights: load the best ones at the end, from a deep "
        "copy (what state_dict() returns goes on changing).",
    )
    expect(
        same or not torch.equal(run.final, run.start),
        f"{why}, but the probe has the weights it began with: keep a deep copy at each new best.",
    )
    expect(same, f"{why}, but the probe has the weights of another moment.")

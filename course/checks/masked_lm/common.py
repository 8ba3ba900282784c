"""What the checks of `masked_lm` share: the suite, inputs, and calls with scripted models."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from course.checks import live
from course.checks import masked_lm_toys as toys
from course.checks.base import Draw, Suite

suite = Suite("masked_lm")
MASK, LOSS, STEP = "mask_tokens", "masked_lm_loss", "pretraining_step"
FILL, SAMPLE = "fill_mask", "sample_mask"
FOUR = "the [MASK] cat [MASK] [MASK] sat and a [MASK]"


def a_loss(draw: Draw, batch: int = 3, length: int = 7, words: int = 11) -> tuple[Tensor, Tensor]:
    """Random logits, and labels for about half of the positions."""
    labels = draw.integers(0, words - 1, batch, length)
    labels[draw.boolean(batch, length)] = -100
    labels[0, :3] = torch.tensor([-100, 4, words - 1])
    return 2 * draw.normal(batch, length, words), labels


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean of -log p(label) over labelled positions, in double precision."""
    chosen = labels != -100
    log_p = logits.double().log_softmax(dim=-1)[chosen]  # (labelled, vocab)
    return -log_p[torch.arange(len(log_p)), labels[chosen]].mean()


def train(student: Any, values: Tensor, ids: Tensor, **options: Any) -> tuple[Any, Any]:
    """One training step of a toy whose logits are ``values``; what it returned, and the toy."""
    setup = live.make(student, f"{toys.HERE}:rehearsal", values, 0.5, **options)
    special = torch.zeros_like(ids, dtype=torch.bool)
    args = [setup.model, setup.optimizer, ids, special, values.size(-1), values.size(-1)]
    return student(*args), setup.model


def a_table(draw: Draw) -> Tensor:
    """Random logits of a scripted model, (positions, 19)."""
    return 2 * draw.normal(16, 19)


def mask_rows(table: Tensor, text: str = FOUR) -> Tensor:
    """The logits at the masks of a text of whole words: position 0 holds [CLS]."""
    return table[[place + 1 for place, word in enumerate(text.split()) if word == "[MASK]"]]


def fill(student: Any, table: Tensor, text: str = FOUR, **options: Any) -> Any:
    """fill_mask's answer with a scripted model and the toy tokenizer."""
    model = live.make(student, f"{toys.HERE}:scripted", table, text.split().count("[MASK]"))
    return student(model, live.make(student, f"{toys.HERE}:tokenizer"), text, **options)


def sure_table(*words: str) -> Tensor:
    """Logits that leave no doubt: position p + 1 says words[p]."""
    table = torch.full((16, 19), -50.0)
    for place, word in enumerate(words):
        table[place + 1, toys.vocabulary().index(word)] = 50.0
    return table

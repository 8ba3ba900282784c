"""Visible checks of LanguageModelingDataset and collate_language_modeling."""

from __future__ import annotations

from typing import Any

import torch

from course.checks.base import Draw, expect
from course.checks.gpt.common import (
    COLLATE,
    DATA,
    a_text,
    collated,
    filled,
    ragged,
    suite,
    window,
)


@suite.check(DATA, points=2)
def targets_are_the_next_tokens(student: Any, draw: Draw) -> None:
    """In every window, y holds the token that follows each token of x."""
    text = a_text(draw, 21)
    x, y = window(student(text.tolist(), 5), 1)
    expect(
        not torch.equal(x, y),
        "y is the same as x: the target of a token is the token after it, so y is shifted by one.",
    )
    follows = dict(zip(text[:-1].tolist(), text[1:].tolist(), strict=True))
    wanted = [follows.get(token) for token in x.tolist()]
    expect(
        y.tolist() == wanted,
        f"Of the tokens {x.tolist()} the targets are {y.tolist()}, but the tokens that follow are "
        f"{wanted}.",
    )


@suite.check(DATA, points=2)
def windows_do_not_overlap(student: Any, draw: Draw) -> None:
    """Window i begins at token i * block_size: windows neither overlap nor leave gaps."""
    text = a_text(draw, 21)
    dataset = student(text.tolist(), 5)
    for i in (0, 1, 3):
        x, _ = window(dataset, i)
        wanted = text[5 * i : 5 * i + 5]
        start = (text == x[0]).nonzero().flatten().tolist() if len(x) else []
        expect(
            len(x) == 5,
            f"Window {i} has {len(x)} tokens, not block_size=5: each window reads block_size + 1 "
            "tokens of the text, one more for the last target.",
        )
        expect(
            torch.equal(x, wanted),
            f"With block_size=5, window {i} begins at token {start}, not at {5 * i}: the windows "
            "stand side by side, each block_size tokens after the one before.",
        )


@suite.check(DATA, points=2)
def len_counts_the_windows(student: Any, draw: Draw) -> None:
    """len is ceil((N - 1) / block_size): every token but the first is a target once."""
    for length, block_size, wanted in ((23, 5, 5), (8, 3, 3)):
        found = len(student(a_text(draw, length).tolist(), block_size))
        expect(
            found == wanted,
            f"A text of {length} tokens and block_size={block_size} give {found} windows, not "
            f"{wanted}: {length - 1} tokens have a successor, and the last window may be shorter.",
        )


@suite.check(COLLATE, points=2)
def inputs_and_targets_are_padded(student: Any, draw: Draw) -> None:
    """Shorter windows are filled up on the right: x with pad_id, y with -100."""
    batch = ragged(draw, 3, 6, 4)
    x, y = collated(student, batch, 77)
    real = filled([torch.ones_like(row) for row, _ in batch], 0) == 1
    wanted_x, wanted_y = filled([x for x, _ in batch], 77), filled([y for _, y in batch], -100)
    padding = y[~real]
    expect(
        not (padding == 77).any(),
        "y is padded with pad_id, so the model would learn to predict padding: pad y with -100, "
        "which the loss leaves out.",
    )
    expect(
        not (x == -100).any(),
        "x is padded with -100, which is no token: pad the inputs with pad_id.",
    )
    expect(
        not torch.equal(x.flip(1), filled([x.flip(0) for x, _ in batch], 77)),
        "The padding stands on the left: fill up on the right, so that position 0 is the first "
        "token.",
    )
    expect(
        torch.equal(x, wanted_x) and torch.equal(y, wanted_y),
        f"For windows of 3, 6 and 4 tokens x is {x.tolist()} and y is {y.tolist()}: keep the "
        "tokens and their order, and fill up with 77 and -100.",
    )

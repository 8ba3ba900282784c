"""Visible checks of mask_tokens. Every bound is Bernstein's at 1e-7 (see the toys)."""

from __future__ import annotations

from typing import Any

import torch

from course.checks import live
from course.checks import masked_lm_toys as toys
from course.checks.base import Draw, expect
from course.checks.masked_lm.common import (
    MASK,
    suite,
)


@suite.check(MASK)
def labels_hold_the_original_words(student: Any, draw: Draw) -> None:
    """labels hold the original token where one is to be guessed, and -100 everywhere else."""
    ids, special = toys.a_batch(draw, 8, 512, 50)
    corrupted, labels = toys.corrupt(student, ids, special, 50, 50)
    chosen = labels != -100
    expect(
        labels.dtype == corrupted.dtype == torch.int64,
        f"corrupted is {corrupted.dtype} and labels are {labels.dtype}: both must be int64.",
    )
    expect(
        not chosen.all(),
        "Every position has a label: write -100 where no token was chosen, so that the loss "
        "leaves it out.",
    )
    wrong = chosen & (labels != ids)
    seen = wrong & (labels == corrupted)
    expect(
        not seen.any(),
        "A label holds the corrupted token: take the labels from input_ids before anything is "
        "replaced.",
    )
    expect(
        not wrong.any(),
        f"A label is {labels[wrong][:1].tolist()}, neither the original token nor -100.",
    )
    expect(
        not ((corrupted != ids) & ~chosen).any(),
        "A token was replaced but has no label: every replaced token is to be guessed.",
    )


@suite.check(MASK)
def special_tokens_stay(student: Any, draw: Draw) -> None:
    """Special tokens and padding are neither changed nor labelled."""
    ids, special = toys.a_batch(draw, 8, 256, 50, special=0.5)
    corrupted, labels = toys.corrupt(student, ids, special, 50, 50)
    changed = int(((corrupted != ids) & special).sum())
    labelled = int(((labels != -100) & special).sum())
    expect(
        changed == 0,
        f"{changed} special tokens were changed. Where special_tokens_mask is true the token must "
        "stay: rule these positions out before you choose.",
    )
    expect(
        labelled == 0,
        f"{labelled} special tokens have a label: nothing is to be guessed there, so -100.",
    )


@suite.check(MASK, hint="Write special_tokens_mask.bool() first: a tokenizer gives 0 and 1.")
def special_mask_may_be_integers(student: Any, draw: Draw) -> None:
    """special_tokens_mask may be bool, or 0 and 1 as a tokenizer gives it."""
    ids, special = toys.a_batch(draw, 16, 256, 50, special=0.5)
    _, labels = toys.corrupt(student, ids, special.long(), 50, 50)
    expect(
        (labels[~special] != -100).any(),
        "With a special_tokens_mask of 0 and 1 no token is chosen. `~` on integers is no "
        "negation: use special_tokens_mask.bool().",
    )
    expect(
        not (labels[special] != -100).any(),
        "With a special_tokens_mask of 0 and 1, special tokens are chosen: use "
        "special_tokens_mask.bool() before you index or negate.",
    )


@suite.check(MASK)
def input_is_untouched(student: Any, draw: Draw) -> None:
    """input_ids and special_tokens_mask are not changed in place."""
    ids, special = toys.a_batch(draw, 8, 64, 50)
    args = live.call_and_keep(student, [ids.clone(), special.clone(), 50, 50], {})[1]
    expect(
        torch.equal(args[0], ids),
        "input_ids were changed in place: the next epoch would train on corrupted text. Work on "
        "input_ids.clone().",
    )
    expect(torch.equal(args[1], special), "special_tokens_mask was changed in place: copy it.")


@suite.check(MASK, points=2)
def fifteen_percent_are_chosen(student: Any, draw: Draw) -> None:
    """By default 15 % of the tokens that may be chosen get a label."""
    ids, special = toys.a_batch(draw, 32, 1024, 50, special=0.05)
    _, labels = toys.corrupt(student, ids, special, 50, 50)
    content = int((~special).sum())
    chosen = int((labels != -100).sum())
    expect(
        not toys.far(chosen, content, 0.15, slack=32),
        f"{toys.percent(chosen, content)} of the tokens have a label, not about 15 %. All chosen "
        "tokens count: masked, replaced and kept.",
    )


@suite.check(MASK, points=2)
def eighty_ten_ten(student: Any, draw: Draw) -> None:
    """Of the chosen tokens 80 % become the mask token, 10 % a random word, 10 % stay."""
    ids, special = toys.a_batch(draw, 4, 8192, 997, special=0.05)
    corrupted, labels = toys.corrupt(student, ids, special, 997, 997)
    chosen = labels != -100
    total = int(chosen.sum())
    masked = int((chosen & (corrupted == 997)).sum())
    kept = int((chosen & (corrupted == ids)).sum())
    found = f"{toys.percent(masked, total)}, {toys.percent(total - masked - kept, total)} and "
    expect(
        # A random word is the original one in 1 of 997 cases.
        total >= 200
        and not toys.far(masked, total, 0.8, slack=8)
        and not toys.far(kept, total, 0.1 + 0.1 / 997, slack=8),
        f"Of {total} labelled tokens, mask token, random word and kept are {found}"
        f"{toys.percent(kept, total)}, not about 80, 10 and 10 %: every chosen token gets exactly "
        "one of the three.",
    )

"""Visible checks of fill_mask and sample_mask, on models whose logits are known."""

from __future__ import annotations

from typing import Any

import torch

from course.checks import live
from course.checks import masked_lm_toys as toys
from course.checks.base import Draw, close, expect
from course.checks.masked_lm.common import (
    FILL,
    FOUR,
    SAMPLE,
    a_table,
    fill,
    mask_rows,
    suite,
    sure_table,
)


@suite.check(FILL)
def a_list_a_mask(student: Any, draw: Draw) -> None:
    """It returns one list a mask, each of k pairs (token, probability)."""
    for text, masks in ((FOUR, 4), ("the [MASK] sat", 1)):
        found = toys.as_fills(fill(student, a_table(draw), text, k=3))
        expect(
            len(found) == masks,
            f"A text with {masks} mask tokens gives {len(found)} lists: make one list a mask.",
        )
        expect(
            all(len(pairs) == 3 for pairs in found),
            f"With k=3 the lists have {[len(pairs) for pairs in found]} pairs, not 3 each.",
        )


@suite.check(FILL, points=2)
def best_tokens_first(student: Any, draw: Draw) -> None:
    """The tokens are the k most probable at each mask, the best one first, in the text's order."""
    table = a_table(draw)
    found = [[t for t, _ in pairs] for pairs in toys.as_fills(fill(student, table, k=4))]
    names = toys.vocabulary()
    places = [place + 1 for place, word in enumerate(FOUR.split()) if word == "[MASK]"]

    def best(shift: int) -> list[list[str]]:
        return [[names[i] for i in table[p + shift].topk(4).indices.tolist()] for p in places]

    expect(
        found != best(-1),
        "The tokens are those of the position before each mask: BERT's logits at a position "
        "speak of that very position.",
    )
    expect(
        [sorted(tokens) for tokens in found] != [sorted(tokens) for tokens in best(0)]
        or found == best(0),
        "The right tokens come in the wrong order: the most probable one comes first.",
    )
    expect(
        found == best(0),
        f"At the first mask it returns {found[0]}, but the most probable are {best(0)[0]}.",
    )


@suite.check(FILL)
def probabilities_over_the_vocabulary(student: Any, draw: Draw) -> None:
    """The probabilities are those of a softmax over the whole vocabulary."""
    table = a_table(draw)
    found = torch.tensor([[p for _, p in pairs] for pairs in toys.as_fills(fill(student, table))])
    rows = mask_rows(table)
    expect(
        not close(found, rows.topk(5).values, 1e-3),
        "These are logits, not probabilities: take the softmax over the last axis.",
    )
    expect(
        not close(found.sum(-1), torch.ones(4), 1e-4),
        "The k probabilities add up to 1: take the softmax over the whole vocabulary before topk.",
    )
    expect(
        close(found, rows.softmax(-1).topk(5).values, 1e-3),
        f"The best word has probability {float(found[0, 0]):.3f}, but the softmax over the "
        f"vocabulary gives {float(rows[0].softmax(-1).max()):.3f}.",
    )


@suite.check(SAMPLE, points=2)
def text_is_filled(student: Any, draw: Draw) -> None:
    """It returns the text with every mask filled by its own word, without special tokens."""
    words = [draw.choice(toys.WORDS) for _ in FOUR.split()]
    pairs = zip(FOUR.split(), words, strict=True)
    wanted = [new if old == "[MASK]" else old for old, new in pairs]
    model = live.make(student, f"{toys.HERE}:scripted", sure_table(*words), 4)
    text = student(model, live.make(student, f"{toys.HERE}:tokenizer"), FOUR)
    toys.expect_text(text, wanted)


@suite.check(SAMPLE, points=2)
def words_are_drawn(student: Any, draw: Draw) -> None:
    """Words are drawn by their probabilities; the best one does not always win."""
    counts, total = toys.drawn_words(student, {"cat": 2.0, "dog": 0.0, "king": 0.0})
    expect(
        counts["cat"] < total,
        "The most probable word fills every mask: draw with torch.multinomial, not argmax.",
    )
    p = float(torch.tensor([2.0, 0.0, 0.0]).softmax(0)[0])
    expect(
        not toys.far(counts["cat"], total, p),
        f"A word of probability {p:.2f} was drawn in {toys.percent(counts['cat'], total)} of the "
        "masks: draw from the softmax of the logits.",
    )

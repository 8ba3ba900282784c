"""Visible checks of WordBlock and NGramBlock."""

from __future__ import annotations

from typing import Any

import torch

from course.checks.base import Draw, expect
from course.checks.beam_search.common import (
    NGRAM,
    WORD,
    blocked_words,
    expect_pure,
    expect_repeats_blocked,
    some_scores,
    suite,
)


@suite.check(WORD, points=2)
def seen_words_are_blocked(student: Any, draw: Draw) -> None:
    """Every token of the history, those of the prompt too, gets -1e9 or less; no other does."""
    history = draw.permutation(12)[:5].tolist()
    found = blocked_words(student(), history)
    expect(found, f"After {history} nothing is blocked (-1e9 or less).")
    expect(
        not set(history) - found,
        f"After {history} the token {min(set(history) - found, default=0)} is still allowed: all "
        "of them have been seen, those of the prompt too.",
    )
    expect(
        not found - set(history),
        f"After {history} the token {min(found - set(history), default=0)} is blocked, though it "
        "has not been seen.",
    )


@suite.check(WORD)
def word_block_changes_nothing_in_place(student: Any, draw: Draw) -> None:
    """It returns a new tensor; its arguments stay as they are."""
    expect_pure(student(), draw.integers(0, 8, 3, 4), some_scores(draw, 3, 9))


@suite.check(NGRAM, points=2)
def third_of_a_trigram_is_blocked(student: Any, draw: Draw) -> None:
    """With n=3, after a b c ... a b, the token c is blocked, and nothing else."""
    a, b, c, d, e = draw.permutation(12)[:5].tolist()
    history = [a, b, c, d, b, c, e, c, a, b, c]
    found = blocked_words(student(), history)
    expect(
        found != {a, d, e},
        "Bigrams are blocked: with n=3 a token is blocked when it completes three tokens in a row "
        "that came before. Compare the last n - 1 = 2 tokens.",
    )
    for word in (d, e):
        expect(
            word in found,
            f"After {history} the token {word} is allowed: {[b, c, word]} came before.",
        )
    expect(
        found == {d, e},
        f"After {history} the tokens {sorted(found)} are blocked, not only {[d, e]}.",
    )


@suite.check(NGRAM)
def n_is_a_parameter(student: Any, draw: Draw) -> None:
    """n decides how many tokens in a row must not come twice."""
    a, b, c, d, e = draw.permutation(12)[:5].tolist()
    history = [a, b, c, d, b, c, e, c, a, b, c]
    for n, wanted in ((2, {a, d, e}), (4, {d})):
        expect_repeats_blocked(student(n=n), n, history, wanted)


@suite.check(NGRAM)
def ngram_block_changes_nothing_in_place(student: Any, draw: Draw) -> None:
    """It returns a new tensor; its arguments stay as they are."""
    ids = torch.tensor([[3, 4, 5, 3, 4], [1, 1, 1, 1, 1]])
    expect_pure(student(), ids, some_scores(draw, 2, 9))

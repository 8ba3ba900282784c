"""Hidden checks of NGramBlock."""

from __future__ import annotations

from typing import Any

import torch

from autograder.checks.beam_search.common import NGRAM, suite
from course.checks.base import Draw, close, expect
from course.checks.beam_search.common import (
    blocked_words,
    called,
    expect_repeats_blocked,
    some_scores,
)


def repeated(history: list[int], n: int) -> set[int]:
    """The words that would complete an n-gram which the history holds already."""
    last = history[len(history) - n + 1 :]
    starts = range(len(history) - n + 1)
    return {history[i + n - 1] for i in starts if history[i : i + n - 1] == last}


def distinct(draw: Draw, count: int) -> list[int]:
    """Different words out of 12."""
    return draw.permutation(12)[:count].tolist()


@suite.check(NGRAM, points=2)
def blocks_what_lists_find(student: Any, draw: Draw) -> None:
    """On histories full of repetitions it blocks exactly what would repeat an n-gram."""
    for n in (3, 2, 4, 3, 2):
        history = draw.integers(0, 2, draw.integer(9, 12)).tolist()
        expect_repeats_blocked(student(n), n, history, repeated(history, n))


@suite.check(NGRAM)
def three_by_default(student: Any, draw: Draw) -> None:
    """n is 3 unless it is given."""
    a, b, c, d, e = distinct(draw, 5)
    history = [a, b, c, d, b, e, a, b]
    found = blocked_words(student(), history)
    expect(
        found == {c},
        f"NGramBlock() blocks {sorted(found)} after {history}, but only {[c]} would repeat three "
        "tokens in a row: n is 3 by default.",
    )


@suite.check(NGRAM)
def first_and_last_ngram_count(student: Any, draw: Draw) -> None:
    """The n-gram at the very start counts, and so does the newest one."""
    a, b, c, d = distinct(draw, 4)
    start, newest = [a, b, c, d, a, b], [d, c, a, a, a]
    expect(
        c in blocked_words(student(), start),
        f"After {start} the token {c} is allowed, though {[a, b, c]} opens the prompt: begin with "
        "the first token.",
    )
    expect(
        a in blocked_words(student(), newest),
        f"After {newest} the token {a} is allowed, though {[a, a, a]} are its last three tokens: "
        "the newest n-gram counts too.",
    )


@suite.check(NGRAM)
def far_ngrams_count(student: Any, draw: Draw) -> None:
    """An n-gram counts however far back it stands."""
    words = draw.permutation(60)[:45].tolist()
    history = [*words, *words[:2]]
    found = blocked_words(student(), history, 60)
    expect(
        found == {words[2]},
        f"The first trigram of {len(history)} tokens is about to come again, but {sorted(found)} "
        f"is blocked, not {[words[2]]}: look at the whole history.",
    )


@suite.check(NGRAM)
def bigrams_stay_free(student: Any, draw: Draw) -> None:
    """With n=3 two tokens in a row may come again."""
    a, b, c, d, e = distinct(draw, 5)
    expect(
        blocked_words(student(), [a, b, c, a, b]),
        "Nothing is blocked where three tokens in a row would come again: block that.",
    )
    for history, word in (([a, b, c, d, e, b], c), ([a, b, c, a], b), ([c, c], c)):
        expect(
            word not in blocked_words(student(), history),
            f"After {history} the token {word} is blocked, but only two tokens in a row come "
            "again: with n=3 the last two tokens must match.",
        )


@suite.check(NGRAM)
def every_follower_is_blocked(student: Any, draw: Draw) -> None:
    """When the last tokens came several times before, all that followed them is blocked."""
    a, b, c, d, e = distinct(draw, 5)
    spread, packed = [a, b, c, a, b, d, a, b, e, a, b], [a, a, a, b, a, a]
    for history, wanted in ((spread, {c, d, e}), (packed, {a, b})):
        found = blocked_words(student(), history)
        expect(
            found == wanted,
            f"After {history} the blocked tokens are {sorted(found)}, but the last two tokens "
            f"were followed by each of {sorted(wanted)}; occurrences may overlap.",
        )


@suite.check(NGRAM)
def order_matters(student: Any, draw: Draw) -> None:
    """Only the same tokens in the same order count, and none goes round the end."""
    a, b, c, d, e = distinct(draw, 5)
    expect(
        blocked_words(student(), [c, a, b, d, a, b]),
        "Nothing is blocked where three tokens in a row would come again: block that.",
    )
    for history in ([b, a, c, d, a, b], [a, c, b, d, a, b], [a, c, d, e, a, a]):
        found = blocked_words(student(), history)
        expect(
            not found,
            f"After {history} the tokens {sorted(found)} are blocked, but the last two tokens "
            "never came before in this order, side by side.",
        )


@suite.check(NGRAM, hint="ids[-(n - 1):] is the whole history when n is 1.")
def with_one_it_blocks_every_word(student: Any, draw: Draw) -> None:
    """With n=1 every token seen is blocked, as WordBlock does."""
    for length in (1, 5):
        history = distinct(draw, length)
        found = blocked_words(student(n=1), history)
        expect(
            found == set(history),
            f"With n=1, after {history}, the blocked tokens are {sorted(found)}: no token may come "
            "twice. Mind that ids[-0:] is everything.",
        )


@suite.check(NGRAM, hint="A history may be shorter than n.")
def short_histories_block_nothing(student: Any, draw: Draw) -> None:
    """A history with less than n tokens blocks nothing and is no error."""
    for n in (2, 3, 5):
        for length in range(1, n):
            history = [int(draw.integer(0, 11))] * length
            found = blocked_words(student(n=n), history)
            expect(
                not found,
                f"With n={n}, after only {length} tokens, {sorted(found)} is blocked: {n} tokens "
                "in a row cannot have come before.",
            )
    word = int(draw.integer(0, 11))
    expect(
        blocked_words(student(n=2), [word, word]) == {word},
        "With n=2, after the same token twice, it is not blocked: a history of exactly n tokens "
        "holds one n-gram.",
    )


@suite.check(NGRAM, points=2)
def each_history_has_its_own_ngrams(student: Any, draw: Draw) -> None:
    """A row's n-grams are blocked in that row alone; any number of rows is served."""
    for beams in (4, 1):
        ids = draw.integers(0, 1, beams, 7)
        result = called(student(), ids, some_scores(draw, beams, 12))
        for row, history in zip(result, ids.tolist(), strict=True):
            found = set((row <= -1e9).nonzero().flatten().tolist())
            expect(
                found == repeated(history, 3),
                f"Among {beams} beams, after {history}, the blocked tokens are {sorted(found)}, "
                f"not {sorted(repeated(history, 3))}: each row answers to its own ids.",
            )


@suite.check(NGRAM)
def other_ngram_scores_stay(student: Any, draw: Draw) -> None:
    """Scores of words that are not blocked stay; blocked ones are -1e9 or less, never NaN."""
    ids = torch.tensor([[4, 5, 6, 4, 5], [1, 2, 3, 4, 5]])
    scores = some_scores(draw, 2, 12)
    scores[0, 6], scores[0, 2] = 0.0, float("-inf")
    result = called(student(), ids, scores)
    expect(not result.isnan().any(), "Scores of 0 or -inf become NaN: set blocked scores.")
    expect(
        float(result[0, 6]) <= -1e9,
        f"A blocked word still scores {float(result[0, 6]):g}: it must be -1e9 or less.",
    )
    free = torch.ones(2, 12, dtype=torch.bool)
    free[0, 6] = False
    expect(
        close(result[free], scores[free], 1e-6),
        "The score of a word that is not blocked changes: leave it as it is.",
    )


@suite.check(NGRAM)
def ngrams_are_not_remembered(student: Any, draw: Draw) -> None:
    """Each call depends on its arguments alone."""
    block = student()
    a, b, c, d, e = distinct(draw, 5)
    for history in ([a, b, c, d, a, b], [e, a, b], [d, e, a, e, a], [c, e, a, b], [d, e, a]):
        found = blocked_words(block, history)
        expect(
            found == repeated(history, 3),
            f"In a later call, after {history}, the blocked tokens are {sorted(found)}, not "
            f"{sorted(repeated(history, 3))}: keep nothing between calls.",
        )

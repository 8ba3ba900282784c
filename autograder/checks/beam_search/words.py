"""Hidden checks of WordBlock."""

from __future__ import annotations

from typing import Any

import torch

from autograder.checks.beam_search.common import WORD, suite
from course.checks.base import Draw, close, expect
from course.checks.beam_search.common import blocked_words, called, some_scores


@suite.check(WORD, points=2)
def each_history_blocks_its_own_words(student: Any, draw: Draw) -> None:
    """A row's words are blocked in that row alone; any number of rows is served."""
    for beams, length in ((4, 5), (1, 3), (2, 1)):
        ids = draw.integers(0, 11, beams, length)
        result = called(student(), ids, some_scores(draw, beams, 12))
        seen = torch.zeros(beams, 12, dtype=torch.bool).scatter(1, ids, True)
        blocked = result <= -1e9
        expect(
            not (blocked & ~seen).any(),
            "A word is blocked in a beam that has not seen it: each row of scores answers to its "
            "own row of input_ids.",
        )
        expect(
            not (seen & ~blocked).any(),
            "A word that a beam has seen is allowed in it: block the words of every row.",
        )


@suite.check(WORD)
def first_and_last_word_count(student: Any, draw: Draw) -> None:
    """The first token, the last one and token 0 are blocked like the others."""
    history = [int(draw.integer(6, 11)), 0, 3, 3, int(draw.integer(4, 5))]
    found = blocked_words(student(), history)
    for word, what in ((history[0], "first"), (history[-1], "last"), (0, "number 0")):
        expect(
            word in found,
            f"After {history} the token {word} ({what}) is allowed: every token counts.",
        )
    expect(found == set(history), f"After {history} the blocked tokens are {sorted(found)}.")


@suite.check(WORD)
def long_histories_count_wholly(student: Any, draw: Draw) -> None:
    """However long the history is, its first tokens stay blocked."""
    history = draw.permutation(60)[:45].tolist()
    found = blocked_words(student(), history, 60)
    expect(
        history[0] in found and len(set(history) - found) == 0,
        f"After 45 tokens only {len(found)} are blocked: no token of the history may come again, "
        "however far back it stands.",
    )


@suite.check(WORD)
def other_scores_stay(student: Any, draw: Draw) -> None:
    """The scores of words that were not seen stay exactly as they are."""
    ids, scores = draw.integers(0, 5, 3, 4), some_scores(draw, 3, 12)
    result = called(student(), ids, scores)
    free = torch.ones(3, 12, dtype=torch.bool).scatter(1, ids, False)
    expect(
        close(result[free], scores[free], 1e-6),
        "The score of a word that was not seen changes: leave it as it is, without a new softmax.",
    )


@suite.check(WORD)
def blocked_means_far_below(student: Any, draw: Draw) -> None:
    """Blocked scores are -1e9 or less, whatever they were: 0, positive or -inf."""
    scores = torch.tensor([[0.0, 2.5, float("-inf"), -0.7, -30.0, 1.0]])
    result = called(student(), torch.tensor([[0, 1, 2, 4]]), scores)
    expect(
        not result.isnan().any(),
        "Scores of -inf or 0 become NaN: set blocked scores, do not multiply or subtract them.",
    )
    worst = float(result[0, [0, 1, 2, 4]].max())
    expect(
        worst <= -1e9,
        f"A blocked word still scores {worst:g}: it must be -1e9 or less, for a smaller penalty "
        "can be outweighed.",
    )


@suite.check(WORD)
def words_are_not_remembered(student: Any, draw: Draw) -> None:
    """Each call depends on its arguments alone: beams change places, and searches follow."""
    block = student()
    for _ in range(3):
        history = draw.permutation(12)[: draw.integer(2, 6)].tolist()
        found = blocked_words(block, history)
        expect(
            found == set(history),
            f"In a later call, after {history}, the blocked tokens are {sorted(found)}: keep "
            "nothing between calls, the ids hold the prompt and all that followed.",
        )

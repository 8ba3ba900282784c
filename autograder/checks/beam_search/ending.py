"""Hidden checks of beam_search: the end-of-text token. In the tables below word 3 ends a text."""

from __future__ import annotations

from typing import Any

import torch

from autograder.checks.beam_search.common import SEARCH, ln, same, script, suite
from course.checks import beam_search_toys as toys
from course.checks.base import Draw, expect
from course.checks.beam_search.common import search

# Half of the texts end at once; word 1 goes on and on. After an end the model would like a 1.
SHORT = {
    0: {3: 0.5, 1: 0.45, 2: 0.05},
    1: {1: 0.9, 3: 0.04, 2: 0.06},
    3: {1: 0.7, 2: 0.2, 3: 0.1},
}
# The best of the first round ends a text, but two continuations of the other overtake it.
OVERTAKEN = {0: {1: 0.75, 3: 0.2, 2: 0.05}, 1: {4: 0.52, 5: 0.48}, 3: {1: 0.9, 2: 0.1}}
# Second after the first round, first after the second: the finished beam changes its place.
RISING = {0: {1: 0.6, 3: 0.4}, 1: {4: 0.52, 5: 0.48}, 4: {4: 0.9, 5: 0.1}, 5: {5: 0.6, 4: 0.4}}


@suite.check(SEARCH, points=2)
def finished_beams_cost_nothing(student: Any, draw: Draw) -> None:
    """A finished beam goes on with the end-of-text token at score 0, so its score stays."""
    result, new, name = script(student, draw, toys.chances(5, SHORT), 0, 2, 4, end=3)
    row = next((i for i, tokens in enumerate(new) if tokens[0] == 3), None)
    expect(
        row is not None,
        "A beam that ends with the first token (chance 0.5) is lost, though it stays the best: a "
        "finished beam keeps its score and competes with it.",
    )
    wrong = next((tokens for tokens in new if tokens[0] == 3 and set(tokens) != {3}), None)
    expect(
        wrong is None,
        f"A finished beam goes on with {[name[word] for word in wrong or []]}: after the "
        f"end-of-text token {name[3]} it takes nothing but that token.",
    )
    tail = result.token_scores[row or 0, 1:]
    expect(
        bool((tail.abs() < 1e-5).all()),
        f"The tokens after the end score {[round(t, 3) for t in tail.tolist()]}: a finished beam "
        "goes on at score 0, whatever the model says.",
    )
    score = float(result.scores[row or 0])
    expect(
        abs(score) > 1e-3,
        "A finished beam scores 0: the end-of-text token itself counts once, with its "
        "log-probability.",
    )
    expect(
        abs(score - ln(0.5)) < 1e-3,
        f"A finished beam of chance 0.5 scores {score:.3f}, not ln 0.5 = -0.693: nothing is added "
        "after its end, and nothing is divided by the length.",
    )


@suite.check(SEARCH, points=2)
def waits_for_all_beams(student: Any, draw: Draw) -> None:
    """The search goes on while one beam is unfinished, though the best one is finished."""
    result, new, _ = script(student, draw, toys.chances(5, SHORT), 0, 2, 4, end=3)
    expect(
        result.ids.size(1) == 5,
        f"After {result.ids.size(1) - 1} of 4 rounds the search stopped, though one beam was not "
        "finished: stop when all are.",
    )
    expect(
        [1, 1, 1, 1] in new,
        "The unfinished beam does not go on as if it were alone: it should repeat its word to the "
        "last round.",
    )


@suite.check(SEARCH)
def stops_when_all_are_finished(student: Any, draw: Draw) -> None:
    """It stops as soon as all beams are finished."""
    table = {0: {1: 0.6, 2: 0.4}, 1: {3: 0.9, 2: 0.1}, 2: {3: 0.8, 1: 0.2}, 3: {1: 0.9, 2: 0.1}}
    result, _, _ = script(student, draw, toys.chances(5, table), 0, 2, 8, end=3)
    rounds = result.ids.size(1) - 1
    expect(
        rounds == 2,
        f"All beams are finished after 2 rounds, but the sequences have {rounds} new tokens.",
    )


@suite.check(SEARCH, points=2)
def finished_beams_still_compete(student: Any, draw: Draw) -> None:
    """A finished beam has no reserved place: two better candidates push it out."""
    _, new, _ = script(student, draw, toys.chances(6, OVERTAKEN), 0, 2, 2, end=3)
    expect(
        [3, 3] not in new,
        "A finished beam of chance 0.20 is kept, though two others of 0.39 and 0.36 are better: "
        "finished beams compete like all candidates, nothing is set aside for them.",
    )
    expect(
        same(new, [[1, 4], [1, 5]]), f"The beams are {new}, not {[[1, 4], [1, 5]]} (3 ends a text)."
    )


@suite.check(SEARCH, points=2)
def the_mark_moves_with_the_beam(student: Any, draw: Draw) -> None:
    """When beams change places, each takes along whether it is finished."""
    result, new, _ = script(student, draw, toys.chances(6, RISING), 0, 2, 3, end=3)
    expect(
        same(new, [[3, 3, 3], [1, 4, 4]]),
        f"The beams are {new}, not {[[3, 3, 3], [1, 4, 4]]} (3 ends a text). The finished beam "
        "moves from second to first place: reorder the marks of finished beams as the ids.",
    )
    expect(
        abs(float(result.scores.max()) - ln(0.4)) < 1e-3,
        f"The finished beam scores {float(result.scores.max()):.3f}, not ln 0.4 = -0.916.",
    )


@suite.check(SEARCH)
def short_beams_are_not_punished(student: Any, draw: Draw) -> None:
    """Scores are not divided by the length: a short beam wins if its sum is larger."""
    table = {0: {3: 0.3, 1: 0.7}, 1: {1: 0.46, 2: 0.14, 4: 0.13, 5: 0.14, 0: 0.13}}
    result, new, _ = script(student, draw, toys.chances(6, table), 0, 2, 3, end=3)
    best = new[int(result.scores.argmax())]
    expect(
        new[0] == [3, 3, 3] and best == new[0],
        f"The first beam is {new[0]}, but the sum of the one that ends at once is ln 0.3 = -1.20 "
        "and that of [1, 1, 1] is -1.91. Do not divide by the length, nor rank by the mean.",
    )
    expect(
        new[1] == [1, 1, 1] and abs(float(result.scores[1]) - ln(0.7, 0.46, 0.46)) < 1e-3,
        f"The second beam is {new[1]} with {float(result.scores[1]):.3f}, not [1, 1, 1] with "
        f"{ln(0.7, 0.46, 0.46):.3f}.",
    )


@suite.check(SEARCH, points=2)
def rules_spare_finished_beams(student: Any, draw: Draw) -> None:
    """Processors have no effect on finished beams: the end-of-text token stays at 0."""
    for rule in (("NoEcho",), ("Scale", 1.5)):
        table = toys.chances(5, SHORT)
        result, new, _ = script(student, draw, table, 0, 2, 3, end=3, rules=(rule,))
        expect(
            [3, 3, 3] in new,
            "A processor that blocks or lowers the end-of-text token drives a finished beam out: "
            "set a finished beam's scores after the processors, end-of-text 0, all else -inf.",
        )
        row = new.index([3, 3, 3])
        tail = result.token_scores[row, 1:]
        expect(
            bool((tail.abs() < 1e-5).all()),
            f"After its end a beam scores {[round(t, 2) for t in tail.tolist()]} under a "
            "processor: the end-of-text token goes on at 0.",
        )


@suite.check(SEARCH)
def the_end_may_be_token_zero(student: Any, draw: Draw) -> None:
    """eos_token_id=0 is an end-of-text token like any other."""
    order = torch.tensor([3, 0, 1, 2, 4])  # word 3 gets the number 0
    table = toys.chances(5, SHORT)[order][:, order]
    result = search(student, table, torch.tensor([[1]]), 2, 3, end=0)
    expect(
        [0, 0, 0] in result.new,
        f"With eos_token_id=0 a beam does not end: {result.new}. Ask `is not None`, since 0 counts "
        "as false.",
    )


@suite.check(SEARCH)
def an_end_in_the_prompt_ends_nothing(student: Any, draw: Draw) -> None:
    """Only new tokens end a beam: GPT-2's prompts often begin with the end-of-text token."""
    table = {0: {1: 0.6, 2: 0.4}, 1: {4: 0.52, 5: 0.48}, 2: {4: 0.9, 5: 0.1}, 4: {1: 0.7, 2: 0.3}}
    order = draw.permutation(6)
    name = order.argsort().tolist()
    prompt = torch.tensor([[name[3], name[4], name[0]]])
    renamed = toys.chances(6, table)[order][:, order]
    result = search(student, renamed, prompt, 2, 3, end=name[3])
    new = [[int(order[word]) for word in row] for row in result.new]
    expect(
        result.ids.size(1) == 6 and not any(3 in row for row in new),
        "A prompt that begins with the end-of-text token counts as finished: only a token that "
        "the search itself adds can end a beam.",
    )
    expect(
        same(new, [[2, 4, 1], [1, 4, 1]]),
        f"After a prompt that begins with the end-of-text token the beams are {new}.",
    )


@suite.check(SEARCH)
def nothing_ends_without_an_end_token(student: Any, draw: Draw) -> None:
    """Without eos_token_id all rounds are made, and no token is special."""
    table = {1: {0: 0.6, 3: 0.4}, 0: {3: 0.8, 2: 0.2}, 3: {0: 0.9, 2: 0.1}}
    result = search(student, toys.chances(4, table), torch.tensor([[1]]), 2, 3)
    expect(result.ids.size(1) == 4, f"Only {result.ids.size(1) - 1} of 3 rounds were made.")
    wanted = {(1, 0, 3, 0): ln(0.6, 0.8, 0.9), (1, 3, 0, 3): ln(0.4, 0.9, 0.8)}
    found = result.real()
    expect(
        all(abs(found.get(ids, 1.0) - score) < 1e-3 for ids, score in wanted.items()),
        f"Without eos_token_id the beams are {result.new}, not [[0, 3, 0], [3, 0, 3]], or a token "
        "ends them: neither 0 nor the last word of the vocabulary is special.",
    )

"""Visible checks of generate and top_k_table, on a scripted model whose table is known."""

from __future__ import annotations

from typing import Any

import torch

from course.checks import gpt_toys as toys
from course.checks.base import Draw, close, expect
from course.checks.gpt.common import GENERATE, TABLE, suite
from course.checks.masked_lm_toys import far, percent

LOGITS_HINT = "The model may return logits, or an output with .logits."


@suite.check(GENERATE, points=2, hint=LOGITS_HINT)
def greedy_takes_the_most_probable(student: Any, draw: Draw) -> None:
    """By default each new token is the most probable one after all that came before."""
    table = toys.a_table(draw)
    prompt = draw.integers(0, 8, 2, 3)
    result = student(toys.model_of(student, table), prompt.clone(), 5)
    ids, _ = toys.continuation(result, prompt, 5)
    right = toys.greedy(table, prompt, 5)
    expect(
        torch.equal(ids, right),
        f"After {prompt[0].tolist()} greedy search must go on with {right[0, 3:].tolist()}, but "
        f"yours with {ids[0, 3:].tolist()}: give the model the whole text so far, and take the "
        "argmax of the logits at the last position.",
    )


@suite.check(GENERATE, points=2, hint=LOGITS_HINT)
def greedy_probabilities(student: Any, draw: Draw) -> None:
    """The probabilities are those of the chosen tokens under the softmax of the logits."""
    table = toys.a_table(draw)
    prompt = draw.integers(0, 8, 2, 3)
    result = student(toys.model_of(student, table), prompt.clone(), 4)
    ids, found = toys.continuation(result, prompt, 4)
    wanted = toys.chosen(toys.step_logits(table, ids, 4), ids)
    expect(
        not close(found, wanted.log(), 1e-3),
        "These are log-probabilities: return probabilities between 0 and 1.",
    )
    expect(
        close(found, wanted, 1e-3),
        f"The first new token has probability {float(found[0, 0]):.3f}, but the softmax of the "
        f"logits gives it {float(wanted[0, 0]):.3f}.",
    )


@suite.check(GENERATE, points=2, hint=LOGITS_HINT)
def sampling_draws(student: Any, draw: Draw) -> None:
    """With do_sample=True tokens are drawn by their probabilities, for every row on its own."""
    logits = torch.tensor([0.0, 1.0, 2.0, 0.5])
    prompt = torch.zeros(600, 2, dtype=torch.long)
    model = toys.model_of(student, logits.expand(3, 4))
    ids, _ = toys.continuation(student(model, prompt.clone(), 1, do_sample=True), prompt, 1)
    best = int((ids[:, -1] == 2).sum())
    expect(
        0 < best < 600,
        "With do_sample=True 600 equal prompts all go on in the same way: draw a token a row with "
        "torch.multinomial.",
    )
    p = float(logits.softmax(0)[2])
    expect(
        not far(best, 600, p),
        f"A token of probability {p:.2f} was drawn in {percent(best, 600)} of 600 cases: draw from "
        "the softmax of the logits.",
    )


@suite.check(TABLE, hint=LOGITS_HINT)
def a_row_a_position(student: Any, draw: Draw) -> None:
    """There is one row a position of input_ids, each of k pairs, 6 by default."""
    model = toys.model_of(student, toys.a_table(draw, words=12))
    ids = draw.integers(0, 11, 1, 5)
    cases: tuple[tuple[dict[str, Any], int], ...] = (({}, 6), ({"k": 3}, 3))
    for options, k in cases:
        rows = toys.as_rows(student, model, ids, **options)
        expect(
            len(rows) == 5,
            f"Five tokens give {len(rows)} rows: each position has a row of its own, the last too.",
        )
        expect(
            all(len(row) == k for row in rows),
            f"With k={k} the rows have {[len(row) for row in rows]} pairs.",
        )
        expect(
            all(p > 0 for row in rows for _, p in row),
            "A probability is 0 or NaN: take the softmax of the logits at each position.",
        )


@suite.check(TABLE, points=2, hint=LOGITS_HINT)
def rows_speak_of_the_next_token(student: Any, draw: Draw) -> None:
    """Row t holds the most probable tokens after position t, the most probable first."""
    table = toys.a_table(draw, words=12)
    ids = draw.integers(0, 11, 1, 5)
    rows = toys.as_rows(student, toys.model_of(student, table), ids, k=4)
    found = [[token for token, _ in row] for row in rows]
    steps = [toys.next_logits(table, ids[:, : i + 1])[0] for i in range(5)]
    right = [[toys.NOUNS[i] for i in logits.topk(4).indices.tolist()] for logits in steps]
    expect(
        found[1:] != right[:-1],
        "Row t holds the guesses for the token at position t itself: the model's logits at t "
        "speak of the token that follows.",
    )
    expect(
        found == right or [row[::-1] for row in found] != right,
        "The rows begin with the least probable of the k: the most probable comes first.",
    )
    expect(
        found == right,
        f"After the first token the most probable are {right[0]}, but row 0 holds {found[0]}.",
    )

"""Hidden checks of beam_search: what processors are given, and what becomes of their scores."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.checks.beam_search import oracle
from autograder.checks.beam_search.common import SEARCH, a_case, expect_beams, suite
from course.checks import beam_search_toys as toys
from course.checks import live
from course.checks.base import Draw, close, expect
from course.checks.beam_search.common import search

CALL_HINT = "Call processor(input_ids, scores) with (beams, length) and (beams, vocab)."


def noted(student: Any, draw: Draw) -> tuple[list[tuple[Tensor, Tensor]], toys.Found, Any, Tensor]:
    """What a processor saw in a search of width 3 and 4 rounds; the result, model and prompt."""
    table, prompt, _ = a_case(draw, 3, 4)
    model = live.make(student, f"{toys.HERE}:scripted", table, True)
    notes = live.make(student, f"{toys.HERE}:rule", "Notes")
    result = student(model, prompt.clone(), num_beams=3, max_new_tokens=4, processors=[notes])
    seen = toys.calls(notes)
    expect(seen, "The processor was never called: call it in every round.")
    good = all(isinstance(x, Tensor) and x.dim() == 2 for call in seen for x in call) and all(
        len(ids) == len(scores) for ids, scores in seen
    )
    expect(good, "A processor was not called with (beams, length) ids and (beams, vocab) scores.")
    return seen, toys.found(result, prompt), toys.scripted(table, history=True), prompt


@suite.check(SEARCH, points=2, hint=CALL_HINT)
def processors_get_log_probabilities(student: Any, draw: Draw) -> None:
    """A processor is given the log-probabilities of the next token, one row a beam."""
    seen, _, model, _ = noted(student, draw)
    for ids, scores in seen:
        due = toys.next_log_p(model, ids)
        with torch.no_grad():
            logits = model(ids)[:, -1]
        expect(
            scores.shape == due.shape,
            f"A processor gets scores of shape {tuple(scores.shape)} beside ids of shape "
            f"{tuple(ids.shape)}: every token of the vocabulary has a score.",
        )
        expect(
            close(scores, due, 1e-3) or not close(scores, logits, 1e-3),
            "Processors are given raw logits: take log_softmax first, so that their scores can be "
            "added up as they are.",
        )
        expect(
            not close(scores, due.exp(), 1e-3),
            "Processors are given probabilities: take log_softmax, not softmax.",
        )
        shift = (scores - due).mean(dim=1, keepdim=True)
        expect(
            close(scores, due, 1e-3) or not close(scores - shift, due, 1e-3),
            "Processors are given the beams' sums so far plus the log-probabilities: call them "
            "before you add the beam scores.",
        )
        expect(
            close(scores, due, 1e-3),
            f"For one beam a processor gets {[round(s, 2) for s in scores[-1, :3].tolist()]} ..., "
            f"but its log-probabilities are {[round(s, 2) for s in due[-1, :3].tolist()]} ...",
        )


@suite.check(SEARCH, points=2, hint=CALL_HINT)
def processors_see_the_whole_sequence(student: Any, draw: Draw) -> None:
    """A processor sees each beam from the prompt's first token to its newest one."""
    seen, result, _, prompt = noted(student, draw)
    rows = {tuple(row) for ids, _ in seen for row in ids.tolist()}
    expect(
        all(row[:3] == tuple(prompt[0].tolist()) for row in rows),
        "Processors do not see the prompt: give them the ids with the prompt, whose tokens count "
        "as seen.",
    )
    lengths = {len(row) for row in rows}
    expect(
        lengths == {3, 4, 5, 6},
        f"In 4 rounds after a prompt of 3 tokens processors see sequences of {sorted(lengths)} "
        "tokens, not of 3, 4, 5 and 6: give them all tokens chosen so far.",
    )
    expect(
        all(tuple(row[:-1]) in rows for row in result.ids.tolist()),
        "In the last round a processor does not see the beams from which the result comes: give "
        "it the ids in their present order.",
    )


@suite.check(SEARCH, points=2)
def processed_scores_are_reported(student: Any, draw: Draw) -> None:
    """beam_scores and token_scores are made of the scores that the processors return."""
    rules = (("Scale", 0.5), ("Favour", 2, 0.4))
    table, prompt, wanted = a_case(draw, 3, 4, rules=rules)
    local = [toys.rule(*one) for one in rules]
    model = toys.scripted(table, history=True)
    result = search(student, table, prompt, 3, 4, rules, history=True)
    raw = toys.rescored(model, result.ids, 3)  # (beams, new)
    due = toys.rescored(model, result.ids, 3, local)
    expect(
        not close(result.scores, raw.sum(dim=1), 1e-3),
        "beam_scores are sums of the model's own log-probabilities: add up the scores that the "
        "processors returned.",
    )
    expect(
        not close(result.token_scores, raw, 1e-3),
        "token_scores are the model's own log-probabilities: keep the processed scores, so that "
        "they add up to beam_scores.",
    )
    expect(
        close(result.scores, due.sum(dim=1), 1e-3) and close(result.token_scores, due, 1e-3),
        f"The best beam's score is {float(result.scores[0]):.3f}, but its processed scores add up "
        f"to {float(due[0].sum()):.3f}: log_softmax, then the processors, then the sum, and "
        "nothing else.",
    )
    expect_beams(result, wanted, "Two processors.")


@suite.check(SEARCH)
def processors_run_in_order(student: Any, draw: Draw) -> None:
    """All processors are called, the first one first, each on what the one before returned."""
    rules = (("Favour", 1, 1.5), ("Scale", 0.4))
    orders = {"first": [0], "second": [1], "wrong": [1, 0]}
    for _ in range(60):  # until each mistake shows in the scores
        table, prompt, wanted = a_case(draw, 3, 3, rules=rules)
        model = toys.scripted(table, history=True)
        scores = {}
        for name, order in orders.items():
            local = [toys.rule(*rules[i]) for i in order]
            scores[name] = oracle.beam_search(model, prompt, 3, 3, local).scores
        if not any(close(other, wanted.scores, 1e-2) for other in scores.values()):
            break
    result = search(student, table, prompt, 3, 3, rules, history=True)
    for what in ("first", "second"):
        expect(
            not close(result.scores, scores[what], 1e-3),
            f"Of two processors only the {what} has an effect: hand the scores from one to the "
            "next.",
        )
    expect(
        not close(result.scores, scores["wrong"], 1e-3),
        "The processors are called in the wrong order: the first of the list comes first.",
    )
    expect_beams(result, wanted, "Two processors, one after the other.")


@suite.check(SEARCH)
def each_beam_has_its_own_rules(student: Any, draw: Draw) -> None:
    """What a processor does to a row depends on that row's beam, also when beams change places."""
    rules = (("After", 1.5 * draw.normal(5, 7)),)
    table, prompt, wanted = a_case(draw, 4, 5, rules=rules, swaps=2)
    result = search(student, table, prompt, 4, 5, rules, history=True)
    expect_beams(result, wanted, "A processor looks at each beam's last token.")


@suite.check(SEARCH)
def blocked_words_are_not_chosen(student: Any, draw: Draw) -> None:
    """A word that a processor blocks, with -1e9 or -inf, is not chosen, and no NaN arises."""
    for value in (-1e9, float("-inf")):
        rules = (("Favour", 2, value), ("Favour", 4, value))
        table, prompt, wanted = a_case(draw, 3, 4, rules=rules)
        result = search(student, table, prompt, 3, 4, rules, history=True)
        expect(not result.scores.isnan().any(), f"With a word blocked by {value:g} scores are NaN.")
        expect(
            not any({2, 4} & set(row) for row in result.new),
            f"A word blocked by {value:g} is chosen nevertheless.",
        )
        expect_beams(result, wanted, f"Two words are blocked by {value:g}.")


@suite.check(SEARCH, points=2, hint="When every word is blocked the search must go on somehow.")
def all_blocked_gives_no_nan(student: Any, draw: Draw) -> None:
    """When the processors block every word, the search still returns beams, without NaN."""
    for value in (-1e9, float("-inf")):
        table, prompt, _ = a_case(draw, 2, 3)
        result = search(student, table, prompt, 2, 3, (("BlockAll", 4, value),), history=True)
        expect(
            not result.scores.isnan().any() and not result.token_scores.isnan().any(),
            f"When all words are blocked by {value:g} the scores are NaN: do not normalise "
            "processed scores, and subtract nothing from them.",
        )
        expect(
            int(result.ids.min()) >= 0 and int(result.ids.max()) < 7,
            f"When all words are blocked by {value:g} the ids lie outside the vocabulary: "
            f"{result.new}.",
        )

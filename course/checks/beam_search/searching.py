"""Visible checks of beam_search, on models whose next-token tables are known."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from course.checks import beam_search_toys as toys
from course.checks.base import Draw, close, expect
from course.checks.beam_search.common import LOGITS_HINT, SEARCH, search, shuffled, suite

# After 0 come 1 (60 %) and 2 (40 %); 1 is followed by this and that, 2 nearly always by 3.
GREEDY_ERRS = {0: {1: 0.6, 2: 0.4}, 1: {3: 0.4, 4: 0.35, 1: 0.25}, 2: {3: 0.9, 4: 0.1}}
# Word 3 ends a text.
TWO_ENDS = {0: {1: 0.6, 2: 0.4}, 1: {3: 0.9, 4: 0.1}, 2: {3: 0.8, 4: 0.2}, 3: {1: 0.9, 2: 0.1}}


def a_table(draw: Draw) -> Tensor:
    """Random logits for a model that reads the whole history, (rows, 7)."""
    return 1.5 * draw.normal(60, 7) + 2.0 * draw.normal(60, 1)


@suite.check(SEARCH, hint=LOGITS_HINT)
def result_is_a_dict_of_three(student: Any, draw: Draw) -> None:
    """It returns output_ids with the prompt, beam_scores and token_scores, one row a beam."""
    prompt = draw.integers(0, 6, 1, 3)
    result = search(student, a_table(draw), prompt, 4, 5, history=True)
    expect(
        result.ids.shape == (4, 8),
        f"With a prompt of 3 tokens, num_beams=4 and max_new_tokens=5, output_ids have the shape "
        f"{tuple(result.ids.shape)}, not (4, 8): all beams, prompt and 5 new tokens.",
    )
    expect(
        not result.token_scores.isnan().any() and not result.scores.isnan().any(),
        "The scores hold NaN.",
    )


@suite.check(SEARCH, points=2, hint=LOGITS_HINT)
def one_beam_is_greedy(student: Any, draw: Draw) -> None:
    """With one beam it takes the most probable token in each round, after reading all tokens."""
    table, prompt = a_table(draw), draw.integers(0, 6, 1, 4)
    model = toys.scripted(table, history=True)
    ids, blind = prompt, prompt
    for _ in range(6):
        ids = torch.cat([ids, toys.next_log_p(model, ids).argmax(1, keepdim=True)], dim=1)
        seen = blind if blind.size(1) == 4 else blind[:, -1:]
        blind = torch.cat([blind, toys.next_log_p(model, seen).argmax(1, keepdim=True)], dim=1)
    found = search(student, table, prompt, 1, 6, history=True).ids
    expect(
        not torch.equal(found, blind) or torch.equal(blind, ids),
        "After the first round the model is given the last token alone. A model without a cache "
        "must read the whole sequence each time.",
    )
    expect(
        torch.equal(found, ids),
        f"One beam goes on with {found[0, 4:].tolist()}, but taking the most probable token "
        f"at the last position each time gives {ids[0, 4:].tolist()}.",
    )


@suite.check(SEARCH, points=2, hint=LOGITS_HINT)
def two_beams_mend_greedys_mistake(student: Any, draw: Draw) -> None:
    """With two beams it finds a sentence whose first word is not the most probable one."""
    table, name = shuffled(draw, toys.chances(5, GREEDY_ERRS))
    result = search(student, table, torch.tensor([[name[0]]]), 2, 2)
    wanted = [[name[2], name[3]], [name[1], name[3]]]
    new = result.new
    expect(
        len({tuple(row) for row in new}) == len(new),
        f"Both beams hold {new[0]}: in the first round all beams are alike, so only the first one "
        "may count. Start with the scores of init_beams.",
    )
    expect(
        sorted(new) == sorted(wanted),
        f"The chances are 0.6 · 0.4 = 0.24 for {wanted[1]} and 0.4 · 0.9 = 0.36 for {wanted[0]}, "
        f"so these two are the best; yours are {new}.",
    )


@suite.check(SEARCH, points=2, hint=LOGITS_HINT)
def scores_are_log_probabilities(student: Any, draw: Draw) -> None:
    """A beam's score is the sum of its new tokens' log-probabilities, not divided by anything."""
    table, prompt = a_table(draw), draw.integers(0, 6, 1, 3)
    model = toys.scripted(table, history=True)
    result = search(student, table, prompt, 3, 4, history=True)
    each = toys.rescored(model, result.ids, 3)  # (beams, new)
    wanted = each.sum(dim=1)
    expect(
        not close(result.scores, each.mean(dim=1), 1e-3),
        "The scores are divided by the number of tokens: beam_scores are plain sums.",
    )
    expect(
        not close(result.scores, each.exp().prod(dim=1), 1e-3)
        and not close(result.scores, each.exp().sum(dim=1), 1e-3),
        "The scores are made of probabilities: add log-probabilities, log_softmax of the logits.",
    )
    expect(
        close(result.scores, wanted, 1e-3),
        f"The best beam scores {float(result.scores[0]):.3f}, but its tokens' log-probabilities "
        f"add up to {float(wanted[0]):.3f}. Take log_softmax of the logits over the vocabulary, "
        "and let ids follow the beam that each candidate comes from.",
    )


@suite.check(SEARCH, hint=LOGITS_HINT)
def token_scores_add_up(student: Any, draw: Draw) -> None:
    """token_scores hold what each new token adds; a row's sum is the beam's score."""
    prompt = draw.integers(0, 6, 1, 2)
    result = search(student, a_table(draw), prompt, 3, 4, history=True)
    total = result.token_scores.sum(dim=1)
    expect(
        not close(result.token_scores[:, -1], result.scores, 1e-3),
        "The last column of token_scores is the whole score: keep what each token adds, not the "
        "sums so far.",
    )
    expect(
        close(total, result.scores, 1e-3),
        f"The best beam's token_scores add up to {float(total[0]):.3f}, but its score is "
        f"{float(result.scores[0]):.3f}. They must follow their beam as the ids do.",
    )


@suite.check(SEARCH, hint=LOGITS_HINT)
def best_beam_comes_first(student: Any, draw: Draw) -> None:
    """The beams are sorted, the best one first."""
    prompt = draw.integers(0, 6, 1, 2)
    scores = search(student, a_table(draw), prompt, 4, 4, history=True).scores
    expect(
        bool((scores[:-1] >= scores[1:] - 1e-6).all()),
        f"beam_scores are {[round(s, 2) for s in scores.tolist()]}: sort the beams, best first.",
    )


@suite.check(SEARCH, hint="processors are called as processor(input_ids, scores).")
def processors_change_the_result(student: Any, draw: Draw) -> None:
    """A processor's scores decide which tokens are chosen, and are the ones reported."""
    table, name = shuffled(draw, toys.chances(5, GREEDY_ERRS))
    rules = (("Favour", name[1], 1.0),)
    result = search(student, table, torch.tensor([[name[0]]]), 2, 2, rules)
    wanted = [[name[1], name[1]], [name[1], name[3]]]
    expect(
        sorted(result.new) != sorted([[name[2], name[3]], [name[1], name[3]]]),
        "A processor that favours one token changes nothing: call every processor in each round, "
        "and choose by the scores that it returns.",
    )
    best = math.log(0.6) + 1.0 + math.log(0.25) + 1.0
    expect(
        sorted(result.new) == sorted(wanted) and abs(float(result.scores.max()) - best) < 1e-3,
        f"With 1 added to the score of {name[1]} the best beams are {wanted}, the first with "
        f"{best:.3f}; yours are {result.new}, the best with {float(result.scores.max()):.3f}.",
    )


@suite.check(SEARCH, points=2, hint=LOGITS_HINT)
def the_end_token_ends_it(student: Any, draw: Draw) -> None:
    """When all beams have produced eos_token_id the search stops."""
    table, name = shuffled(draw, toys.chances(5, TWO_ENDS))
    result = search(student, table, torch.tensor([[name[0]]]), 2, 6, end=name[3])
    wanted = [[name[1], name[3]], [name[2], name[3]]]
    expect(
        not any(set(row[2:]) - {name[3]} for row in result.new),
        f"After the end-of-text token {name[3]} a beam goes on: {result.new[0]}. A finished beam "
        "takes no other token.",
    )
    expect(
        result.ids.size(1) == 3,
        f"Both beams are finished after 2 rounds, but {result.ids.size(1) - 1} were made: stop "
        "when every beam is finished.",
    )
    expect(
        sorted(result.new) == sorted(wanted),
        f"The best beams are {wanted}, but yours are {result.new}.",
    )

"""Hidden checks of beam_search: which candidates survive, for every width and model."""

from __future__ import annotations

from typing import Any

import torch

from autograder.checks.beam_search import oracle
from autograder.checks.beam_search.common import (
    SEARCH,
    a_case,
    expect_beams,
    ln,
    same,
    script,
    suite,
)
from course.checks import beam_search_toys as toys
from course.checks import live
from course.checks.base import Draw, close, expect
from course.checks.beam_search.common import LOGITS_HINT, search


@suite.check(SEARCH, points=2, hint=LOGITS_HINT)
def finds_what_lists_find(student: Any, draw: Draw) -> None:
    """It keeps the best of all candidates of all beams in each round, for several widths."""
    for width, steps in ((2, 5), (4, 5), (3, 1)):
        table, prompt, wanted = a_case(draw, width, steps)
        result = search(student, table, prompt, width, steps, history=True)
        expect_beams(result, wanted, f"Width {width}, {steps} rounds.")


@suite.check(SEARCH, points=2, hint=LOGITS_HINT)
def no_sequence_comes_twice(student: Any, draw: Draw) -> None:
    """The beams are different sequences: in the first round only the first beam counts."""
    table, prompt, _ = a_case(draw, 4, 3)
    new = search(student, table, prompt, 4, 3, history=True).new
    different = len({tuple(row) for row in new})
    expect(
        different == 4,
        f"Of 4 beams only {different} are different. All beams start as copies: with scores 0, "
        "-1e9, -1e9 ... the first round takes its candidates from one of them.",
    )


@suite.check(SEARCH, points=2, hint=LOGITS_HINT)
def all_beams_may_have_one_parent(student: Any, draw: Draw) -> None:
    """Candidates of all beams compete: all survivors may come from one beam."""
    table = {
        0: {1: 0.9, 2: 0.04, 3: 0.03, 6: 0.02, 7: 0.01},
        1: {2: 0.3, 3: 0.25, 4: 0.2, 5: 0.15, 6: 0.1},
        2: {4: 0.6, 1: 0.4},
    }
    _, new, _ = script(student, draw, toys.chances(8, table), 0, 5, 2)
    first = {row[0] for row in new}
    expect(
        len(first) < 5,
        "Each beam keeps its own best candidate. All candidates compete: the five best all come "
        "from one beam here, so take topk over beams and vocabulary together.",
    )
    expect(
        same(new, [[1, word] for word in (2, 3, 4, 5, 6)]),
        "The five best candidates (0.27, 0.23, 0.18, 0.14, 0.09) all come from one beam, but your "
        f"beams come from {len(first)}: every beam proposes as many tokens as there are beams.",
    )


@suite.check(SEARCH, points=2, hint=LOGITS_HINT)
def tokens_join_their_own_beam(student: Any, draw: Draw) -> None:
    """Each new token is appended to the beam that proposed it, also when beams change places."""
    table, prompt, wanted = a_case(draw, 4, 5, swaps=3)
    result = search(student, table, prompt, 4, 5, history=True)
    model = toys.scripted(table, history=True)
    due = toys.rescored(model, result.ids, prompt.size(1)).sum(dim=1)
    expect(
        close(result.scores, due, 1e-3),
        "The scores belong to other sequences than those returned. A candidate's place in the "
        "flattened scores is beam * vocab + token: divide by the size of the vocabulary, and take "
        "ids[beam] before you append.",
    )
    expect_beams(result, wanted, "The beams change places here.")


@suite.check(SEARCH, hint=LOGITS_HINT)
def token_scores_follow_their_beam(student: Any, draw: Draw) -> None:
    """token_scores are those of the returned tokens, also when beams change places."""
    table, prompt, _ = a_case(draw, 4, 5, swaps=3)
    result = search(student, table, prompt, 4, 5, history=True)
    due = toys.rescored(toys.scripted(table, history=True), result.ids, prompt.size(1))
    expect(
        close(result.token_scores, due, 1e-3),
        "A token's score is not its log-probability in the sequence returned: token_scores must be "
        "picked with the beam indices of every round, as the ids are.",
    )


@suite.check(SEARCH, points=2, hint=LOGITS_HINT)
def wide_beam_is_brute_force(student: Any, draw: Draw) -> None:
    """A beam so wide that nothing is lost finds the best of all sequences."""
    for _ in range(40):
        table, prompt, _ = a_case(draw, 2, 3, words=4)
        model = toys.scripted(table, history=True)
        ids, scores = toys.every_sequence(model, prompt, 4, 3)
        if bool(((scores[:16] - scores[1:17]) > oracle.CLEAR).all()):
            break
    result = search(student, table, prompt, 16, 3, history=True)
    expect(
        same(result.ids.tolist(), ids[:16].tolist())
        and close(result.scores.sort(descending=True).values, scores[:16], 1e-3),
        f"With 16 beams and a vocabulary of 4, three rounds lose nothing: the best of all 64 "
        f"sequences goes on with {ids[0, prompt.size(1) :].tolist()} ({float(scores[0]):.3f}), "
        f"yours with {result.new[0]} ({float(result.scores[0]):.3f}).",
    )


@suite.check(
    SEARCH,
    points=2,
    hint="The first round has only as many real candidates as the vocabulary has words: beams "
    "with a score near -1e9 fill the rest.",
)
def more_beams_than_words(student: Any, draw: Draw) -> None:
    """More beams than the vocabulary has words are served, without NaN and without doubles."""
    table, prompt, wanted = a_case(draw, 5, 4, words=2)
    result = search(student, table, prompt, 5, 4, history=True)
    expect(not result.scores.isnan().any(), "With 5 beams and 2 words the scores are NaN.")
    rows = [tuple(r) for r, s in zip(result.new, result.scores, strict=True) if s > toys.UNREAL]
    expect(
        len(set(rows)) == len(rows),
        f"With 5 beams and 2 words a sequence comes twice with a real score: {rows}.",
    )
    expect_beams(result, wanted, "5 beams, 2 words.")


@suite.check(SEARCH, points=2, hint="Call model(ids): a cache must follow the beams.")
def cache_follows_the_beams(student: Any, draw: Draw) -> None:
    """With a GPT-2 of transformers, which has a KV cache, the result is the same as without."""
    for _ in range(40):
        seed = draw.integer(0, 2**31)
        model, prompt = toys.tiny_gpt2(seed), draw.integers(0, 10, 1, 4)
        wanted = oracle.beam_search(model, prompt, 4, 6)
        clear = wanted.gap > oracle.CLEAR and wanted.moves >= 2
        if clear and oracle.stale_cache_shows(model, wanted, 4):
            break
    theirs = live.make(student, f"{toys.HERE}:tiny_gpt2", seed)
    result = toys.found(student(theirs, prompt.clone(), 4, 6), prompt)
    due = toys.rescored(model, result.ids, 4)
    first = torch.tensor([beam.total for beam in wanted.rounds[0]])
    expect(
        not close(due[:, :2], result.token_scores[:, :2], 1e-3)
        or close(due, result.token_scores, 1e-3),
        "With a KV cache the first tokens are scored rightly, later ones are not: after each "
        "round the cache must be reordered with the beams (cache.reorder_cache(beam_indices)).",
    )
    expect(
        close(due, result.token_scores, 1e-3),
        "The scores are not those of the sequences: with a KV cache, reorder it with the beams "
        f"after every round (the first round's best scores {float(first[0]):.3f}).",
    )
    expect_beams(result, wanted, "With a KV cache it must be reordered as the beams are.")


@suite.check(SEARCH, hint="A cache belongs to one search: begin with none.")
def each_search_has_its_own_cache(student: Any, draw: Draw) -> None:
    """Several searches with one model that has a KV cache do not disturb each other."""
    seed = draw.integer(0, 2**31)
    model, theirs = toys.tiny_gpt2(seed), live.make(student, f"{toys.HERE}:tiny_gpt2", seed)
    for length in (4, 4, 2):
        prompt = draw.integers(0, 10, 1, length)
        result = toys.found(student(theirs, prompt.clone(), 2, 3), prompt)
        due = toys.rescored(model, result.ids, length)
        expect(
            close(due[:, :1], result.token_scores[:, :1], 1e-3),
            f"In a later search with the same model the first token scores "
            f"{float(result.token_scores[0, 0]):.3f}, but its log-probability is "
            f"{float(due[0, 0]):.3f}: the KV cache of an earlier search is still in use.",
        )


@suite.check(SEARCH)
def scores_are_precise(student: Any, draw: Draw) -> None:
    """Scores are computed in float32 or better."""
    table, prompt, _ = a_case(draw, 3, 5)
    result = search(student, table, prompt, 3, 5, history=True)
    due = toys.rescored(toys.scripted(table, history=True), result.ids, prompt.size(1))
    error = float((result.token_scores - due).abs().max())
    expect(
        error < 1e-4 or error > 0.05,
        f"The scores are rounded: they are off by {error:.4f}. Compute them in float32, not in "
        "half precision, and do not round.",
    )
    expect(error < 1e-4, f"A token's score is off by {error:.3f}.")


@suite.check(SEARCH, hint=LOGITS_HINT)
def hugging_face_outputs_are_read(student: Any, draw: Draw) -> None:
    """Models that return an output with .logits are served, also without a cache."""
    table, prompt, wanted = a_case(draw, 3, 4)
    result = search(student, table, prompt, 3, 4, history=True, wrapped=True)
    expect_beams(result, wanted, "The model returns an output with .logits and has no cache.")


@suite.check(SEARCH)
def five_beams_ten_tokens(student: Any, draw: Draw) -> None:
    """num_beams is 5 and max_new_tokens 10 unless they are given; prompts may be one token."""
    table, prompt, _ = a_case(draw, 2, 2, length=1)
    model = live.make(student, f"{toys.HERE}:scripted", table, True)
    result = toys.found(student(model, prompt.clone()), prompt)
    expect(
        result.ids.shape == (5, 11),
        f"By default there are {result.ids.size(0)} beams and {result.ids.size(1) - 1} new "
        "tokens, not 5 and 10.",
    )


@suite.check(SEARCH)
def new_tokens_are_counted(student: Any, draw: Draw) -> None:
    """max_new_tokens counts the new tokens alone, whatever the prompt's length."""
    for length, steps in ((7, 2), (1, 4), (3, 1)):
        table, prompt, _ = a_case(draw, 2, steps, length=length)
        shape = search(student, table, prompt, 2, steps, history=True).ids.shape
        expect(
            shape[1] == length + steps,
            f"With a prompt of {length} tokens and max_new_tokens={steps} the sequences have "
            f"{shape[1]} tokens, not {length + steps}.",
        )
        expect(shape[0] == 2, f"num_beams=2 gives {shape[0]} sequences: return all beams.")


@suite.check(
    SEARCH, hint="A word of probability 0 has the log-probability -inf; never multiply it."
)
def impossible_words_do_no_harm(student: Any, draw: Draw) -> None:
    """Words of probability 0, whose logits are -inf, lead to no NaN and are not chosen."""
    table = {0: {3: 0.5, 1: 0.4, 2: 0.1}, 1: {1: 0.7, 2: 0.2, 3: 0.1}, 2: {1: 1.0}, 3: {1: 1.0}}
    logits = toys.chances(5, table, rare=float("-inf"))
    logits[4] = 0.0  # never reached
    result, new, _ = script(student, draw, logits, 0, 2, 3, end=3)
    expect(
        not result.scores.isnan().any() and not result.token_scores.isnan().any(),
        "The scores hold NaN when the model rules words out (logits of -inf): 0 times -inf, or "
        "-inf minus -inf. Use torch.where or masked_fill.",
    )
    expect(
        same(new, [[3, 3, 3], [1, 1, 1]]) and abs(float(result.scores.max()) - ln(0.5)) < 1e-3,
        f"With words of probability 0 the beams are {new}, not {[[3, 3, 3], [1, 1, 1]]} "
        "(3 ends a text).",
    )

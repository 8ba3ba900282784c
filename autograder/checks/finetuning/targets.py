"""Hidden checks of perplexity on one pair: which tokens are scored, and given what."""

from __future__ import annotations

import math
from typing import Any

from autograder.checks.finetuning.suite import suite
from course.checks import finetuning_toys as toys
from course.checks import live
from course.checks.base import Draw, expect
from course.checks.finetuning.common import MODEL_HINT, PERPLEXITY


def doubtful(student: Any, draw: Draw, places: dict[int, float]) -> float:
    """The perplexity of a pair of 4 and 4 tokens that are certain but for some ``places``."""
    pair, ids = toys.a_chain(draw)
    return toys.measure(student, toys.sure_table(ids, places), [pair])


@suite.check(PERPLEXITY, points=2, hint=MODEL_HINT)
def first_sentence_is_not_scored(student: Any, draw: Draw) -> None:
    """However improbable the first sentence is, it does not count."""
    got = doubtful(student, draw, {1: 0.02, 2: 0.05, 3: 0.01})
    expect(
        got < 1.01,
        f"Every token of the second sentence is certain, so the perplexity is 1, but it is "
        f"{got:.2f}: improbable tokens of the first sentence count. They are context alone.",
    )


@suite.check(PERPLEXITY, hint=MODEL_HINT)
def first_target_token_counts(student: Any, draw: Draw) -> None:
    """The first token of the second sentence counts, given the last one of the first."""
    p = draw.uniform(0.05, 0.2)
    toys.judge(
        doubtful(student, draw, {4: p}),
        p ** (-1 / 4),
        {
            "The first token of the second sentence does not count: the logits at the last token "
            "of the first sentence predict it.": 1.0,
            "The sum is right, but it is divided by one token too few.": p ** (-1 / 3),
        },
        f"Only the second sentence's first token is doubtful ({p:.2f}), one of four, so p^(-1/4) "
        f"= {p ** (-1 / 4):.3f} is due.",
    )


@suite.check(PERPLEXITY, hint=MODEL_HINT)
def last_target_token_counts(student: Any, draw: Draw) -> None:
    """The last token of the second sentence counts."""
    p = draw.uniform(0.05, 0.2)
    toys.judge(
        doubtful(student, draw, {7: p}),
        p ** (-1 / 4),
        {"The last token does not count: it is predicted from the token before it.": 1.0},
        f"Only the second sentence's last token is doubtful ({p:.2f}), one of four, so p^(-1/4) "
        f"= {p ** (-1 / 4):.3f} is due.",
    )


@suite.check(PERPLEXITY, hint=MODEL_HINT)
def one_token_is_enough(student: Any, draw: Draw) -> None:
    """A second sentence of a single token is scored like any other."""
    table = toys.a_table(draw)
    pairs = [(toys.a_sentence(draw, 3), "cat"), (toys.a_sentence(draw, 2), "dog")]
    got, wanted = toys.measure(student, table, pairs), table.perplexity(pairs)
    toys.judge(
        got,
        wanted,
        {},
        f"Two second sentences of one token each have perplexity {wanted:.3f}, not {got:.3f}.",
    )


@suite.check(PERPLEXITY, hint=MODEL_HINT)
def logits_predict_the_next_token(student: Any, draw: Draw) -> None:
    """Logits at a position speak of the next token: one shift, not none and not two."""
    table = toys.a_table(draw)
    pair = toys.a_pair(draw, 4, 7)
    ids, count = toys.ids_of(pair[0]) + toys.ids_of(" " + pair[1]), 8
    row = table.rows(ids).tolist()

    def shifted(by: int) -> float:
        places = range(len(ids) - count, len(ids))
        found = [row[place - by][ids[place]] for place in places if 0 <= place - by < len(ids)]
        return toys.exp_mean(found)

    last = row[len(ids) - count - 1 : -2]
    twice = [log_p[ids[len(ids) - count + 1 + i]] for i, log_p in enumerate(last)]
    toys.judge(
        toys.measure(student, table, [pair]),
        shifted(1),
        {
            "Each token is read off the logits at its own place: they predict the next one. "
            "Compare logits[:-1] with ids[1:].": shifted(0),
            "The labels are shifted twice: each token is read off two places before it.": (
                shifted(2)
            ),
            "The labels are shifted twice, and the first target token is lost.": (
                toys.exp_mean(twice)
            ),
        },
        f"The perplexity of the second sentence's tokens is {shifted(1):.3f}, each read off the "
        "logits one place before it.",
    )


@suite.check(PERPLEXITY, hint=MODEL_HINT)
def whole_first_sentence_is_read(student: Any, draw: Draw) -> None:
    """The model sees the whole first sentence before the second."""
    table = toys.a_table(draw)
    second, end = toys.a_sentence(draw, 5), " the cat sat."
    firsts = [word + " old" * 20 + end for word in ("a", "king", "queen")]
    weights = [int(table.weight[toys.ids_of(first)].sum()) % toys.STATES for first in firsts]
    got = [toys.measure(student, table, [(first, second)]) for first in firsts]
    due = [table.perplexity([(first, second)]) for first in firsts]
    expect(
        len(set(weights)) == 1 or max(got) - min(got) > 1e-6,
        "Three first sentences that differ in their first word give one number: the model must "
        "see the whole first sentence.",
    )
    expect(
        all(toys.same(g, d) for g, d in zip(got, due, strict=True)),
        f"With a first sentence of 24 words the perplexity is {got[0]:.3f}; given all of it, it "
        f"is {due[0]:.3f}.",
    )


@suite.check(PERPLEXITY, points=2, hint=MODEL_HINT)
def leading_space_is_kept(student: Any, draw: Draw) -> None:
    """The second sentence is tokenised with the space that stands before it."""
    pair, _ = toys.a_chain(draw)
    bare = toys.ids_of(pair[0]) + toys.ids_of(pair[1])
    spaced = toys.ids_of(pair[0]) + toys.ids_of(" " + pair[1])
    table = toys.sure_table(spaced, {4: 0.25})
    place = bare[4]
    table.after[spaced[3], place] = math.log(27 * 0.01)
    table.after[place, spaced[5]] = 60.0
    got = toys.measure(student, table, [pair])
    # 3 sure tokens and one of probability 1/4 (about): sqrt(2); the bare word has about 1/134.
    wanted = table.perplexity([pair])
    toys.judge(
        got,
        wanted,
        {
            "The second sentence's leading space is lost, so that its first word is another "
            "token: tokenise ' ' + second.": toys.exp_mean(table.log_p(bare)[-4:]),
        },
        f"The perplexity is {got:.3f}, but {wanted:.3f} with the tokens of ' ' + second.",
    )


@suite.check(PERPLEXITY, hint=MODEL_HINT)
def nothing_is_added_to_the_target(student: Any, draw: Draw) -> None:
    """No end-of-text or other special token is appended and scored."""
    pair, ids = toys.a_chain(draw)
    table = toys.sure_table(ids, {})
    got = toys.measure(student, table, [pair])
    expect(
        got < 1.01,
        f"All four tokens of the second sentence are certain, so the perplexity is 1, not "
        f"{got:.2f}: append no end-of-text token, and score the sentence's own tokens alone.",
    )


@suite.check(PERPLEXITY, hint=MODEL_HINT)
def real_tokenizer_and_gpt2(student: Any, draw: Draw) -> None:
    """It is right for a GPT-2 of transformers with a byte-level BPE and real sentences."""
    pairs = [
        ("The old king had three daughters.", "Gerda was astonished!"),
        ("It was winter; the snow lay deep.", '"Who are you?" she asked them all, and wept.'),
        ("Why?", "Unbelievable wickedness."),
    ]
    chosen, seed = [pairs[i] for i in draw.permutation(3).tolist()], draw.integer(0, 2**31)
    model = live.make(student, f"{toys.HERE}:tiny_gpt2", seed)
    tokenizer = live.make(student, f"{toys.HERE}:real_tokenizer")
    got = toys.as_number(student(model, tokenizer, chosen), "perplexity")
    ours = toys.tiny_gpt2(seed)

    def due(space: str, start: list[int]) -> float:
        log_p: list[float] = []
        for first, second in chosen:
            prefix, target = toys.ids_of(first, True), toys.ids_of(space + second, True)
            log_p += toys.tiny_log_p(ours, start + prefix, target).tolist()
        return toys.exp_mean(log_p)

    # An end-of-text token before the whole text is usual as well.
    if toys.same(got, due(" ", [0])):
        return
    toys.judge(
        got,
        due(" ", []),
        {
            "With a real BPE the second sentence has lost its leading space: tokenise "
            "' ' + second.": due("", []),
        },
        f"With a real GPT-2 and three pairs of different lengths it is {got:.2f}, not "
        f"{due(' ', []):.2f}: padding on the left moves GPT-2's positions; padded places must not "
        "count.",
    )

"""Visible checks of perplexity, on language models whose next-token table is known."""

from __future__ import annotations

import math
from typing import Any

from course.checks import finetuning_toys as toys
from course.checks.base import Draw
from course.checks.finetuning.common import MODEL_HINT, PERPLEXITY, suite


def other_sums(target: list[float], both: list[float]) -> dict[str, float]:
    """What comes out when other tokens are added up, or the sum is divided by another number."""
    nats, count = -sum(target), len(target)
    return {
        "The sum of -log p is not divided by the number of target tokens: take the mean, then "
        "exp.": math.exp(nats),
        "The sum is divided by the number of all tokens: divide by those of the second "
        "sentence.": math.exp(nats / (len(both) + 1)),
        "The first sentence's -log p are added too, though its tokens are not counted: leave them "
        "out of both.": math.exp(-sum(both) / count),
        "The first sentence's last token is scored too: it is context.": (
            toys.exp_mean(both[-count - 1 :])
        ),
        "The last token of the second sentence is left out.": toys.exp_mean(target[:-1]),
        "The first token of the second sentence is counted, but its -log p is left out.": (
            math.exp(-sum(target[1:]) / count)
        ),
    }


def other_contexts(table: toys.Table, pair: toys.Pair) -> dict[str, float]:
    """What comes out when the second sentence is scored after something else than the first."""
    prefix, target = toys.ids_of(pair[0]), toys.ids_of(" " + pair[1])
    guesses = list(prefix)  # what the model itself would have said
    for _ in target:
        guesses.append(int(table.rows(guesses)[-1].argmax()))
    rows = table.rows(guesses)[len(prefix) - 1 : -1]
    own = [float(row[token]) for row, token in zip(rows, target, strict=True)]
    places = enumerate(target, start=len(prefix))
    known = table.rows(prefix + target)
    unshifted = [float(known[place, token]) for place, token in places]
    return {
        "The second sentence is scored without the first: give the model both, and score the "
        "second.": toys.exp_mean(table.log_p(target)),
        "The second sentence is scored after an end-of-text token alone: its context is the first "
        "sentence.": toys.exp_mean(table.log_p([0, *target])),
        "Each token is read off the logits at its own place: they speak of the next token.": (
            toys.exp_mean(unshifted)
        ),
        "The first sentence is scored given the second: it is the other way round.": (
            table.perplexity([(pair[1], pair[0])])
        ),
        "A special token stands between the sentences: the second follows the first directly.": (
            toys.exp_mean(table.log_p([*prefix, 0, *target])[-len(target) :])
        ),
        "A special token after the second sentence is scored: count the sentence's own tokens "
        "alone.": toys.exp_mean(table.log_p([*prefix, *target, 0])[-len(target) - 1 :]),
        "The model goes on from its own guesses. Teacher forcing: it sees the true tokens before "
        "each place.": toys.exp_mean(own),
    }


def other_probabilities(table: toys.Table, pair: toys.Pair) -> dict[str, float]:
    """What comes out when something else than log p of the target is averaged."""
    prefix, target = toys.ids_of(pair[0]), toys.ids_of(" " + pair[1])
    rows = table.rows(prefix + target)[len(prefix) - 1 : -1]  # (target, vocab)
    p = [math.exp(value) for value in table.target(pair)]
    twice = rows.exp().log_softmax(dim=-1)
    again = [float(row[token]) for row, token in zip(twice, target, strict=True)]
    return {
        "This is the perplexity of the model's best guesses: look up the probability of the true "
        "tokens.": toys.exp_mean(rows.max(dim=-1).values.tolist()),
        "A softmax was taken before log_softmax or cross_entropy, which take one themselves.": (
            toys.exp_mean(again)
        ),
        "This is 1 over the mean probability: average -log p, then take exp.": len(p) / sum(p),
    }


@suite.check(PERPLEXITY, points=3, hint=MODEL_HINT)
def second_sentence_given_the_first(student: Any, draw: Draw) -> None:
    """It is exp of the mean of -log p over the second sentence's tokens, given the first."""
    table = toys.a_table(draw)
    pair = toys.a_pair(draw, 3, 6)
    got = toys.measure(student, table, [pair])
    target, both = table.target(pair), table.everything(pair)
    mean = -sum(target) / len(target)
    toys.judge(
        got,
        toys.exp_mean(target),
        {
            "The first sentence's tokens are scored too: they are context; count only those of "
            "the second one.": toys.exp_mean(both),
            "This is the mean of -log p: return its exp.": mean,
            "This is 2 to the power of a mean in nats: the base must be e.": 2**mean,
            **other_sums(target, both),
            "The first token of the second sentence is left out: the model predicts it from the "
            "last token of the first sentence.": toys.exp_mean(target[1:]),
            "The second sentence has lost its leading space: tokenise ' ' + second.": (
                toys.exp_mean(table.target(pair, ""))
            ),
            **other_contexts(table, pair),
            **other_probabilities(table, pair),
        },
        f"The perplexity is {got:.3f}, but from the model's own probabilities of the second "
        f"sentence's {len(target)} tokens it is {math.exp(mean):.3f}.",
    )


@suite.check(PERPLEXITY, points=2, hint=MODEL_HINT)
def every_token_has_the_same_weight(student: Any, draw: Draw) -> None:
    """Over several pairs, all target tokens count alike: one mean over the whole corpus."""
    table = toys.a_table(draw)
    pairs = [toys.a_pair(draw, 3, length) for length in (11, 2, 4)]
    # The student's own numbers for single pairs: so that this speaks of the mean alone.
    single = [math.log(toys.measure(student, table, [pair])) for pair in pairs]
    counts = [len(table.target(pair)) for pair in pairs]
    total = sum(s * c for s, c in zip(single, counts, strict=True))
    got, wanted = toys.measure(student, table, pairs), math.exp(total / sum(counts))
    toys.judge(
        got,
        wanted,
        {
            "This is a mean of means: each pair has the same weight, but each token should. Add "
            "up -log p over all pairs, divide by all target tokens.": math.exp(sum(single) / 3),
            "This is the mean of the pairs' perplexities: add up -log p over all pairs, divide "
            "by all target tokens, then take exp once.": sum(map(math.exp, single)) / 3,
            "Only the first pair is measured: add up over all pairs.": math.exp(single[0]),
            "Only the last pair is measured: add up over all pairs.": math.exp(single[-1]),
        },
        f"Three pairs together give {got:.3f}, but with each of their tokens weighed alike it is "
        f"{wanted:.3f}.",
    )

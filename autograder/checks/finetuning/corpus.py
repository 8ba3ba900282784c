"""Hidden checks of perplexity over many pairs: weights, batches, padding, numbers."""

from __future__ import annotations

import math
from typing import Any

import torch

from autograder.checks.finetuning.suite import suite
from course.checks import finetuning_toys as toys
from course.checks.base import Draw, expect
from course.checks.finetuning.common import MODEL_HINT, PERPLEXITY


@suite.check(PERPLEXITY, points=2, hint=MODEL_HINT)
def not_a_mean_of_means(student: Any, draw: Draw) -> None:
    """A long sure sentence and a short doubtful one are weighed by their tokens."""
    pair, ids = toys.a_chain(draw)
    p = draw.uniform(0.001, 0.01)
    table = toys.sure_table(ids, {})
    # From the end of the first sentence the model may also go to another first word, with p.
    other = next(w for w in toys.WORDS if f"Ġ{w}" not in {toys.vocabulary()[i] for i in ids})
    table.after[ids[3], toys.vocabulary().index(f"Ġ{other}")] = 60.0 + math.log(p)
    pairs = [pair, (pair[0], other), pair]
    log_p = [value for one in pairs for value in table.target(one)]
    means = [sum(v) / len(v) for v in (table.target(one) for one in pairs)]
    got = toys.measure(student, table, pairs)
    toys.judge(
        got,
        toys.exp_mean(log_p),
        {
            "This is a mean of the sentences' means: a sentence of one token weighs as much as "
            "one of four. Divide the whole sum by the number of all target tokens.": (
                math.exp(-sum(means) / 3)
            ),
            "This is the mean of the sentences' perplexities: take exp once, of the mean over all "
            "target tokens.": sum(math.exp(-mean) for mean in means) / 3,
        },
        f"Eight sure tokens and one of {p:.4f} have perplexity {toys.exp_mean(log_p):.3f}, not "
        f"{got:.3f}.",
    )


@suite.check(PERPLEXITY, hint=MODEL_HINT)
def pairs_do_not_touch_each_other(student: Any, draw: Draw) -> None:
    """A pair's probabilities are the same whatever pairs stand beside it."""
    table = toys.a_table(draw)
    one, two, three = (toys.a_pair(draw, length, 5) for length in (2, 9, 5))
    alone = [math.log(toys.measure(student, table, [pair])) for pair in (one, two, three)]
    got = toys.measure(student, table, [one, two, three])
    back = toys.measure(student, table, [three, two, one])
    expect(
        toys.same(got, back),
        f"The same pairs in another order give {got:.3f} and {back:.3f}: the pairs see each "
        "other, or padding counts.",
    )
    wanted = math.exp(sum(alone) / 3)
    expect(
        toys.same(got, wanted),
        f"Three pairs with 6 target tokens each give {alone[0]:.3f}, {alone[1]:.3f} and "
        f"{alone[2]:.3f} nats a token alone, so together {wanted:.3f}, but it returns {got:.3f}: "
        "padding counts, or the pairs see each other.",
    )


@suite.check(PERPLEXITY, points=2, hint=MODEL_HINT)
def many_pairs_of_all_lengths(student: Any, draw: Draw) -> None:
    """Seventy pairs of different lengths are measured as if one by one."""
    table = toys.a_table(draw)
    pairs = [toys.a_pair(draw, draw.integer(1, 9), draw.integer(1, 9)) for _ in range(69)]
    pairs.append(toys.a_pair(draw, 30, 40))
    got, wanted = toys.measure(student, table, pairs), table.perplexity(pairs)
    everything = [value for pair in pairs for value in table.everything(pair)]
    toys.judge(
        got,
        wanted,
        {"The first sentences' tokens are scored too.": toys.exp_mean(everything)},
        f"Seventy pairs have perplexity {wanted:.3f}, but it returns {got:.3f}: every pair and "
        "every token of a second sentence counts once, padding never, and batches are not "
        "averaged.",
    )


@suite.check(PERPLEXITY, hint=MODEL_HINT)
def long_texts_do_not_underflow(student: Any, draw: Draw) -> None:
    """Probabilities are added up as logarithms: a product of hundreds would be 0."""
    table = toys.a_table(draw, spread=3.0)
    pairs = [toys.a_pair(draw, 5, 120) for _ in range(2)]
    got, wanted = toys.measure(student, table, pairs), table.perplexity(pairs)
    expect(
        math.isfinite(got),
        f"Over 242 target tokens the perplexity is {got}: a product of so many probabilities is "
        "0 for a computer. Add up log-probabilities.",
    )
    expect(
        toys.same(got, wanted),
        f"Two second sentences of 121 tokens have perplexity {wanted:.2f}, but it returns "
        f"{got:.2f}: score all of their tokens.",
    )


@suite.check(PERPLEXITY, hint=MODEL_HINT)
def a_constant_on_logits_changes_nothing(student: Any, draw: Draw) -> None:
    """Logits are not probabilities: a constant added to all of them changes nothing."""
    table = toys.a_table(draw)
    lifted = toys.Table(table.after + 300.0, table.given, table.weight)
    pairs = [toys.a_pair(draw, 3, 5)]
    got, wanted = toys.measure(student, lifted, pairs), table.perplexity(pairs)
    expect(
        math.isfinite(got) and toys.same(got, wanted, 1e-2),
        f"With 300 added to all logits the perplexity is {got:.3f} instead of {wanted:.3f}: take "
        "log_softmax (or cross_entropy), not exp and log by hand.",
    )


@suite.check(PERPLEXITY, hint=MODEL_HINT)
def a_blind_model_has_the_vocabulary(student: Any, draw: Draw) -> None:
    """A model that finds all tokens equally likely has the vocabulary's size as perplexity."""
    size = len(toys.vocabulary())
    nothing = torch.zeros(size, size)
    table = toys.Table(nothing, torch.zeros(toys.STATES, size), torch.zeros(size).long())
    pairs = [toys.a_pair(draw, 4, length) for length in (3, 8)]
    got = toys.measure(student, table, pairs)
    toys.judge(
        got,
        float(size),
        {
            "This is the mean of -log p, in nats: return its exp.": math.log(size),
            "This is the mean of -log p in bits: return exp of the mean in nats.": math.log2(size),
            "2 to the power of a mean in nats: use exp.": 2 ** math.log(size),
            "This is a mean probability: perplexity is its inverse, exp of -mean log p.": 1 / size,
        },
        f"All {size} tokens are equally likely, so the perplexity is {size}, but it is {got:.3f}.",
    )

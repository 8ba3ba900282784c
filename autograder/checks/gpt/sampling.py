"""Hidden checks of generate where tokens are drawn, in one call for hundreds of equal prompts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.checks.gpt.common import EVEN_WORDS, suite
from autograder.checks.masked_lm.common import generator_fault, seed_globally
from course.checks import gpt_toys as toys
from course.checks.base import Draw, as_pair, as_tensor, expect
from course.checks.gpt.common import GENERATE
from course.checks.masked_lm_toys import far, percent, repeat

LADDER = torch.tensor([0.4, 2.4, 0.0, 1.2, 2.0, 0.8, 1.6])  # best: 1, then 4, 6, 3
EVEN = torch.zeros(EVEN_WORDS)


def drawn(student: Any, logits: Tensor, rows: int = 800, count: int = 1, **options: Any) -> Tensor:
    """How often each word is drawn when every next token has these logits."""
    prompt = torch.zeros(rows, 2, dtype=torch.long)
    model = toys.model_of(student, logits.expand(3, -1))
    result = student(model, prompt.clone(), count, do_sample=True, **options)
    ids, _ = toys.continuation(result, prompt, count)
    return ids[:, 2:].flatten().bincount(minlength=len(logits))


def expect_shares(counts: Tensor, logits: Tensor, words: str) -> None:
    """Every word's share must be that of the softmax of ``logits``."""
    total, shares = int(counts.sum()), logits.double().softmax(0)
    for word, (count, p) in enumerate(zip(counts.tolist(), shares.tolist(), strict=True)):
        expect(
            count == 0 if p == 0 else not far(count, total, p),
            f"{words} token {word} must come in {100 * p:.0f} % of the draws, but it came in "
            f"{percent(count, total)}.",
        )


@suite.check(GENERATE, points=2)
def temperature_divides_the_logits(student: Any, draw: Draw) -> None:
    """Tokens are drawn from softmax(logits / temperature)."""
    for heat in (0.5, 2.5):
        counts = drawn(student, LADDER, temperature=heat)
        if far(int(counts[1]), 800, float((LADDER / heat).softmax(0)[1])):
            p = float((LADDER * heat).softmax(0)[1])
            expect(
                far(int(counts[1]), 800, p),
                f"At temperature {heat} tokens are drawn as at {1 / heat:g}: divide the logits by "
                "the temperature, do not multiply.",
            )
            p = float(LADDER.softmax(0)[1])
            expect(
                far(int(counts[1]), 800, p),
                f"At temperature {heat} tokens are drawn as at 1: divide the logits (not the "
                "probabilities) by the temperature, before the softmax.",
            )
        expect_shares(counts, LADDER / heat, f"At temperature {heat}")


@suite.check(GENERATE, points=2, hint="Each row of a batch has its own k largest logits.")
def top_k_cuts_the_rest(student: Any, draw: Draw) -> None:
    """With top_k only the k most probable tokens are drawn, in their own proportions."""
    for k in (4, 2):
        counts = drawn(student, LADDER, top_k=k)
        best = LADDER.topk(k).indices
        outside = int(counts.sum() - counts[best].sum())
        expect(
            outside == 0,
            f"With top_k={k}, {outside} of 800 tokens are none of the {k} most probable: set the "
            "logits of all others to -inf before the softmax.",
        )
        cut = torch.full_like(LADDER, float("-inf"))
        cut[best] = LADDER[best]
        expect_shares(counts, cut, f"With top_k={k}")
    table, prompt = toys.a_table(draw), draw.integers(0, 8, 80, 2)
    table = table + 4.0 * torch.arange(len(table))[:, None]  # the softmax does not see it
    result = student(toys.model_of(student, table), prompt.clone(), 2, do_sample=True, top_k=2)
    ids, _ = toys.continuation(result, prompt, 2)
    best = toys.step_logits(table, ids, 2).topk(2).indices  # (batch, count, 2)
    expect(
        bool((ids[:, 2:, None] == best).any(-1).all()),
        "In a batch of different prompts, tokens outside the top_k are drawn: each row has its own "
        "cut.",
    )


@suite.check(GENERATE)
def top_k_at_its_ends(student: Any, draw: Draw) -> None:
    """top_k=1 is greedy, top_k of the whole vocabulary cuts nothing, and so does None."""
    counts = drawn(student, LADDER, rows=100, top_k=1)
    expect(
        counts[1] == 100,
        f"With top_k=1 the most probable token comes in {int(counts[1])} of 100 draws, not always.",
    )
    expect_shares(drawn(student, EVEN, top_k=EVEN_WORDS), EVEN, "With top_k of all words")
    # Not quite even, so that a cut has no ties to keep; 60 words, a default of 50 would show.
    nearly = 1e-4 * torch.arange(60.0)
    counts = drawn(student, nearly, rows=900, count=2)
    expect(
        int((counts > 0).sum()) == 60,  # 1,800 draws: a word is missing at 60 e^-30
        f"Of 60 equal tokens only {int((counts > 0).sum())} are ever drawn: without top_k nothing "
        "is cut.",
    )


@suite.check(GENERATE)
def temperature_and_top_k_together(student: Any, draw: Draw) -> None:
    """With both, the k most probable are drawn from their logits / temperature."""
    counts = drawn(student, LADDER, temperature=0.25, top_k=3)
    cut = torch.full_like(LADDER, float("-inf"))
    best = LADDER.topk(3).indices
    cut[best] = LADDER[best] / 0.25
    expect_shares(counts, cut, "At temperature 0.25 with top_k=3")


@suite.check(GENERATE)
def cold_and_large_logits(student: Any, draw: Draw) -> None:
    """Low temperatures and large logits give no overflow."""
    counts = drawn(student, LADDER, rows=60, temperature=0.01)
    expect(
        counts[1] == 60,  # another has a chance of e^-40
        f"At temperature 0.01 the best token comes in {int(counts[1])} of 60 draws, not always.",
    )
    for shift in (500.0, -500.0):
        prompt = torch.zeros(20, 1, dtype=torch.long)
        model = toys.model_of(student, (LADDER + shift).expand(3, -1))
        result = student(model, prompt.clone(), 1, do_sample=True)
        ids, found = toys.continuation(result, prompt, 1)
        wanted = LADDER.softmax(0)[ids[:, -1:]]
        expect(
            bool((found - wanted).abs().max() < 1e-3),
            f"With {shift:+g} added to all logits the probabilities change: softmax subtracts the "
            "maximum, a hand-made exp overflows.",
        )


@suite.check(GENERATE, points=2)
def every_draw_is_its_own(student: Any, draw: Draw) -> None:
    """Rows and steps are drawn independently, anew in each call."""
    prompt = torch.zeros(60, 1, dtype=torch.long)
    model = toys.model_of(student, EVEN.expand(3, -1))
    seed_globally(student, draw)
    first, second = (
        as_tensor(as_pair(result, "What generate returns")[0], "ids", (60, 15))[:, 1:]
        for result in repeat(student, [model, prompt, 14, 1.0, None, True], 2)
    )
    for words, same in (
        ("All rows of a batch get the same tokens", (first == first[:1]).all()),
        ("Each row repeats one token in every step", (first == first[:, :1]).all()),
        ("Two calls give the same tokens", torch.equal(first, second)),  # each 12^-60 or less
    ):
        expect(not same, f"{words}: draw for each row and step, and seed nothing.")
    flat = first.flatten()
    pairs = int((flat[1:] == flat[:-1]).sum())
    expect(
        not far(pairs, len(flat) - 1, 1 / EVEN_WORDS),
        f"Equal tokens follow each other in {percent(pairs, len(flat) - 1)} of the cases, not in "
        "8.3 %: the draws hang together.",
    )


@suite.check(GENERATE, points=2)
def generator_is_obeyed(student: Any, draw: Draw) -> None:
    """With a generator every draw comes from it: one seed, one text."""
    prompt = torch.zeros(10, 1, dtype=torch.long)
    model = toys.model_of(student, EVEN.expand(3, -1))
    for options in ({}, {"top_k": 8, "temperature": 1.5}):
        fault = generator_fault(
            student,
            draw,
            [model, prompt, 8],
            {"do_sample": True, **options},
            lambda one, two: torch.equal(one[0], two[0]),  # by chance: 8^-80
        )
        expect(fault is None, fault or "")


@suite.check(GENERATE)
def every_token_may_come(student: Any, draw: Draw) -> None:
    """The draw follows the text: each step has its own distribution, and no token is left out."""
    table = toys.a_table(draw, words=6, gap=3.0)  # one token has 95 % of the probability
    prompt = draw.integers(0, 5, 60, 2)
    result = student(toys.model_of(student, table), prompt.clone(), 5, do_sample=True)
    ids, found = toys.continuation(result, prompt, 5)
    steps = toys.step_logits(table, ids, 5)
    best = int((ids[:, 2:] == steps.argmax(-1)).sum())
    p = float(table[0].softmax(0).max())
    expect(
        not far(best, 300, p),
        f"The most probable token, of probability {p:.2f}, came in {percent(best, 300)} of the "
        "steps: each step draws from the logits after all tokens so far.",
    )
    expect(
        bool((found - toys.chosen(steps, ids)).abs().max() < 1e-3),
        "The probability of a drawn token is that of another token or step.",
    )

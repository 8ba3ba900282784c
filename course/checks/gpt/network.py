"""Visible checks of GPT."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional as F

from course.checks.base import Draw, as_tensor, expect, largest_difference
from course.checks.gpt.common import NETWORK, suite
from course.checks.gpt_toys import BLOCK, DIM, HEADS, WORDS, build, enliven, working


@suite.check(NETWORK)
def logits_for_every_position(student: Any, draw: Draw) -> None:
    """forward returns logits (batch, length, vocab_size), for any length up to block_size."""
    model = working(student, draw)
    for batch, length in ((2, 5), (1, 1), (3, BLOCK)):
        logits = model(draw.integers(0, WORDS - 1, batch, length))
        expect(
            not isinstance(logits, (tuple, list)),
            "forward returns several things: return the logits alone, without a loss.",
        )
        shape = (batch, length, WORDS)
        values = as_tensor(logits, f"The logits of {batch} texts of {length} tokens", shape)
        total = values.double().logsumexp(dim=-1).abs().max()
        expect(
            total > 1e-4 and largest_difference(values.sum(-1), torch.ones(batch, length)) > 1e-4,
            "These are probabilities or their logarithms: return the logits as the head gives "
            "them.",
        )


@suite.check(NETWORK, points=3)
def later_tokens_have_no_influence(student: Any, draw: Draw) -> None:
    """The logits of a position depend on the tokens up to it, never on later ones."""
    model = working(student, draw, WORDS, BLOCK, 2, HEADS, DIM)
    enliven(model, draw)
    ids = draw.integers(0, WORDS - 1, 3, 8)
    logits = model(ids)
    for place in (7, 4, 1):
        other = ids.clone()
        other[:, place:] = (ids[:, place:] + draw.integers(1, WORDS - 1, 3, 8 - place)) % WORDS
        leak = largest_difference(model(other)[:, :place], logits[:, :place])
        expect(
            leak < 1e-4,
            f"Changing the tokens from position {place} on moves earlier logits by {leak:.2g}: the "
            "model sees the answers that it is to guess. Every block's attention must be causal.",
        )


@suite.check(NETWORK, points=2)
def earlier_tokens_have_influence(student: Any, draw: Draw) -> None:
    """The logits of a position depend on every token before it, and on its place."""
    model = working(student, draw)
    enliven(model, draw)
    ids = draw.integers(0, WORDS - 1, 1, 6)
    logits = model(ids)
    for place in (0, 3, 5):
        other = ids.clone()
        other[:, place] = (other[:, place] + 1) % WORDS
        moved = largest_difference(model(other)[:, 5], logits[:, 5])
        expect(
            moved > 1e-5,
            f"The token at position {place} has no influence on the logits of position 5.",
        )
    same = model(torch.full((1, 6), int(ids[0, 0])))[0]
    expect(
        largest_difference(same[1:], same[:1].expand(5, WORDS)) > 1e-4,
        "A text of equal tokens gets equal logits everywhere: add the position embedding of each "
        "place to the token embedding.",
    )


@suite.check(NETWORK)
def too_long_is_refused(student: Any, draw: Draw) -> None:
    """block_size tokens are read, more are refused."""
    model = build(student, draw)
    as_tensor(model(torch.zeros(1, BLOCK).long()), "The logits", (1, BLOCK, WORDS))
    for length in (BLOCK + 1, BLOCK + 9):
        try:
            model(torch.zeros(1, length).long())
        except NotImplementedError:
            raise
        except Exception:
            continue
        expect(
            False,
            f"{length} tokens went into a model of block_size={BLOCK} without an error: raise a "
            "ValueError that names both numbers.",
        )


@suite.check(NETWORK)
def a_new_model_knows_nothing(student: Any, draw: Draw) -> None:
    """The first loss of a new model is about ln(vocab_size)."""
    model = working(student, draw, 200, 24, 2, 4, 32)
    ids = draw.integers(0, 199, 8, 21)
    logits = as_tensor(model(ids[:, :-1]), "The logits", (8, 20, 200))
    loss = float(F.cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten()))
    # Logits of a last LayerNorm and weights N(0, 0.02) have deviation 0.02 √32 = 0.11; the mean
    # over 160 targets has at most 0.11 / √(160 / 20), so 0.3 is more than six deviations.
    expect(
        abs(loss - math.log(200)) < 0.3,
        f"The first loss on random words is {loss:.2f}, far from ln 200 = {math.log(200):.2f}: "
        "weights of all layers and embeddings start as N(0, 0.02), biases at 0.",
    )


@suite.check(NETWORK, points=2)
def num_classes_makes_a_classifier(student: Any, draw: Draw) -> None:
    """With num_classes, forward returns logits (batch, num_classes), read at the last token."""
    for classes, batch in ((3, 4), (2, 1)):
        model = working(student, draw, num_classes=classes)
        enliven(model, draw)
        ids = draw.integers(0, WORDS - 1, batch, 6)
        logits = as_tensor(model(ids), "The classes' logits", (batch, classes))
        other = ids.clone()
        other[:, -1] = (other[:, -1] + 1) % WORDS
        expect(
            largest_difference(model(other), logits) > 1e-5,
            "The last token has no influence on the classes: only the last content token has seen "
            "the whole text, so classify from its vector.",
        )

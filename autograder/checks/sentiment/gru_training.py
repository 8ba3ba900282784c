"""Hidden checks of GruSentiment's learning: every weight, and what it reaches."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.checks.sentiment.common import GRU, suite
from course.checks import live
from course.checks import sentiment_toys as toys
from course.checks.base import Draw, as_tensor, expect
from course.checks.sentiment import GRU_HINT

LENGTHS = (3, 6)
NOISE = 0.1  # share of labels that are wrong on purpose


@suite.check(GRU, points=2, hint=GRU_HINT)
def every_weight_learns(student: Any, draw: Draw) -> None:
    """Gradients reach every layer of the GRU in both directions, and the layer on top"""
    for options in ({"num_layers": 3}, {"bidirectional": False}):
        encoder = toys.an_encoder(student, draw)
        model = toys.over(student, encoder, draw, 5, **options)
        theirs = set(toys.encoder_names(model, encoder))
        slopes = toys.slopes(model, *toys.a_batch(draw, [6, 5, 7, 4]))
        own = {name: slope for name, slope in slopes.items() if name not in theirs}
        idle = [name for name, slope in own.items() if slope == 0.0]
        expect(
            len(idle) < len(own),
            "No gradient reaches any weight: only the encoder is frozen, no torch.no_grad() or "
            "detach() around the GRU.",
        )
        expect(
            not idle,
            f"No gradient reaches {', '.join(idle[:4])}: use the final states of the last layer "
            "(forward after the last token, backward after the first): h_n[-2] and h_n[-1].",
        )


def puzzles(draw: Draw, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Texts with one token 0 and one token 1 each; the label says whether 0 comes first.

    Both classes have the same words, so a bag of words gets one half. Returns ids, mask, and
    labels of which a share of NOISE is turned round.
    """
    lengths = [draw.integer(*LENGTHS) for _ in range(count)]
    ids, mask = toys.a_batch(draw, [max(lengths), *lengths[1:]])
    ids = ids.clamp(min=2)
    labels = draw.boolean(count)
    for row, length in enumerate(mask.sum(1).tolist()):
        one, two = sorted(draw.permutation(length)[:2].tolist())
        ids[row, one], ids[row, two] = (0, 1) if labels[row] else (1, 0)
    return ids, mask, (labels ^ draw.boolean(count, probability=NOISE)).float()


@suite.check(GRU, points=3, hint=GRU_HINT)
def learns_what_depends_on_order(student: Any, draw: Draw) -> None:
    """Trained on texts whose label depends on the order of words, it is right on new ones"""
    encoder = toys.an_encoder(student, draw)
    model = toys.over(student, encoder, draw, 16)
    ids, mask, labels = puzzles(draw, 960)
    toys.learn(model, ids, mask, labels, 16, 0.02)
    live.set_mode(model, False)
    # The labels of the new texts stay here.
    ids, mask, labels = puzzles(draw, 400)
    logits = as_tensor(toys.flat(model, ids, mask), "The logits")
    accuracy = float(((logits > 0) == labels.bool()).float().mean())
    # At most 0.9 can be right but for chance: 400 labels, deviation 0.015, five of them above.
    expect(
        accuracy > 0.7,
        f"After 60 steps {accuracy:.0%} of new texts are right, where 50 % is guessing and 90 % "
        "is possible: something keeps the model from learning order.",
    )
    expect(
        accuracy < 0.98,
        f"{accuracy:.0%} of the new texts are right though one label in ten is wrong on purpose: "
        "this is too good to be learnt.",
    )
    expect(torch.isfinite(logits).all(), "Some logits are not finite.")

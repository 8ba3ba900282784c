"""Visible checks of Bert."""

from __future__ import annotations

from typing import Any

import torch

from course.checks import live
from course.checks.base import Draw, as_tensor, close, expect, largest_difference
from course.checks.encoder.suite import BERT, MODULE, suite
from course.checks.encoder_toys import DIM, SIZES, WORDS, build, enliven, is_wide, working


@suite.check(BERT, points=2, hint="The embedding has vocab_size + 1 rows, for ids 0 to vocab_size.")
def logits_over_the_words(student: Any, draw: Draw) -> None:
    """Ids from 0 to vocab_size, the mask token, give logits (batch, length, vocab_size)."""
    model = working(student, draw, WORDS, 2, *SIZES)
    ids = draw.integers(0, WORDS - 1, 3, 5)
    ids[1, 2] = WORDS
    logits = model(ids)
    shape = tuple(getattr(logits, "shape", ()))
    expect(
        shape != (3, 5, WORDS + 1),
        f"The head gives {WORDS + 1} logits a token: the mask token is never an answer, so the "
        "head has vocab_size rows.",
    )
    expect(
        shape != (3, 5, DIM),
        "Hidden states come back: end with the linear head over the words.",
    )
    logits = as_tensor(logits, "The logits", (3, 5, WORDS))
    for sums in (logits.sum(dim=-1), logits.exp().sum(dim=-1)):
        one = close(sums, torch.ones_like(sums))
        expect(
            not one,
            "The output is a (log-)probability already: return logits, no softmax.",
        )


@suite.check(BERT, hint=MODULE)
def padding_is_invisible(student: Any, draw: Draw) -> None:
    """With one block, another id at a padded position leaves the other logits as they are."""
    model = build(student, draw, WORDS, 1, *SIZES)
    require_invisible_padding(model, draw, "Make it a mask over keys and hand it to the block.")


def require_invisible_padding(model: Any, draw: Draw, way_out: str) -> None:
    """Fail when padded tokens are seen, or real ones are not."""
    enliven(model, draw)
    ids = draw.integers(0, WORDS - 1, 2, 6)
    mask = torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]])
    before = model(ids, mask)
    padded, real = ids.clone(), ids.clone()
    padded[0, 4] = (padded[0, 4] + 1) % WORDS
    real[0, 2] = (real[0, 2] + 1) % WORDS
    seen = largest_difference(before[0, :2], model(real, attention_mask=mask)[0, :2])
    leak = largest_difference(before[0, :4], model(padded, attention_mask=mask)[0, :4])
    expect(
        seen > 1e-5,
        "A real token has no influence on the others: 1 in attention_mask means that it may be "
        "looked at, 0 that it is padding.",
    )
    expect(
        leak < 1e-5,
        f"Another id at a padded position moves the logits of real tokens by {leak:.3f}. {way_out}",
    )


@suite.check(BERT, hint=MODULE)
def order_matters(student: Any, draw: Draw) -> None:
    """The same tokens in another order get other logits, for they know their positions."""
    model = working(student, draw, WORDS, 1, *SIZES)
    enliven(model, draw)
    ids = draw.permutation(WORDS)[None, :5]
    turned = ids.flip(dims=[1])
    moved = largest_difference(model(ids), model(turned).flip(dims=[1]))
    expect(
        moved > 1e-4,
        "Turning the sentence round only turns the logits round: the model does not know where a "
        "token stands. Add the positions to the embeddings.",
    )


@suite.check(BERT, hint=MODULE)
def every_layer_has_its_own_weights(student: Any, draw: Draw) -> None:
    """num_layers blocks, each with parameters of its own."""
    sizes, blocks = [], []
    for layers in (1, 2, 4):
        values = live.parameters(build(student, draw, WORDS, layers, *SIZES))
        sizes.append(sum(value.numel() for value in values.values()))
        blocks.append(sum(is_wide(value) for value in values.values()))
    expect(
        blocks[0] > 0,
        "The blocks' weights are not among the model's parameters: keep the blocks in an "
        "nn.ModuleList, not in a plain list.",
    )
    first, second, fourth = sizes
    expect(
        second > first,
        f"One block and two blocks both have {first} parameters: make a new EncoderBlock for every "
        "layer; [block] * n repeats the same one.",
    )
    expect(
        fourth - second == 2 * (second - first),
        f"1, 2 and 4 layers have {first}, {second} and {fourth} parameters: every layer must add "
        "the same number.",
    )

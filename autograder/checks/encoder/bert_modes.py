"""Hidden checks of Bert in training and evaluation mode."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.checks.encoder.suite import suite
from course.checks import live
from course.checks.base import Draw, close, expect, largest_difference
from course.checks.encoder.suite import BERT
from course.checks.encoder_toys import (
    DIM,
    SIZES,
    WORDS,
    arrange_bert,
    enliven,
    positions,
    working,
)


@suite.check(BERT)
def dropout_after_the_positions(student: Any, draw: Draw) -> None:
    """In training the sum of embeddings and positions is dropped out."""
    model = working(student, draw, WORDS, 1, *SIZES, 0.5, training=True)
    arrange_bert(model, draw)
    ids = draw.integers(0, WORDS, 4, 6)
    moved = largest_difference(model(ids), model(ids))
    expect(
        moved > 1e-4,
        "In training embeddings and positions are never dropped: hand dropout to "
        "PositionalEncoding.",
    )


@suite.check(BERT)
def dropout_reaches_the_blocks(student: Any, draw: Draw) -> None:
    """In training the blocks drop out too."""
    model = working(student, draw, WORDS, 1, *SIZES, 0.5, training=True)
    enliven(model, draw)
    # An embedding of minus position 0 makes the sum zero, whatever is dropped from it: only the
    # blocks, which add their biases, can make copies of that token differ.
    for name, value in live.parameters(model).items():
        if tuple(value.shape) == (WORDS + 1, DIM):
            live.set_parameters(model, {name: -positions(1, DIM).float().expand(value.shape)})
    ids = torch.zeros(40, 1, dtype=torch.long)
    logits: Tensor = model(ids)
    moved = largest_difference(logits, logits[:1].expand_as(logits))
    expect(
        moved > 1e-4,
        "In training the blocks drop nothing: hand the model's dropout to every EncoderBlock.",
    )


@suite.check(BERT)
def model_is_steady_when_evaluating(student: Any, draw: Draw) -> None:
    """In evaluation mode, and by default in training too, two calls agree."""
    ids = draw.integers(0, WORDS, 3, 6)
    for dropout, training in (({"dropout": 0.5}, False), ({}, True)):
        model = working(student, draw, WORDS, 2, *SIZES, training=training, **dropout)
        enliven(model, draw)
        mode = "training with the default dropout" if training else "evaluation mode"
        expect(close(model(ids), model(ids), 1e-6), f"In {mode} two calls give other logits.")
        expect(live.is_training(model) == training, "The model changes its own mode when called.")

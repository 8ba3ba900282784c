"""Hidden checks of GPT's first weights, its dropout, and that it learns."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from autograder.checks.gpt.common import suite
from course.checks import live
from course.checks.base import Draw, close, expect, largest_difference
from course.checks.encoder_toys import is_gain
from course.checks.gpt.common import NETWORK
from course.checks.gpt_toys import BLOCK, DIM, HEADS, WORDS, build, enliven, overfit, real

VOCABULARY, CONTEXT, LAYERS, WIDTH = 200, 24, 2, 32


def fresh(student: Any, draw: Draw, **options: Any) -> dict[str, Tensor]:
    """The parameters of a new model, larger than the toys so that deviations can be measured."""
    return live.parameters(build(student, draw, VOCABULARY, CONTEXT, LAYERS, 4, WIDTH, **options))


def deviates(value: Tensor, wanted: float) -> bool:
    """Whether a sample's deviation is further than six of its own from ``wanted``.

    The deviation of n normal numbers has itself a standard deviation of about wanted / √(2n).
    """
    return abs(float(value.double().std()) / wanted - 1) > 6 / math.sqrt(2 * value.numel())


@suite.check(NETWORK, points=2)
def weights_start_small(student: Any, draw: Draw) -> None:
    """Weights and embeddings start as N(0, 0.02); residual projections may start smaller."""
    scaled = 0
    # GPT-2 divides the residual projections by √(residual layers): allowed, two a layer.
    smaller = [0.02 / math.sqrt(LAYERS), 0.02 / math.sqrt(2 * LAYERS)]
    values = fresh(student, draw)
    expect(values, "The model has no parameters: make its layers in __init__ as attributes.")
    for name, value in values.items():
        zero = not value.any()  # biases of any shape, and positions as in minGPT
        if len(real(value)) < 2 or (
            zero and (real(value) == (CONTEXT, WIDTH) or value.numel() <= 4 * WIDTH)
        ):
            continue
        deviation = float(value.std())
        if deviates(value, 0.02):
            scaled += 1
            expect(
                real(value) != (VOCABULARY, WIDTH) and not all(deviates(value, s) for s in smaller),
                f"{name} starts with a standard deviation of {deviation:.4f}, not 0.02: initialise "
                "every linear layer and every embedding.",
            )
        expect(
            abs(float(value.mean())) < 6 * deviation / math.sqrt(value.numel()),
            f"The mean of {name} is {float(value.mean()):.4f}, not about 0.",
        )
        # The largest of 1,000 normal numbers or more is above 2.2 deviations, but for 6e-13.
        expect(
            value.numel() < 1000 or float(value.abs().max()) > 2.2 * deviation,
            f"{name} is not normally distributed: use nn.init.normal_(weight, std=0.02).",
        )
    expect(
        scaled <= 2 * LAYERS,
        f"{scaled} weights start with a standard deviation other than 0.02.",
    )


@suite.check(NETWORK)
def biases_and_norms_start_plain(student: Any, draw: Draw) -> None:
    """Biases start at 0, LayerNorms at gain 1 and bias 0."""
    gains = 0
    for name, value in fresh(student, draw).items():
        if len(real(value)) >= 2:
            continue
        largest = float(value.abs().max())
        expect(
            largest < 0.5 or is_gain(value),  # torch's own small biases are pardoned
            f"{name} starts with values like {largest:.2f}: biases start at 0, a LayerNorm's gains "
            "at 1.",
        )
        gains += is_gain(value)
    expect(
        gains >= 2 * LAYERS,
        f"{gains} LayerNorms start with gain 1, {2 * LAYERS} or more are due: only linear layers "
        "and embeddings are drawn at random.",
    )


@suite.check(NETWORK, points=2)
def dropout_only_in_training(student: Any, draw: Draw) -> None:
    """Dropout acts in training, and only there; by default there is none."""
    ids = draw.integers(0, WORDS - 1, 3, 6)
    for words, training, options in (
        ("In evaluation mode", False, {"dropout": 0.5}),
        ("In training with the default dropout of 0", True, {}),
    ):
        model = build(student, draw, training=training, **options)
        enliven(model, draw)
        expect(close(model(ids), model(ids), 1e-5), f"{words} two calls give other logits.")
        expect(live.is_training(model) == training, "The model changes its own mode when called.")
    model = build(student, draw, training=True, dropout=0.5)
    enliven(model, draw)
    expect(
        largest_difference(model(ids), model(ids)) > 1e-4,
        "In training with dropout=0.5 two calls agree: hand dropout on to the layers.",
    )
    plain = build(student, draw)
    live.set_parameters(plain, live.parameters(model))
    live.set_mode(model, False)
    expect(close(model(ids), plain(ids), 1e-3), "In evaluation mode dropout changes the logits.")


@suite.check(NETWORK)
def block_size_sets_the_positions(student: Any, draw: Draw) -> None:
    """There is one learned vector a position, block_size of them."""
    sizes = [(WORDS, block, 1, HEADS, DIM) for block in (BLOCK, BLOCK + 5)]
    short, long = (
        sum(v.numel() for v in live.parameters(build(student, draw, *s)).values()) for s in sizes
    )
    expect(
        long - short == 5 * DIM,
        f"Five positions more add {long - short} weights, not 5 · embed_dim = {5 * DIM}: the "
        "position embedding is a table of (block_size, embed_dim).",
    )


@suite.check(NETWORK, points=3)
def it_learns_a_batch_by_heart(student: Any, draw: Draw) -> None:
    """Trained on one batch, the model learns it by heart."""
    model = build(student, draw, WORDS, BLOCK, 2, HEADS, 4 * DIM, training=True)
    ids = draw.integers(0, WORDS - 1, 4, 9)
    ids[:, 0] = torch.arange(4)  # the first token tells the texts apart
    losses = overfit(model, ids[:, :-1], ids[:, 1:], 60, 1e-2)
    expect(
        losses[-1] < 0.5,
        f"After 60 steps on four texts the loss is {losses[-1]:.2f} (it began at {losses[0]:.2f},"
        f" and ln {WORDS} = {math.log(WORDS):.2f}): such a batch is soon learned by heart.",
    )
    expect(
        losses[0] > 1.5,
        f"The first loss is {losses[0]:.2f}, far below ln {WORDS}: the model sees its answers.",
    )

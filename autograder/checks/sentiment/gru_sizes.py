"""Hidden checks of GruSentiment's arguments: layers, directions, size, dropout, and the logits."""

from __future__ import annotations

from typing import Any

from autograder.checks.sentiment.common import GRU, suite
from course.checks import live
from course.checks import sentiment_toys as toys
from course.checks.base import Draw, as_tensor, close, expect
from course.checks.sentiment import GRU_HINT

FIRST = "If the sizes of the layer on top do not fit: 2 · hidden numbers with two directions, else "
SIZES_HINT = FIRST + "hidden."


def weights(student: Any, draw: Draw, hidden: int, layers: int, both: bool) -> int:
    """How many numbers a model of these sizes learns, after it has been called once."""
    model = toys.build(student, draw, hidden, num_layers=layers, bidirectional=both)
    model(*toys.a_batch(draw, [3, 2]))
    return sum(toys.sizes(model).values())


@suite.check(GRU, points=2, hint=SIZES_HINT)
def sizes_are_those_of_a_gru(student: Any, draw: Draw) -> None:
    """num_layers, hidden and bidirectional shape the GRU as they say"""
    for hidden, both in ((7, True), (9, False)):
        directions = 2 if both else 1
        two, three = (weights(student, draw, hidden, layers, both) for layers in (2, 3))
        # A further layer has three gates: matrices for its input and its state, and biases.
        gate = directions * hidden * (directions * hidden + hidden)
        gates = (three - two) / gate
        named = f"hidden={hidden}, bidirectional={both}"
        expect(two != three, f"With {named} a third layer adds no weight: num_layers is ignored.")
        expect(
            2.9 < gates < 3.7,
            f"With {named} a third layer adds {three - two} numbers, {gates:.1f} times a gate's "
            f"{gate}: a GRU has 3 gates (an LSTM 4), each direction of its own and of size hidden.",
        )
    one = [weights(student, draw, 6, 1, both) for both in (False, True)]
    gate = 6 * (toys.DIM + 6)
    expect(
        one[1] - one[0] > 2.9 * gate,
        f"The second direction adds {one[1] - one[0]} numbers, but has {3 * gate} weights and more:"
        " bidirectional is ignored.",
    )


@suite.check(GRU, hint=SIZES_HINT)
def defaults_are_as_said(student: Any, draw: Draw) -> None:
    """Without further arguments there are two layers, two directions and no dropout"""
    model = toys.build(student, draw, 6, training=True)
    plain, full = sum(toys.sizes(model).values()), weights(student, draw, 6, 2, True)
    expect(
        plain == full,
        f"By default the model has {plain} numbers, with num_layers=2 and bidirectional=True it has"
        f" {full}: these are the defaults.",
    )
    batch = toys.a_batch(draw, [6] * 8)
    expect(
        close(toys.flat(model, *batch), toys.flat(model, *batch), 1e-6),
        "By default two calls in training mode give different logits: dropout is 0 unless it is "
        "given.",
    )


@suite.check(GRU, hint=SIZES_HINT)
def all_sizes_work(student: Any, draw: Draw) -> None:
    """One or three layers, one or two directions, any hidden size"""
    for hidden, layers, both in ((1, 1, False), (3, 1, True), (4, 3, False), (5, 3, True)):
        model = toys.build(student, draw, hidden, layers, both)
        result = model(*toys.a_batch(draw, [4, 2, 3]))
        as_tensor(result, f"The result of {layers} layers of {hidden}", (3,))


@suite.check(GRU, hint=GRU_HINT)
def dropout_works_in_training(student: Any, draw: Draw) -> None:
    """dropout acts in training and only there; with 0 nothing is random"""
    batch = toys.a_batch(draw, [6] * 8)
    for rate, training in ((0.5, True), (0.5, False), (0.0, True)):
        model = toys.build(student, draw, 8, dropout=rate, training=training)
        first = toys.flat(model, *batch)
        same = all(close(toys.flat(model, *batch), first, 1e-6) for _ in range(3))
        mode = "training" if training else "evaluation"
        # 8 texts × 16 units between the layers, three times: all kept alike at 2^-128 and less.
        expect(
            same or (rate > 0 and training),
            f"With dropout={rate} in {mode} mode two calls give different logits: something is "
            "dropped that should stay.",
        )
        expect(
            not same or rate == 0.0 or not training,
            "With dropout=0.5 in training mode two calls give the same logits: hand the rate on to "
            "the GRU (between its layers) or to nn.Dropout.",
        )


@suite.check(GRU, points=2, hint=GRU_HINT)
def result_is_a_logit(student: Any, draw: Draw) -> None:
    """The result is a logit: any number, no sigmoid"""
    encoder = toys.an_encoder(student, draw)
    batch = toys.a_batch(draw, [5, 3])
    found = toys.fresh_logits(student, [encoder, 8], *batch, 40)
    logits = as_tensor(found, "The logits", (40, 2))
    low, high = float(logits.min()), float(logits.max())
    # The final states lie between -1 and 1, so their sum is at most 16. With weights of several
    # hundred a linear layer goes beyond that in 98 % of the models, to either side alike: for none
    # of 40 on one side the probability is 0.51^40 = 2e-12.
    expect(
        low < -16 and high > 16,
        f"With huge weights the results lie between {low:.2f} and {high:.2f}: a linear layer makes "
        "the logit, and nothing comes after it, no sigmoid, no tanh. The loss takes the sigmoid.",
    )


@suite.check(GRU, hint=GRU_HINT)
def model_follows_its_own_mode(student: Any, draw: Draw) -> None:
    """A forward pass leaves the model in its mode"""
    model = toys.build(student, draw, 4, dropout=0.3)
    for training in (True, False):
        live.set_mode(model, training)
        model(*toys.a_batch(draw, [3, 4]))
        expect(
            live.is_training(model) is training,
            "After forward the model is in another mode: put the encoder into eval mode, not self.",
        )
    expect(
        toys.modes_return_it(model),
        "model.train() or model.eval() does not return the model: end a train() of your own with "
        "`return self`.",
    )

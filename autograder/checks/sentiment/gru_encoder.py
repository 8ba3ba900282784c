"""Hidden checks of GruSentiment's frozen encoder."""

from __future__ import annotations

from typing import Any

from autograder.checks.sentiment.common import GRU, suite
from course.checks import live
from course.checks import sentiment_toys as toys
from course.checks.base import Draw, close, expect
from course.checks.sentiment import GRU_HINT


@suite.check(GRU, points=2, hint=GRU_HINT)
def encoder_dropout_stays_off(student: Any, draw: Draw) -> None:
    """The encoder's dropout is off in training too"""
    encoder = toys.an_encoder(student, draw, rate=0.5)
    live.set_mode(encoder, True)  # as a model made from its config comes
    model = student(encoder, 5)
    batch = toys.a_batch(draw, [6, 4, 5])
    for training in (True, False, True):
        live.set_mode(model, training)
        toys.calls(student)
        model(*batch)
        notes = toys.calls(student)
        expect(notes, "The encoder was not called at all.")
        expect(
            not any(note["training"] for note in notes),
            "After model.train() the encoder's dropout is on: train() reaches every submodule. Put "
            "the encoder back into eval mode, in forward or in a train() of your own.",
        )


@suite.check(GRU, hint=GRU_HINT)
def no_gradient_in_the_encoder(student: Any, draw: Draw) -> None:
    """No gradient reaches embeddings, weights or biases of the encoder"""
    encoder = toys.an_encoder(student, draw, context=0.5)
    model = toys.over(student, encoder, draw, 4, num_layers=1)
    theirs = set(toys.encoder_names(model, encoder))
    slopes = toys.slopes(model, *toys.a_batch(draw, [5, 4, 6]))
    reached = [name for name, slope in slopes.items() if name in theirs and slope > 0]
    expect(
        not reached,
        f"Gradients reach {', '.join(reached)} of the encoder: it is always frozen. Freeze all of "
        "its parameters, or run it under torch.no_grad().",
    )


@suite.check(GRU, hint=GRU_HINT)
def hidden_states_are_read(student: Any, draw: Draw) -> None:
    """The GRU reads the encoder's last hidden states"""
    encoder = toys.an_encoder(student, draw, blind=True)
    model = toys.over(student, encoder, draw, 5)
    live.set_mode(model, False)
    ids, mask = toys.a_batch(draw, [5, 5, 5])
    logits = toys.flat(model, ids, mask)
    expect(
        close(toys.flat(model, (ids + 1) % toys.WORDS, mask), logits),
        "All last hidden states are alike here, yet other tokens change the logits: read "
        "last_hidden_state, not the embeddings or an earlier layer.",
    )

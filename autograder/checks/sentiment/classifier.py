"""Hidden checks of ClsClassifier, over a scripted encoder."""

from __future__ import annotations

from typing import Any

import torch

from autograder.checks.sentiment.common import CLS, suite
from course.checks import sentiment_toys as toys
from course.checks.base import Draw, as_tensor, close, expect
from course.checks.sentiment import ENCODER_HINT, expect_mask


@suite.check(CLS, points=2, hint=ENCODER_HINT)
def classifier_hands_on_the_mask(student: Any, draw: Draw) -> None:
    """The encoder gets the attention mask"""
    expect_mask(student, toys.build(student, draw, 2), draw)


@suite.check(CLS, points=2, hint=ENCODER_HINT)
def tuning_reaches_the_encoder(student: Any, draw: Draw) -> None:
    """Without freeze the whole encoder learns"""
    encoder = toys.an_encoder(student, draw, context=0.5)
    model = toys.over(student, encoder, draw, 3)
    found = toys.trained(model, encoder, draw, draw.integers(0, 2, 8))
    expect(
        not found.encoder_still,
        f"Without freeze {len(found.encoder_still)} of the encoder's parameters stay as they are "
        f"({', '.join(found.encoder_still)}): no torch.no_grad() and no detach() around it, "
        "self.encoder = encoder, and freeze=False must freeze nothing.",
    )


@suite.check(CLS, points=2, hint=ENCODER_HINT)
def head_learns_when_frozen(student: Any, draw: Draw) -> None:
    """The head learns, whether the encoder is frozen or not"""
    for freeze in (True, False):
        encoder = toys.an_encoder(student, draw)
        model = toys.over(student, encoder, draw, 3, freeze=freeze)
        found = toys.trained(model, encoder, draw, draw.integers(0, 2, 8))
        expect(
            found.own_moved,
            f"With freeze={freeze} nothing learns: freeze the encoder's parameters alone, not those"
            " of the layer on top of it.",
        )


@suite.check(CLS, hint=ENCODER_HINT)
def freeze_covers_every_parameter(student: Any, draw: Draw) -> None:
    """With freeze=True no gradient reaches embeddings, weights or biases of the encoder"""
    encoder = toys.an_encoder(student, draw, context=0.5)
    model = toys.over(student, encoder, draw, 2, True)
    theirs = set(toys.encoder_names(model, encoder))
    slopes = toys.slopes(model, *toys.a_batch(draw, [5, 4, 6]))
    reached = [name for name, slope in slopes.items() if name in theirs and slope > 0]
    expect(
        not reached,
        f"With freeze=True (the third argument) gradients reach {', '.join(reached)} of the "
        "encoder: freeze all of its parameters.",
    )


@suite.check(CLS, hint=ENCODER_HINT)
def classes_are_logits(student: Any, draw: Draw) -> None:
    """The results are logits: neither softmax, nor log-softmax, nor sigmoid has been taken"""
    encoder = toys.an_encoder(student, draw)
    batch = toys.a_batch(draw, [3, 4])
    found = as_tensor(toys.fresh_logits(student, [encoder, 3], *batch, 40), "The logits", (40, 6))
    logits = found.view(80, 3).double()  # (texts, classes)
    sums = logits.sum(-1)
    expect(
        not close(sums, torch.ones_like(sums)),
        "The logits of a text add up to 1: a softmax was taken. The loss takes one itself, return "
        "the logits.",
    )
    expect(
        not close(logits.logsumexp(-1), torch.zeros_like(sums)),
        "A log-softmax was taken: return the logits of the linear layer.",
    )
    # With weights of several hundred a linear layer's outputs are as often below -1 as above 1, and
    # hardly ever between: 2^-40 and less for a false alarm.
    low, high = float(logits.min()), float(logits.max())
    expect(
        low < -1 and high > 1,
        f"With huge weights in 40 models all logits lie between {low:.2f} and {high:.2f}: return "
        "the linear layer's output as it is, without sigmoid, tanh or ReLU.",
    )


@suite.check(CLS, hint=ENCODER_HINT)
def classifier_is_steady(student: Any, draw: Draw) -> None:
    """In evaluation mode the same texts get the same logits"""
    model = toys.build(student, draw, 2, rate=0.5)
    batch, other = toys.a_batch(draw, [5, 5, 5]), toys.a_batch(draw, [5, 5, 5])
    first = as_tensor(model(*batch), "The logits")
    model(*other)
    for _ in range(3):
        expect(
            close(as_tensor(model(*batch), "The logits"), first),
            "In evaluation mode a second call gives other logits: dropout is on (nn.Dropout obeys "
            "model.eval(), F.dropout only with training=self.training), or something is kept.",
        )


@suite.check(CLS, hint=ENCODER_HINT)
def texts_are_classified_alone(student: Any, draw: Draw) -> None:
    """A text gets the same logits alone as in a batch, also one of a single token"""
    model = toys.build(student, draw, 4)
    ids, mask = toys.a_batch(draw, [5, 1, 3])
    logits = as_tensor(model(ids, mask), "The logits")
    for row, content in enumerate(mask.bool()):
        text = ids[row][content][None]  # (1, tokens)
        single = as_tensor(
            model(text, torch.ones_like(text)), "The logits of a batch of one", (1, 4)
        )
        expect(
            close(single[0], logits[row]),
            "A text alone gets other logits than in a batch: index the batch axis first, "
            "last_hidden_state[:, 0].",
        )


@suite.check(CLS, hint=ENCODER_HINT)
def last_layer_is_read(student: Any, draw: Draw) -> None:
    """[CLS] is read after the last layer, where it knows the whole text"""
    model = toys.build(student, draw, 3, context=2.0)
    ids, mask = toys.a_batch(draw, [6, 6, 6])
    other = ids.clone()
    other[:, 1:] = (ids[:, 1:] + 1) % toys.WORDS
    change = as_tensor(model(other, mask), "The logits") - as_tensor(model(ids, mask), "The logits")
    expect(
        toys.rms(change) > 1e-4,
        "Other words leave the logits as they are, though the encoder mixes them into [CLS]: take "
        "the last hidden states, not the embeddings.",
    )

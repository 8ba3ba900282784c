"""Visible checks of the exercise `sentiment`: the first mistakes that people make."""

from __future__ import annotations

from typing import Any

import torch

from course.checks import live
from course.checks import sentiment_toys as toys
from course.checks.base import Draw, Suite, as_tensor, close, expect

suite = Suite("sentiment")
CLS, GRU = "ClsClassifier", "GruSentiment"
ACCURACY, PREDICT = "binary_accuracy", "predict_sentiment"
ENCODER_HINT = (
    "The encoder is called as encoder(input_ids, attention_mask=attention_mask), its answer is "
    ".last_hidden_state, its dimension encoder.config.hidden_size; there is no pooler."
)
GRU_HINT = "Try it with a batch of two sentences, one padded, before you run the checks."


@suite.check(CLS, points=2, hint=ENCODER_HINT)
def one_logit_a_class(student: Any, draw: Draw) -> None:
    """The result is a tensor (batch, num_classes)"""
    for classes in (2, 5):
        model = toys.build(student, draw, classes)
        result = model(*toys.a_batch(draw, [4, 6, 3]))
        as_tensor(result, "The result for 3 texts", (3, classes))


@suite.check(CLS, points=2, hint=ENCODER_HINT)
def only_the_first_token_counts(student: Any, draw: Draw) -> None:
    """The logits are made from the hidden state of the first token, [CLS]"""
    model = toys.build(student, draw, 3)
    ids, mask = toys.a_batch(draw, [7, 7, 7, 7])
    logits = as_tensor(model(ids, mask), "The logits")
    last, first = ids.clone(), ids.clone()
    last[:, 1:] = (ids[:, 1:] + 1) % toys.WORDS
    first[:, 0] = (ids[:, 0] + 1) % toys.WORDS
    expect(
        close(as_tensor(model(last, mask), "The logits"), logits),
        "Other hidden states than that of [CLS] change the logits: take last_hidden_state[:, 0], "
        "no mean, no maximum, no last token.",
    )
    expect(
        not close(as_tensor(model(first, mask), "The logits"), logits, 1e-3),
        "The hidden state of the first token has no influence on the logits: take "
        "last_hidden_state[:, 0].",
    )


@suite.check(CLS, hint=ENCODER_HINT)
def frozen_encoder_stays(student: Any, draw: Draw) -> None:
    """With freeze=True training leaves every parameter of the encoder as it is"""
    encoder = toys.an_encoder(student, draw)
    model = toys.over(student, encoder, draw, 3, freeze=True)
    moved = toys.trained(model, encoder, draw, draw.integers(0, 2, 8)).encoder_moved
    expect(
        not moved,
        f"With freeze=True {len(moved)} of the encoder's parameters learn ({', '.join(moved)}): "
        "set requires_grad to False for all of them.",
    )


@suite.check(GRU, points=2, hint=GRU_HINT)
def one_logit_a_text(student: Any, draw: Draw) -> None:
    """The result is a tensor (batch,)"""
    model = toys.build(student, draw, 5)
    for lengths in ([4, 6, 3], [5, 2]):
        result = model(*toys.a_batch(draw, lengths))
        as_tensor(result, f"The result for {len(lengths)} texts", (len(lengths),))


@suite.check(GRU, points=2, hint=GRU_HINT)
def padding_has_no_effect(student: Any, draw: Draw) -> None:
    """A text gets the same logit with padding behind it as without"""
    model = toys.build(student, draw, 5)
    # Longest first: who sorts and forgets to sort back fails in a check of its own.
    ids, mask = toys.a_batch(draw, [9, 6, 3, 2])
    logits, wanted = toys.flat(model, ids, mask), toys.alone(model, ids, mask)
    worst = float((logits - wanted).abs().max())
    expect(
        close(logits, wanted),
        f"With padding the logit of a text changes by {worst:.3f}: the GRU reads padding. Pack the "
        "hidden states by their lengths (pack_padded_sequence).",
    )


@suite.check(GRU, hint=GRU_HINT)
def encoder_gets_the_mask(student: Any, draw: Draw) -> None:
    """The encoder gets the attention mask"""
    model = toys.build(student, draw, 5)
    expect_mask(student, model, draw)


def expect_mask(student: Any, model: Any, draw: Draw) -> None:
    """Fail in words when the encoder of a model does not get the attention mask as it is."""
    ids, mask = toys.a_batch(draw, [7, 4, 2])
    model(input_ids=ids, attention_mask=mask)
    notes = toys.calls(student)
    expect(
        notes,
        "The encoder was not called at all: its last hidden states are wanted, not its embeddings.",
    )
    for note in notes:
        padded = (note["input_ids"].shape == ids.shape) and torch.equal(note["input_ids"], ids)
        seen = note["attention_mask"]
        expect(
            seen is not None or not padded,
            "The encoder gets no attention mask, so its tokens attend to padding: call "
            "encoder(input_ids, attention_mask=attention_mask).",
        )
        expect(
            not padded or (seen.shape == mask.shape and torch.equal(seen.bool(), mask.bool())),
            "The encoder gets another attention mask than the one given: hand it on as it is.",
        )


@suite.check(GRU, hint=GRU_HINT)
def encoder_never_learns(student: Any, draw: Draw) -> None:
    """Training leaves every parameter of the encoder as it is"""
    encoder = toys.an_encoder(student, draw)
    model = toys.over(student, encoder, draw, 5)
    moved = toys.trained(model, encoder, draw, draw.integers(0, 1, 8).float()).encoder_moved
    expect(
        not moved,
        f"{len(moved)} of the encoder's parameters learn ({', '.join(moved)}): the encoder is "
        "frozen. Set requires_grad to False for all of them.",
    )


@suite.check(ACCURACY, points=2)
def logits_turn_positive_at_zero(student: Any, draw: Draw) -> None:
    """A logit above 0 means positive, one below 0 negative"""
    logits = torch.tensor([0.2, 0.4, -0.2, -0.4, 0.3, 3.0, -3.0, -0.1, 0.1, 2.0])
    labels = torch.tensor([1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    found = float(student(logits, labels))
    expect(
        abs(found - 0.6) > 1e-3,
        "Logits between 0 and 0.5 count as negative: 0.5 is the threshold of a probability, that "
        "of a logit is 0.",
    )
    expect(
        abs(found - 0.4) > 1e-3,
        "The accuracy is that of calling every text positive: a probability is always above 0, "
        "compare the logits with 0.",
    )
    expect(
        abs(found - 0.8) < 1e-4,
        f"8 of 10 logits have the right sign, but the accuracy is {found:.3f}; it should be 0.8.",
    )


@suite.check(PREDICT, points=2)
def probability_of_positive(student: Any, draw: Draw) -> None:
    """The result is the probability that the text is positive, a float"""
    for text in ("a good film", "a dull plot"):
        values = draw.normal(len(toys.VOCABULARY)) * 0.5
        logit = float(values[toys.token_ids(text)].sum())
        model = live.make(student, f"{toys.HERE}:scripted_model", values)
        found = toys.as_probability(
            student(model, live.make(student, f"{toys.HERE}:tokenizer", types=False), text)
        )
        wanted = toys.sigmoid(logit)
        expect(
            abs(found - (1 - wanted)) > 1e-3 or abs(wanted - 0.5) < 1e-3,
            f"With a logit of {logit:.2f} the result is {found:.3f}, the probability of a "
            f"*negative* text; {wanted:.3f} is that of a positive one.",
        )
        expect(
            abs(found - wanted) < 1e-3,
            f"For {text!r} the model's logit is {logit:.3f}, so the probability is {wanted:.3f}, "
            f"but the result is {found:.3f}. Hand the model all tokens, [CLS] and [SEP] too, and "
            "take the sigmoid.",
        )


@suite.check(PREDICT)
def dropout_is_off(student: Any, draw: Draw) -> None:
    """The model predicts in evaluation mode"""
    values = 0.3 * draw.normal(len(toys.VOCABULARY))
    model = live.make(student, f"{toys.HERE}:scripted_model", values)
    live.set_mode(model, True)
    toys.calls(student)
    student(model, live.make(student, f"{toys.HERE}:tokenizer", types=False), "a fine film")
    notes = toys.calls(student)
    expect(notes, "The model was not called at all.")
    expect(
        not any(note["training"] for note in notes),
        "The model comes in training mode and predicts in it, with dropout on: call model.eval() "
        "first.",
    )

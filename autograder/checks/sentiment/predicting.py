"""Hidden checks of predict_sentiment, on a scripted model whose logit is known."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from autograder.checks.sentiment.common import PREDICT, suite
from course.checks import live
from course.checks import sentiment_toys as toys
from course.checks.base import Draw, expect

TYPES_HINT = (
    "BERT's tokenizer also gives token_type_ids, which GruSentiment.forward does not take: hand "
    "over input_ids and attention_mask by name, not **batch."
)
LONG_HINT = "A long text must be cut to the model's limit: tokenizer(text, truncation=True, ...)."


def some_values(draw: Draw, scale: float = 0.4) -> Tensor:
    """A value for each token of the toy tokenizer."""
    return scale * draw.normal(len(toys.VOCABULARY))


def model_of(student: Any, values: Tensor) -> Any:
    """A scripted model beside the student's code."""
    return live.make(student, f"{toys.HERE}:scripted_model", values)


def ask(student: Any, model: Any, text: str, types: bool = False) -> Any:
    """What predict_sentiment says with the toy tokenizer."""
    return student(model, live.make(student, f"{toys.HERE}:tokenizer", types=types), text)


def probability(values: Tensor, ids: list[int]) -> float:
    """The probability that the scripted model gives these tokens."""
    return toys.sigmoid(float(values[ids].double().sum()))


@suite.check(PREDICT)
def mode_is_restored(student: Any, draw: Draw) -> None:
    """The model is left in the mode in which it was found"""
    for training in (True, False):
        model = model_of(student, some_values(draw))
        live.set_mode(model, training)
        ask(student, model, "not a good plot")
        expect(
            live.is_training(model) is training,
            f"The model came in {'training' if training else 'evaluation'} mode and is left in the "
            "other: remember model.training and restore it.",
        )


@suite.check(PREDICT, points=2)
def model_gets_the_mask(student: Any, draw: Draw) -> None:
    """The model gets ids and attention mask of one text, as the tokenizer gives them"""
    toys.calls(student)
    ask(student, model_of(student, some_values(draw)), "a fine film")
    notes = toys.calls(student)
    expect(notes, "The model was not called at all.")
    note = notes[-1]
    seen = note["attention_mask"]
    expect(
        seen is not None,
        "The model gets no attention mask: call model(input_ids, attention_mask).",
    )
    wanted = toys.token_ids("a fine film")
    ids = note["input_ids"][0][seen[0].bool()].tolist()
    missing = [name for name in ("[CLS]", "[SEP]") if toys.VOCABULARY.index(name) not in ids]
    expect(
        not missing,
        f"The model sees no {' and no '.join(missing)}: leave the tokenizer's special tokens in.",
    )
    expect(ids == wanted, f"The model sees the tokens {ids}, but the text's are {wanted}.")


@suite.check(PREDICT, hint=TYPES_HINT)
def token_types_are_left_out(student: Any, draw: Draw) -> None:
    """It works with BERT's tokenizer, which also gives token_type_ids"""
    values = some_values(draw)
    found = toys.as_probability(ask(student, model_of(student, values), "a bad film", types=True))
    wanted = probability(values, toys.token_ids("a bad film"))
    expect(
        abs(found - wanted) < 1e-3,
        f"With BERT's tokenizer the result is {found:.3f}, but the model says {wanted:.3f}.",
    )


@suite.check(PREDICT, points=2, hint=LONG_HINT)
def long_texts_are_cut(student: Any, draw: Draw) -> None:
    """A text of more tokens than the model takes is cut, not refused"""
    values = 0.002 * some_values(draw)
    toys.calls(student)
    toys.as_probability(ask(student, model_of(student, values), "a good film " * 400))
    lengths = [int(note["input_ids"].size(1)) for note in toys.calls(student)]
    expect(
        lengths and max(lengths) <= toys.LIMIT,
        f"The model takes {toys.LIMIT} tokens, but it is given {max(lengths, default=0)}.",
    )


@suite.check(PREDICT)
def texts_are_read_to_the_end(student: Any, draw: Draw) -> None:
    """A text that is short enough is read to its end"""
    values = 0.01 * some_values(draw)
    words = " ".join(["a film"] * 30)
    values[toys.VOCABULARY.index("good")] = draw.uniform(1.0, 2.0)
    found = toys.as_probability(ask(student, model_of(student, values), f"{words} good"))
    wanted = probability(values, toys.token_ids(f"{words} good"))
    expect(
        abs(found - wanted) < 1e-3,
        f"A text of 63 tokens with the one telling word at its end gets {found:.3f}, not "
        f"{wanted:.3f}: cut only what is longer than the model's limit.",
    )


@suite.check(PREDICT)
def gradients_stay_as_they_were(student: Any, draw: Draw) -> None:
    """Gradients are still recorded after the call"""
    model = model_of(student, some_values(draw))
    near = live.make(student, f"{toys.HERE}:tokenizer", types=False)
    expect(
        toys.gradients_stay_on(student, [model, near, "a dull film"]),
        "After the call no gradient is recorded any more: use `with torch.no_grad():`, not "
        "torch.set_grad_enabled(False).",
    )


@suite.check(PREDICT)
def each_call_asks_the_model(student: Any, draw: Draw) -> None:
    """Every call asks the model that it is given, and answers finely"""
    text = "a fine plot"
    for _ in range(3):
        values = some_values(draw)
        found = toys.as_probability(ask(student, model_of(student, values), text))
        wanted = probability(values, toys.token_ids(text))
        expect(
            abs(found - wanted) < 2e-5,
            f"The result is {found:.6f}, but this model gives the text {wanted:.6f}: do not round, "
            "and keep nothing of an earlier call.",
        )

"""Hidden checks of how perplexity treats the model that it borrows."""

from __future__ import annotations

import numbers
from typing import Any

from autograder.checks.finetuning.suite import suite
from course.checks import finetuning_toys as toys
from course.checks import live
from course.checks.base import Draw, expect
from course.checks.finetuning.common import MODEL_HINT, PERPLEXITY


def run(student: Any, model: Any, pairs: list[tuple[str, str]]) -> float:
    """perplexity's answer with the toy tokenizer."""
    tokenizer = live.make(student, f"{toys.HERE}:tokenizer")
    return toys.as_perplexity(student(model, tokenizer, pairs))


@suite.check(PERPLEXITY, hint=MODEL_HINT)
def dropout_is_off(student: Any, draw: Draw) -> None:
    """A model in training mode is put into eval mode while it is measured."""
    table, pairs = toys.a_table(draw), [toys.a_pair(draw, 3, 5), toys.a_pair(draw, 2, 4)]
    model = toys.model_of(student, table)
    live.set_mode(model, True)
    run(student, model, pairs)
    seen = toys.notes(model)
    expect(seen, "The model is never called as model(input_ids, ...).")
    expect(
        not any(note["training"] for note in seen),
        "The model runs in training mode, with dropout on: call model.eval() first.",
    )


@suite.check(PERPLEXITY, hint=MODEL_HINT)
def mode_is_restored(student: Any, draw: Draw) -> None:
    """The model is left in the mode in which it was found."""
    table, pairs = toys.a_table(draw), [toys.a_pair(draw, 3, 5)]
    for training in (True, False):
        model = toys.model_of(student, table)
        live.set_mode(model, training)
        run(student, model, pairs)
        expect(
            live.is_training(model) is training,
            f"The model came in {'training' if training else 'eval'} mode and is left in the "
            "other: remember model.training and restore it.",
        )


@suite.check(PERPLEXITY, hint=MODEL_HINT)
def nothing_is_recorded(student: Any, draw: Draw) -> None:
    """No gradients are recorded while it measures, and they are again afterwards."""
    table, pairs = toys.a_table(draw), [toys.a_pair(draw, 3, 5)]
    model = toys.model_of(student, table)
    args = [model, live.make(student, f"{toys.HERE}:tokenizer"), pairs]
    on = toys.gradients_stay_on(student, args)
    expect(
        not any(note["gradients"] for note in toys.notes(model)),
        "Gradients are recorded while the model is only measured, which costs memory: call it "
        "under torch.no_grad().",
    )
    expect(
        on,
        "After the call no gradient is recorded any more: use `with torch.no_grad():`, not "
        "torch.set_grad_enabled(False).",
    )


@suite.check(PERPLEXITY, hint=MODEL_HINT)
def weights_stay_as_they_are(student: Any, draw: Draw) -> None:
    """Model and pairs are untouched, and a second call gives the same number."""
    table, pairs = toys.a_table(draw), [toys.a_pair(draw, 3, 5), toys.a_pair(draw, 4, 2)]
    model = toys.model_of(student, table)
    args = [model, live.make(student, f"{toys.HERE}:tokenizer"), list(pairs)]
    first, after, _ = live.call_and_keep(student, args, {})
    expect(
        [tuple(pair) for pair in after[2]] == pairs,
        "The list of pairs was changed by the call: it is needed again after fine-tuning.",
    )
    first, again = toys.as_perplexity(first), run(student, model, pairs)
    kept = live.parameters(model)
    expect(
        bool((kept["after"] == table.after).all()) and bool((kept["given"] == table.given).all()),
        "The model's weights have changed: perplexity only looks.",
    )
    expect(
        toys.same(first, again, 1e-6),
        f"Two calls with the same pairs give {first:.4f} and {again:.4f}: start every sum anew.",
    )


@suite.check(PERPLEXITY, hint=MODEL_HINT)
def our_models_are_measured(student: Any, draw: Draw) -> None:
    """It works with our GPT, which takes (input_ids, attention_mask) and returns logits."""
    table, pairs = toys.a_table(draw), [toys.a_pair(draw, 3, 5), toys.a_pair(draw, 6, 5)]
    seen = run(student, toys.model_of(student, table), pairs)
    hugging = run(student, toys.model_of(student, table, wrapped=True), pairs)
    expect(
        toys.same(seen, hugging),
        f"The same logits give {seen:.3f} from our model and {hugging:.3f} from one with .logits.",
    )


@suite.check(PERPLEXITY, hint=MODEL_HINT)
def hugging_face_models_are_measured(student: Any, draw: Draw) -> None:
    """It works with a model that returns an output with .logits."""
    table, pairs = toys.a_table(draw), [toys.a_pair(draw, 3, 5), toys.a_pair(draw, 6, 5)]
    got = run(student, toys.model_of(student, table, wrapped=True), pairs)
    wanted = table.perplexity(pairs)
    expect(
        toys.same(got, wanted),
        f"With a model that returns an output with .logits it is {got:.3f}, not {wanted:.3f}.",
    )


@suite.check(PERPLEXITY, hint=MODEL_HINT)
def a_float_comes_back(student: Any, draw: Draw) -> None:
    """The result is a plain number, not a tensor."""
    model = toys.model_of(student, toys.a_table(draw))
    tokenizer = live.make(student, f"{toys.HERE}:tokenizer")
    got = student(model, tokenizer, [toys.a_pair(draw, 3, 5)])
    expect(
        isinstance(got, numbers.Real) or type(got).__module__ == "numpy",
        f"It returns a {type(got).__name__}, not a float: end with .item() or float(...).",
    )
    toys.as_perplexity(got)

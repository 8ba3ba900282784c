"""Hidden checks of tune_last_layers, on tiny models of three families."""

from __future__ import annotations

from typing import Any

import torch

from autograder.checks.pooling.suite import suite
from course.checks import live
from course.checks import pooling_toys as toys
from course.checks.base import Draw, expect
from course.checks.pooling.common import TUNE
from course.checks.pooling.tuning import expect_returned, expect_trainable, look, of_layers

HINT = "GPT-2's layers are in .h (of .transformer), Llama's in .layers (of .model)."


def expect_family(student: Any, family: str, title: str, **options: Any) -> None:
    """Right trainable and returned parameters for n = 1 and 2 of three layers."""
    for n in (2, 1):
        found = look(student, family, n, **options)
        expect_trainable(found, range(3 - n, 3), f"{title} with 3 layers, n = {n}")
        expect_returned(found, range(3 - n, 3), f"{title} with 3 layers, n = {n}")


@suite.check(TUNE, points=2, hint=HINT)
def gpt2_is_served(student: Any, draw: Draw) -> None:
    """GPT-2 with its language-model head: last layers alone, no embeddings, final norm or head"""
    expect_family(student, "gpt2", "GPT2LMHeadModel", head=True)


@suite.check(TUNE, points=2, hint=HINT)
def llama_is_served(student: Any, draw: Draw) -> None:
    """Llama with its language-model head: last layers alone, no embeddings, final norm or head"""
    expect_family(student, "llama", "LlamaForCausalLM", head=True)


@suite.check(TUNE, hint=HINT)
def models_without_head_are_served(student: Any, draw: Draw) -> None:
    """GPT-2 and Llama without their heads are served too"""
    expect_family(student, "gpt2", "GPT2Model")
    expect_family(student, "llama", "LlamaModel")


@suite.check(TUNE)
def number_of_layers_is_the_models(student: Any, draw: Draw) -> None:
    """The layers are counted in the model that is given: other depths, and all of its layers"""
    for layers, n in ((5, 2), (1, 1), (4, 4)):
        found = look(student, "bert", n, layers=layers)
        what = f"BERT with {layers} layers, n = {n}"
        last = range(layers - n, layers)
        due = of_layers(found["all"], last)
        expect(
            set(found["trainable"]) == set(found["returned"]) == due,
            f"{what}: not the last layers are trained but other ones: count them in the model.",
        )


@suite.check(TUNE)
def no_layer_means_none(student: Any, draw: Draw) -> None:
    """n = 0 freezes the whole model and returns nothing"""
    for family in ("bert", "llama"):
        try:
            found = look(student, family, 0)
        except ValueError:
            continue  # to refuse n = 0 is as clear
        expect(
            not found["trainable"] and not found["returned"],
            f"With n = 0, {len(found['trainable'])} parameters are trainable and "
            f"{len(found['returned'])} are returned: layers[-0:] is all layers, "
            "layers[len(layers) - n:] is none.",
        )


@suite.check(TUNE)
def frozen_models_are_opened(student: Any, draw: Draw) -> None:
    """The last layers become trainable in a model that was all frozen before"""
    for family in ("bert", "gpt2"):
        model = live.make(student, f"{toys.HERE}:tiny", family)
        toys.freeze(model)
        found = toys.chosen(student, model, 1)
        expect(
            set(found["trainable"]) == of_layers(found["all"], [2]),
            "A model that came all frozen stays so, or is opened elsewhere: set requires_grad to "
            "True for the last layers, do not rely on what it was.",
        )


@suite.check(TUNE)
def a_second_call_decides_anew(student: Any, draw: Draw) -> None:
    """After a call with n = 2, a call with n = 1 leaves one layer"""
    model = live.make(student, f"{toys.HERE}:tiny", "bert")
    toys.chosen(student, model, 2)
    found = toys.chosen(student, model, 1)
    due = of_layers(found["all"], [2])
    expect(
        set(found["trainable"]) == due and set(found["returned"]) == due,
        "After n = 2 a call with n = 1 still trains two layers: freeze everything first.",
    )


@suite.check(TUNE, points=2)
def training_moves_only_these(student: Any, draw: Draw) -> None:
    """An optimizer on what is returned changes the last n layers, and nothing else"""
    live.seed(student, draw.integer(0, 2**31))
    for family in toys.FAMILIES:
        model = live.make(student, f"{toys.HERE}:tiny", family)
        changed = set(toys.changed_by_training(student, model, 2))
        names = list(live.parameters(model))
        due = of_layers(names, [1, 2])
        extra = sorted(changed - due)
        expect(not extra, f"{family}: a training step changes {extra[:1]}, which must be frozen.")
        for layer in (1, 2):
            expect(
                bool(changed & of_layers(names, [layer])),
                f"{family}: a training step changes nothing in layer {layer}: return the model's "
                "own parameters, with requires_grad set, and leave gradients on.",
            )


@suite.check(TUNE)
def weights_are_left_alone(student: Any, draw: Draw) -> None:
    """It changes no weight: what the model has learned stays"""
    model = live.make(student, f"{toys.HERE}:tiny", "bert")
    before = live.parameters(model)
    toys.chosen(student, model, 2)
    after = live.parameters(model)
    expect(
        before.keys() == after.keys() and all(torch.equal(before[k], after[k]) for k in before),
        "The model's weights or layers are other ones after the call: freezing changes "
        "requires_grad alone.",
    )

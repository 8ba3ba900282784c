"""Hidden checks of beam_search: the model and the arguments are left as they were found."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.checks.beam_search.common import SEARCH, a_case, expect_beams, suite
from course.checks import beam_search_toys as toys
from course.checks import live
from course.checks.base import Draw, expect
from course.checks.beam_search.common import search
from course.checks.masked_lm_toys import gradients_stay_on


def model_of(student: Any, table: Tensor) -> Any:
    """A scripted model that reads the whole history, beside the student's code."""
    return live.make(student, f"{toys.HERE}:scripted", table, True)


@suite.check(SEARCH)
def dropout_is_off(student: Any, draw: Draw) -> None:
    """A model in training mode is put into eval mode for the search."""
    table, prompt, wanted = a_case(draw, 2, 3)
    model = model_of(student, table)
    live.set_mode(model, True)
    result = toys.found(student(model, prompt.clone(), 2, 3), prompt)
    expect_beams(result, wanted, "The model came in training mode: call model.eval() first.")


@suite.check(SEARCH)
def mode_is_restored(student: Any, draw: Draw) -> None:
    """The model is left in the mode in which it was found."""
    table, prompt, _ = a_case(draw, 2, 2)
    for training in (True, False):
        model = model_of(student, table)
        live.set_mode(model, training)
        student(model, prompt.clone(), 2, 2)
        expect(
            live.is_training(model) is training,
            f"The model came in {'training' if training else 'eval'} mode and is left in the "
            "other: remember model.training and restore it.",
        )


@suite.check(SEARCH)
def no_gradients_are_recorded(student: Any, draw: Draw) -> None:
    """The search records no gradients, and they are on again after it."""
    table, prompt, _ = a_case(draw, 2, 2)
    args = [model_of(student, table), prompt.clone(), 2, 2]
    expect(
        not toys.records_gradients(student, args, {}),
        "The scores hang on a graph of gradients, which costs memory in every round: search "
        "within `with torch.no_grad():`.",
    )
    expect(
        gradients_stay_on(student, args),
        "After the search no gradient is recorded any more: use `with torch.no_grad():`, not "
        "torch.set_grad_enabled(False).",
    )


@suite.check(SEARCH)
def arguments_stay_as_they_are(student: Any, draw: Draw) -> None:
    """The prompt is not changed."""
    table, prompt, _ = a_case(draw, 3, 3)
    args = live.call_and_keep(student, [model_of(student, table), prompt.clone(), 3, 3], {})[1]
    expect(torch.equal(args[1], prompt), "The prompt itself was changed: work on copies.")


@suite.check(SEARCH)
def models_scores_stay_as_they_are(student: Any, draw: Draw) -> None:
    """The tensors that the model returned are not changed in place."""
    table, prompt, _ = a_case(draw, 3, 3)
    model = model_of(student, table)
    rule = live.make(student, f"{toys.HERE}:rule", "Favour", 2, -1e9)
    student(model, prompt.clone(), 3, 3, [rule], eos_token_id=1)
    now, before = toys.said_and_kept(model)
    same = all(torch.equal(a, b) for a, b in zip(now, before, strict=True))
    expect(
        same and len(now) > 0,
        "The model's own scores were changed in place: work on copies of its logits.",
    )


@suite.check(SEARCH)
def every_search_begins_anew(student: Any, draw: Draw) -> None:
    """A second search does not depend on the first."""
    for width in (4, 2):
        table, prompt, wanted = a_case(draw, width, 4)
        result = search(student, table, prompt, width, 4, history=True)
        expect_beams(result, wanted, "A search after another one: keep nothing between calls.")

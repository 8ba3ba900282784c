"""Hidden checks of generate that chance has no part in, and of its probabilities."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.checks.gpt.common import suite
from course.checks import gpt_toys as toys
from course.checks import live
from course.checks.base import Draw, close, expect
from course.checks.gpt.common import GENERATE
from course.checks.gpt.generation import LOGITS_HINT
from course.checks.masked_lm_toys import gradients_stay_on

CROP = "Give the model its last model.block_size tokens: ids[:, -block_size:]."


@suite.check(GENERATE, points=3, hint=LOGITS_HINT)
def probabilities_are_the_models_own(student: Any, draw: Draw) -> None:
    """Whatever temperature and top_k do, the probabilities are those of the model itself."""
    table = toys.a_table(draw, words=9)
    prompt = draw.integers(0, 8, 40, 3)
    for options in ({"temperature": 3.0}, {"top_k": 3}, {"temperature": 0.4, "top_k": 4}):
        model = toys.model_of(student, table)
        result = student(model, prompt.clone(), 3, do_sample=True, **options)
        ids, found = toys.continuation(result, prompt, 3)
        steps = toys.step_logits(table, ids, 3)
        heat = options.get("temperature", 1.0)
        cut = keep(steps / heat, int(options.get("top_k", 9)))
        own = toys.chosen(steps, ids)
        for wrong, words in (
            (toys.chosen(steps / heat, ids), "the softmax of logits / temperature"),
            (toys.chosen(keep(steps, int(options.get("top_k", 9))), ids), "the top_k cut"),
            (toys.chosen(cut, ids), "temperature and the top_k cut"),
        ):
            expect(
                close(own, wrong, 1e-3) or not close(found, wrong, 1e-3),
                f"The probabilities are those after {words}: report the model's own, from the "
                "softmax of its logits as they are.",
            )
        expect(
            close(found, own, 1e-3),
            f"With {options} a token that the model gives {float(own[0, 0]):.3f} is reported with "
            f"{float(found[0, 0]):.3f}: gather the softmax of the logits at the chosen tokens.",
        )


def keep(logits: Tensor, k: int) -> Tensor:
    """Logits of which all but the k largest are -inf."""
    least = logits.topk(k, dim=-1).values[..., -1:]
    return logits.masked_fill(logits < least, float("-inf"))


@suite.check(GENERATE, points=2, hint=CROP)
def looks_at_the_last_block(student: Any, draw: Draw) -> None:
    """Longer texts are generated too: the model sees the last block_size tokens."""
    table = toys.a_table(draw)
    for length, count in ((3, 9), (8, 2), (5, 1)):
        prompt = draw.integers(0, 8, 2, length)
        result = student(toys.model_of(student, table, 5), prompt.clone(), count)
        ids, found = toys.continuation(result, prompt, count)
        right = toys.greedy(table, prompt, count, 5)
        for limit, words in ((4, "block_size - 1 tokens"), (1, "the last token alone")):
            other = toys.greedy(table, prompt, count, limit)
            expect(
                torch.equal(other, right) or not torch.equal(ids, other),
                f"The model sees {words}, though block_size are allowed.",
            )
        expect(
            torch.equal(ids, right),
            f"With block_size=5, a prompt of {length} tokens goes on with "
            f"{ids[0, length:].tolist()}, not {right[0, length:].tolist()}. {CROP}",
        )
        wanted = toys.chosen(toys.step_logits(table, ids, count, 5), ids)
        expect(close(found, wanted, 1e-3), "Beyond block_size the probabilities are wrong.")


@suite.check(GENERATE, points=2, hint="A Hugging Face model has no block_size, but a config.")
def both_kinds_of_models(student: Any, draw: Draw) -> None:
    """Models that return logits and those that return an output with .logits both work."""
    table = toys.a_table(draw)
    prompt = draw.integers(0, 8, 2, 4)
    right = toys.greedy(table, prompt, 4)
    for wrapped, words in ((False, "logits, as ours do"), (True, "an output with .logits")):
        model = toys.model_of(student, table, wrapped=wrapped)
        try:
            result = student(model, prompt.clone(), 4)
        except NotImplementedError:
            raise
        except Exception as error:
            expect(
                False,
                f"A model that returns {words} stops with {type(error).__name__}: serve "
                "both kinds, getattr(output, 'logits', output).",
            )
        ids, _ = toys.continuation(result, prompt, 4)
        expect(torch.equal(ids, right), f"A model that returns {words} goes on wrongly.")


@suite.check(GENERATE, points=2)
def mode_is_left_as_found(student: Any, draw: Draw) -> None:
    """The model generates in evaluation mode and is left in the mode in which it was."""
    table = toys.a_table(draw)
    prompt = draw.integers(0, 8, 1, 3)
    right = toys.greedy(table, prompt, 4)
    for training in (True, False):
        name = "training" if training else "evaluation"
        model = toys.model_of(student, table)
        live.set_mode(model, training)
        ids, _ = toys.continuation(student(model, prompt.clone(), 4), prompt, 4)
        expect(
            torch.equal(ids, right),
            f"A model in {name} mode generates with dropout: call model.eval() first.",
        )
        expect(
            live.is_training(model) is training,
            f"The model came in {name} mode and is left in the other: remember model.training "
            "and restore it.",
        )


@suite.check(GENERATE)
def gradients_stay_on_after_generating(student: Any, draw: Draw) -> None:
    """Gradients are recorded after the call as before, and not within it."""
    table = toys.a_table(draw)
    prompt = draw.integers(0, 8, 1, 3)
    expect(
        gradients_stay_on(student, [toys.model_of(student, table), prompt, 2]),
        "After the call no gradient is recorded any more: use `with torch.no_grad():`.",
    )
    expect(
        not toys.carries_gradients(student, [toys.model_of(student, table), prompt, 2]),
        "The probabilities carry gradients, so the graph of every step is kept in memory: generate "
        "under torch.no_grad().",
    )


@suite.check(GENERATE)
def exactly_so_many_tokens(student: Any, draw: Draw) -> None:
    """max_new_tokens are added to each prompt of a batch, whose ids stay as they are."""
    table = toys.a_table(draw)
    for batch, length, count in ((1, 1, 1), (3, 3, 3), (1, 6, 12), (5, 2, 4)):
        prompt = draw.integers(0, 8, batch, length)
        model = toys.model_of(student, table)
        result, args, _ = live.call_and_keep(student, [model, prompt.clone(), count], {})
        ids, found = toys.continuation(result, prompt, count)
        expect(torch.equal(ids, toys.greedy(table, prompt, count)), "A row of the batch is wrong.")
        expect(
            bool((found > 0).all() and (found <= 1.0001).all()),
            "A probability does not lie between 0 and 1.",
        )
        expect(ids.dtype == torch.int64, f"ids are {ids.dtype}, not torch.int64.")
        expect(torch.equal(args[1], prompt), "input_ids are changed by the call.")
    for best in (0, 8):  # neither of them ends a text
        always = torch.eye(9)[best].expand(3, 9)
        result = student(toys.model_of(student, always), torch.ones(2, 2).long(), 5)
        toys.continuation(result, torch.ones(2, 2).long(), 5)


@suite.check(GENERATE)
def greedy_needs_no_temperature(student: Any, draw: Draw) -> None:
    """Without do_sample the most probable token comes, whatever temperature and top_k are."""
    table = toys.a_table(draw)
    prompt = draw.integers(0, 8, 3, 4)
    right = toys.greedy(table, prompt, 6)
    for options in ({"temperature": 5.0}, {"top_k": 7}, {"temperature": 0.3, "top_k": 2}):
        model = toys.model_of(student, table)
        ids, found = toys.continuation(student(model, prompt.clone(), 6, **options), prompt, 6)
        expect(
            torch.equal(ids, right),
            f"With {options} and do_sample=False other tokens come than the most probable: only "
            "do_sample=True draws.",
        )
        expect(
            close(found, toys.chosen(toys.step_logits(table, ids, 6), ids), 1e-3),
            f"With {options} greedy search reports other probabilities than the model's own.",
        )

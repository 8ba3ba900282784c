"""Hidden checks of pretraining_step, on models whose loss and gradient are known."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.checks.masked_lm.common import STEP, suite
from course.checks import live
from course.checks import masked_lm_toys as toys
from course.checks.base import Draw, as_tensor, expect

HINT = "The model is called as model(corrupted, attention_mask=attention_mask)."


def setup_of(student: Any, values: Tensor, rate: float = 0.5, **options: Any) -> Any:
    """A trainee with its optimizer, made beside the student's code."""
    return live.make(student, f"{toys.HERE}:rehearsal", values, rate, **options)


def values_of(setup: Any) -> Tensor:
    """The trainee's logits."""
    return live.parameters(setup.model)["values"]


def run(student: Any, setup: Any, ids: Tensor, special: Tensor | None = None, **more: Any) -> Any:
    """One step on a vocabulary of 7 words with mask token 7."""
    special = torch.zeros_like(ids, dtype=torch.bool) if special is None else special
    return student(setup.model, setup.optimizer, ids, special, 7, 7, **more)


def gradient(values: Tensor, word: int) -> Tensor:
    """The gradient of the loss when every label is ``word``: softmax minus one-hot."""
    found = values.softmax(0)
    found[word] -= 1
    return found


def parallel(update: Tensor, direction: Tensor) -> tuple[float, float]:
    """The factor of ``update`` along ``direction``, and the share of it that points elsewhere."""
    factor = float(update @ direction / (direction @ direction))
    rest = float((update - factor * direction).norm() / update.norm().clamp(min=1e-12))
    return factor, rest


@suite.check(STEP, points=2)
def gradients_do_not_pile_up(student: Any, draw: Draw) -> None:
    """Each update follows this step's gradient alone; earlier gradients are cleared."""
    setup = setup_of(student, 0.5 * draw.normal(7))
    one, two = draw.permutation(7)[:2].tolist()
    run(student, setup, torch.full((8, 64), one))
    before = values_of(setup)
    run(student, setup, torch.full((8, 64), two))
    factor, rest = parallel(values_of(setup) - before, -0.5 * gradient(before, two))
    expect(
        rest < 0.02,
        "The second step does not follow its own gradient: earlier gradients are still there. "
        "Call optimizer.zero_grad() in every step, before backward().",
    )
    expect(factor > 0, "The step climbs: the loss grows. Minimise the cross-entropy itself.")


@suite.check(STEP, points=2)
def one_update_by_the_given_optimizer(student: Any, draw: Draw) -> None:
    """It makes one update, with the optimizer that it is given."""
    word, start = draw.integer(0, 6), 0.5 * draw.normal(7)
    still = setup_of(student, start, rate=0.0)
    run(student, still, torch.full((8, 64), word))
    expect(
        torch.equal(values_of(still), start),
        "With a learning rate of 0 a parameter still moves: use the optimizer that you are given, "
        "do not make one.",
    )
    setup = setup_of(student, start)
    run(student, setup, torch.full((8, 64), word))
    calls = len(toys.notes(setup.model))
    factor, _ = parallel(values_of(setup) - start, -0.5 * gradient(start, word))
    expect(abs(factor) > 1e-6, "No parameter moves: call backward(), then optimizer.step().")
    # Clipping makes an update shorter, never longer.
    expect(
        -0.01 < factor < 1.01,
        f"The update is {factor:.2f} times as long as one step of the optimizer on the mean loss "
        f"({calls} forward passes): one backward() and one step() a call.",
    )


@suite.check(STEP, points=2)
def only_labelled_positions_teach(student: Any, draw: Draw) -> None:
    """Only chosen tokens count: special tokens and padding have no part in loss and update."""
    word, start = draw.integer(1, 6), 0.5 * draw.normal(7)
    special = draw.boolean(8, 64, probability=0.6)
    ids = torch.full((8, 64), word).masked_fill(special, 0)
    setup = setup_of(student, start)
    loss = float(run(student, setup, ids, special))
    wanted = float(-start.double().log_softmax(0)[word])
    expect(
        abs(loss - wanted) < 1e-3,
        f"With special tokens in the batch the loss is {loss:.3f}, but that of the chosen tokens "
        f"is {wanted:.3f}: take the loss from the labels of mask_tokens.",
    )
    rest = parallel(values_of(setup) - start, -0.5 * gradient(start, word))[1]
    expect(rest < 0.02, "Special tokens or padding take part in the update: leave them out.")


@suite.check(STEP)
def special_tokens_reach_the_model(student: Any, draw: Draw) -> None:
    """The model sees special tokens and padding as they are."""
    ids, special = toys.a_batch(draw, 16, 64, 7, special=0.4)
    setup = setup_of(student, torch.zeros(7))
    run(student, setup, ids, special)
    seen = as_tensor(toys.notes(setup.model)[0]["input_ids"], "The model's input", ids.shape)
    changed = int(((seen != ids) & special).sum())
    expect(
        changed == 0,
        f"{changed} special tokens are changed in what the model sees: hand special_tokens_mask "
        "to mask_tokens as it is.",
    )


@suite.check(STEP)
def corruption_is_the_default_one(student: Any, draw: Draw) -> None:
    """It masks as pretraining does: 15 %, with random words among them."""
    ids, special = toys.a_batch(draw, 16, 1024, 20, special=0.0)
    setup = setup_of(student, torch.zeros(20))
    student(setup.model, setup.optimizer, ids, special, 25, 20)
    seen = toys.notes(setup.model)[0]["input_ids"]
    masked, other = int((seen == 25).sum()), int(((seen != 25) & (seen != ids)).sum())
    expect(
        not toys.far(masked, ids.numel(), 0.12, slack=48),
        f"{toys.percent(masked, ids.numel())} of the tokens are masked, not 12 %: call mask_tokens "
        "with its default rate and without only_mask.",
    )
    expect(
        other > 0,
        "The model sees no random words: pretraining uses mask_tokens without only_mask.",
    )


@suite.check(STEP)
def ids_are_handed_on_in_order(student: Any, draw: Draw) -> None:
    """mask_token_id and vocab_size may be any numbers, the mask token inside the vocabulary too."""
    ids, special = toys.a_batch(draw, 32, 64, 30, special=0.0)
    ids[ids == 3] = 4
    setup = setup_of(student, torch.zeros(30))
    student(setup.model, setup.optimizer, ids, special, 3, 30)
    seen = toys.notes(setup.model)[0]["input_ids"]
    expect(
        int(seen.max()) < 30 and int((seen == 3).sum()) > 0,
        "With mask token 3 in a vocabulary of 30 the model sees other ids: hand mask_token_id and "
        "vocab_size on, and in this order.",
    )


@suite.check(STEP)
def each_step_masks_anew(student: Any, draw: Draw) -> None:
    """Each step draws new masks for the same batch."""
    ids = draw.integers(0, 6, 16, 64)
    setup = setup_of(student, torch.zeros(7))
    run(student, setup, ids)
    run(student, setup, ids)
    notes = toys.notes(setup.model)
    expect(
        not torch.equal(notes[0]["input_ids"], notes[-1]["input_ids"]),
        "Two steps on one batch see the same masks: call mask_tokens in every step and seed "
        "nothing.",
    )


@suite.check(STEP, hint=HINT)
def attention_mask_reaches_the_model(student: Any, draw: Draw) -> None:
    """The attention mask is handed to the model as it is."""
    ids = draw.integers(0, 6, 6, 20)
    attention_mask = (torch.arange(20) < draw.integers(8, 20, 6, 1)).long()
    setup = setup_of(student, torch.zeros(7))
    run(student, setup, ids, attention_mask == 0, attention_mask=attention_mask)
    note = toys.notes(setup.model)[0]
    # At least 48 tokens may be chosen; none changes at (1 - 0.15 · 0.88)^48 = 1e-3, and some 80 are
    # usual; so three calls: 1e-9 and less.
    for _ in range(2):
        if torch.equal(note["input_ids"], ids):
            run(student, setup, ids, attention_mask == 0, attention_mask=attention_mask)
            note = toys.notes(setup.model)[-1]
    expect(
        not torch.equal(note["input_ids"], ids),
        "With an attention mask the model sees the text as it is, without any mask: give it the "
        "corrupted tokens.",
    )
    seen = note["attention_mask"]
    expect(
        seen is not None,
        "The model gets no attention mask: padding would take part in attention. Hand it on.",
    )
    seen = as_tensor(seen, "The attention mask that the model gets", ids.shape)
    expect(
        torch.equal(seen.bool(), attention_mask.bool()),
        "The model gets another attention mask than the one given: hand it on as it is.",
    )


@suite.check(STEP)
def training_mode_stays_on(student: Any, draw: Draw) -> None:
    """A model in training mode is in training mode while it learns, so that dropout works."""
    setup = setup_of(student, torch.zeros(7))
    run(student, setup, draw.integers(0, 6, 8, 64))
    expect(
        toys.notes(setup.model)[0]["training"],
        "The model is in eval mode while it learns, so dropout is off: eval() is for inference.",
    )


@suite.check(STEP)
def batch_is_not_changed(student: Any, draw: Draw) -> None:
    """input_ids and special_tokens_mask stay as they are."""
    ids, special = toys.a_batch(draw, 8, 64, 7)
    setup = setup_of(student, torch.zeros(7))
    args = [setup.model, setup.optimizer, ids.clone(), special.clone(), 7, 7]
    kept = live.call_and_keep(student, args, {})[1]
    expect(
        torch.equal(kept[2], ids) and torch.equal(kept[3], special),
        "The batch was changed in place: the next epoch would start from corrupted text.",
    )


@suite.check(
    STEP, hint="Hugging Face's models return an output: take getattr(output, 'logits', output)."
)
def hugging_face_models_train_too(student: Any, draw: Draw) -> None:
    """A model that returns an output with .logits trains as well."""
    word, start = draw.integer(0, 6), 0.5 * draw.normal(7)
    setup = setup_of(student, start, wrapped=True)
    loss = float(run(student, setup, torch.full((8, 64), word)))
    expect(
        abs(loss + float(start.double().log_softmax(0)[word])) < 1e-3,
        f"With a model that returns an output with .logits the loss is {loss:.3f}: use its logits.",
    )
    expect(not torch.equal(values_of(setup), start), "Such a model's parameters do not move.")

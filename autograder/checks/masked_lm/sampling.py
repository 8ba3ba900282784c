"""Hidden checks of sample_mask; texts of 400 equal masks show the distribution in one call."""

from __future__ import annotations

from typing import Any

import torch

from autograder.checks.masked_lm.common import SAMPLE, generator_fault, seed_globally, suite
from autograder.checks.masked_lm.filling import LOGITS_HINT, model_of, tokenizer_of
from course.checks import live
from course.checks import masked_lm_toys as toys
from course.checks.base import Draw, expect
from course.checks.masked_lm.common import FOUR, sure_table

EVEN = dict.fromkeys(toys.WORDS, 0.0)
PEAKED = EVEN | {"king": 2.5}
SURE = ["the", "king", "cat", "and", "red", "sat", "and", "a", "dog"]


def share(temperature: float) -> float:
    """The probability of `king` among 11 equal others, 2.5 below it."""
    logits = torch.tensor([2.5] + [0.0] * (len(EVEN) - 1)) / temperature
    return float(logits.softmax(0)[0])


@suite.check(SAMPLE)
def all_words_can_come(student: Any, draw: Draw) -> None:
    """Every word of the vocabulary can be drawn, not only the best few."""
    # Not quite even, so that a cut after the best k has no ties to keep: 0.1 % at the most.
    nearly = {word: 1e-4 * i for i, word in enumerate(toys.WORDS)}
    counts, total = toys.drawn_words(student, nearly)
    # 12 words, 33 of each expected: one is missing at 12 e^-33.
    missing = sorted(set(toys.WORDS) - set(counts))
    expect(
        not missing,
        f"Of 12 words that are all as likely, {len(missing)} never come in {total} draws: draw "
        "from the whole vocabulary, without top-k.",
    )
    worst = max(toys.WORDS, key=lambda word: abs(counts[word] - total / 12))
    expect(
        not toys.far(counts[worst], total, 1 / 12),
        f"Of 12 words that are all as likely, one comes in {toys.percent(counts[worst], total)} "
        "of the draws, not 8.3 %.",
    )


@suite.check(SAMPLE)
def every_mask_is_its_own_draw(student: Any, draw: Draw) -> None:
    """Each mask is drawn for itself: equal masks get different words."""
    counts, _ = toys.drawn_words(student, EVEN, masks=40)
    expect(
        len(counts) > 1,  # 12^-39
        "All masks of a text get the same word, though all words are as likely: make one draw a "
        "mask.",
    )


@suite.check(SAMPLE, points=2)
def heat_flattens(student: Any, draw: Draw) -> None:
    """A temperature above 1 flattens the distribution."""
    counts, total = toys.drawn_words(student, PEAKED, temperature=4.0)
    p = share(4.0)
    expect(
        not toys.far(counts["king"], total, p),
        f"At temperature 4 the best word comes in {toys.percent(counts['king'], total)} of the "
        f"draws, not {100 * p:.0f} %: divide the logits by the temperature before the softmax.",
    )


@suite.check(SAMPLE, points=2)
def cold_sharpens(student: Any, draw: Draw) -> None:
    """A temperature below 1 sharpens the distribution."""
    for temperature in (0.25, 0.6):
        counts, total = toys.drawn_words(student, PEAKED, temperature=temperature)
        p = share(temperature)
        expect(
            not toys.far(counts["king"], total, p),
            f"At temperature {temperature} the best word comes in "
            f"{toys.percent(counts['king'], total)} of the draws, not {100 * p:.0f} %: draw "
            "from softmax(logits / temperature).",
        )


@suite.check(SAMPLE, hint="Let softmax subtract the maximum: it cannot overflow.")
def near_zero_is_the_best_word(student: Any, draw: Draw) -> None:
    """A temperature close to 0 draws the most probable word, without overflow."""
    logits = EVEN | {"king": 30.0, "cat": 25.0}
    counts, total = toys.drawn_words(student, logits, masks=40, temperature=0.02)
    expect(
        counts["king"] == total,  # another word has a chance of e^-250
        f"At temperature 0.02 the best word comes {counts['king']} times of {total}, not always.",
    )


@suite.check(SAMPLE)
def one_look_for_all_masks(student: Any, draw: Draw) -> None:
    """All masks are drawn from the one forward pass over the text as it is."""
    model = model_of(student, sure_table(*SURE), 4)
    text = student(model, tokenizer_of(student), FOUR)
    same = isinstance(text, str) and text.lower().split() == SURE
    expect(
        same,
        "The words are not those that the model gives for the text as it is: draw every mask from "
        "one forward pass, do not fill one before the next.",
    )


@suite.check(SAMPLE)
def pieces_become_words(student: Any, draw: Draw) -> None:
    """Words of several pieces come back as words: cats, not cat ##s."""
    model = model_of(student, sure_table("cat", "##s", "sat", "dog"), 1)
    text = student(model, tokenizer_of(student), "cats [MASK] dogs")
    toys.expect_text(text, ["cats", "sat", "dogs"])


@suite.check(SAMPLE, points=2)
def sample_mask_obeys_its_generator(student: Any, draw: Draw) -> None:
    """With a generator, every draw comes from it: one seed, one text."""
    table = toys.word_logits(EVEN).repeat(40, 1)
    args = [model_of(student, table, 30), tokenizer_of(student), "[MASK] " * 30]
    fault = generator_fault(student, draw, args, {}, lambda one, two: one == two)  # 12^-30
    expect(fault is None, fault or "")


@suite.check(SAMPLE)
def every_text_is_drawn_anew(student: Any, draw: Draw) -> None:
    """Without a generator each call draws anew."""
    table = toys.word_logits(EVEN).repeat(40, 1)
    args = [model_of(student, table, 30), tokenizer_of(student), "[MASK] " * 30]
    seed_globally(student, draw)
    first, second = toys.repeat(student, args, 2)
    toys.expect_text(first, [""] * 30)  # NaN or nothing differs from itself, too
    expect(first != second, "Two calls give the same text: seed nothing.")  # 12^-30


@suite.check(SAMPLE)
def dropout_is_off_while_sampling(student: Any, draw: Draw) -> None:
    """A model in training mode is put into eval mode for the draw, and back afterwards."""
    for training in (True, False):
        model = model_of(student, sure_table(*SURE), 4)
        live.set_mode(model, training)
        text = student(model, tokenizer_of(student), FOUR)
        expect(
            isinstance(text, str) and text.lower().split() == SURE,
            f"With a model in {'training' if training else 'eval'} mode other words come: call "
            "model.eval() before the forward pass, dropout is on.",
        )
        expect(
            live.is_training(model) is training,
            f"The model came in {'training' if training else 'eval'} mode and is left in the "
            "other: remember model.training and restore it.",
        )


@suite.check(SAMPLE)
def sample_mask_leaves_gradients_on(student: Any, draw: Draw) -> None:
    """Gradients are still recorded after the call."""
    args = [model_of(student, sure_table(*SURE), 4), tokenizer_of(student), FOUR]
    expect(
        toys.gradients_stay_on(student, args),
        "After the call no gradient is recorded any more: use `with torch.no_grad():`.",
    )


@suite.check(SAMPLE, hint="Ask the tokenizer for mask_token_id; not every one writes [MASK].")
def sample_mask_asks_the_tokenizer(student: Any, draw: Draw) -> None:
    """The mask token is the tokenizer's own, <mask> for some."""
    table = sure_table(*SURE)
    tokenizer = tokenizer_of(student, angle=True)
    text = student(model_of(student, table, 4), tokenizer, FOUR.replace("[MASK]", "<mask>"))
    toys.expect_text(text, SURE)


@suite.check(SAMPLE, hint=LOGITS_HINT)
def hugging_face_models_sample(student: Any, draw: Draw) -> None:
    """It works with a model that returns an output with .logits."""
    model = model_of(student, sure_table(*SURE), 4, wrapped=True)
    toys.expect_text(student(model, tokenizer_of(student, types=True), FOUR), SURE)


@suite.check(SAMPLE, hint=LOGITS_HINT + " They take (input_ids, attention_mask), no token types.")
def our_models_sample(student: Any, draw: Draw) -> None:
    """It works with our Bert, which returns logits, and with BERT's tokenizer."""
    model = model_of(student, sure_table(*SURE), 4)
    toys.expect_text(student(model, tokenizer_of(student, types=True), FOUR), SURE)

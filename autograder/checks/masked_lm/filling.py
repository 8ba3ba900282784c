"""Hidden checks of fill_mask, on models whose logits are known."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from autograder.checks.masked_lm.common import FILL, suite
from course.checks import live
from course.checks import masked_lm_toys as toys
from course.checks.base import Draw, expect
from course.checks.masked_lm.common import FOUR, a_table, fill, mask_rows

LOGITS_HINT = (
    "Our models return logits, Hugging Face's an output: getattr(output, 'logits', output)."
)


def model_of(student: Any, table: Tensor, masks: int, **options: Any) -> Any:
    """A scripted model beside the student's code."""
    return live.make(student, f"{toys.HERE}:scripted", table, masks, **options)


def tokenizer_of(student: Any, **options: Any) -> Any:
    """The toy tokenizer beside the student's code."""
    return live.make(student, f"{toys.HERE}:tokenizer", **options)


def best(rows: Tensor, k: int, names: list[str]) -> list[list[str]]:
    """The k most probable tokens of each row of logits."""
    return [[names[i] for i in row.topk(k).indices.tolist()] for row in rows]


def tokens_of(fills: Any) -> list[list[str]]:
    """fill_mask's tokens without the probabilities."""
    return [[token for token, _ in pairs] for pairs in toys.as_fills(fills)]


@suite.check(FILL)
def five_by_default(student: Any, draw: Draw) -> None:
    """k is 5 unless it is given, and may be 1 or the whole vocabulary."""
    table = a_table(draw)
    for k in (None, 1, 19):
        found = tokens_of(fill(student, table) if k is None else fill(student, table, k=k))
        expect(
            all(len(tokens) == (k or 5) for tokens in found),
            f"With {'no k' if k is None else f'k={k}'} a mask gets {len(found[0])} tokens.",
        )
    expect(
        all(set(tokens) == set(toys.vocabulary()) for tokens in found),
        "With k = vocabulary size some tokens are missing: rank all tokens, special ones too.",
    )


@suite.check(FILL)
def pairs_belong_together(student: Any, draw: Draw) -> None:
    """Each token comes with its own probability, whatever k is."""
    table = a_table(draw)
    fills = toys.as_fills(fill(student, table, k=19))
    names, p = toys.vocabulary(), mask_rows(table).softmax(-1)
    expect(
        fills and all(fills),
        f"For a text with 4 masks fill_mask returned {str(fills)[:30]}: each mask has a list of k "
        "pairs.",
    )
    for row, pairs in zip(p, fills, strict=False):
        for token, probability in pairs:
            due = float(row[names.index(token)]) if token in names else 0.0
            expect(
                abs(probability - due) < 1e-3,
                f"{token!r} has probability {due:.3f}, but the answer says {probability:.3f}.",
            )


@suite.check(FILL)
def dropout_is_off_while_filling(student: Any, draw: Draw) -> None:
    """A model in training mode is put into eval mode, so that dropout does not blur the answer."""
    table = a_table(draw)
    model = model_of(student, table, 4)
    live.set_mode(model, True)
    found = tokens_of(student(model, tokenizer_of(student), FOUR, k=3))
    expect(
        found == best(mask_rows(table), 3, toys.vocabulary()),
        "With a model in training mode the answer is another one: dropout is on. Call "
        "model.eval() before the forward pass.",
    )


@suite.check(FILL)
def fill_mask_restores_the_mode(student: Any, draw: Draw) -> None:
    """The model is left in the mode in which it was found."""
    for training in (True, False):
        model = model_of(student, a_table(draw), 4)
        live.set_mode(model, training)
        student(model, tokenizer_of(student), FOUR)
        expect(
            live.is_training(model) is training,
            f"The model came in {'training' if training else 'eval'} mode and is left in the "
            "other: remember model.training and restore it.",
        )


@suite.check(FILL)
def fill_mask_leaves_gradients_on(student: Any, draw: Draw) -> None:
    """Gradients are still recorded after the call."""
    args = [model_of(student, a_table(draw), 4), tokenizer_of(student), FOUR]
    expect(
        toys.gradients_stay_on(student, args),
        "After the call no gradient is recorded any more: use `with torch.no_grad():`, not "
        "torch.set_grad_enabled(False).",
    )


@suite.check(FILL)
def all_masks_stay_hidden(student: Any, draw: Draw) -> None:
    """All masks are guessed from the same text, in which all of them are hidden."""
    table = a_table(draw)
    found = tokens_of(fill(student, table, k=3))
    wanted = best(mask_rows(table), 3, toys.vocabulary())
    expect(
        len(found) == 4 and found[0] == wanted[0] and found[-1] == wanted[-1],
        "The answers are not those of the text as it is: guess every mask while all masks are in "
        "place, do not fill one before the next.",
    )


@suite.check(FILL)
def tokens_are_raw(student: Any, draw: Draw) -> None:
    """Tokens are strings as convert_ids_to_tokens gives them: ##s, Ġcat."""
    tokenizer = toys.byte_tokenizer()
    names = [str(tokenizer.convert_ids_to_tokens(i)) for i in range(15)]
    table = 2 * draw.normal(16, 15)
    model = model_of(student, table, 2, mask_token_id=2)
    theirs = live.make(student, f"{toys.HERE}:byte_tokenizer")
    found = tokens_of(student(model, theirs, "the <mask> sat <mask>", k=15))
    wanted = best(table[[1, 3]], 15, names)
    expect(
        found == wanted,
        f"The tokens of a byte-level tokenizer read {found[0][:3]}, not {wanted[0][:3]}: use "
        "tokenizer.convert_ids_to_tokens, not decode.",
    )


@suite.check(FILL, hint="Ask the tokenizer for mask_token_id; not every one writes [MASK].")
def fill_mask_asks_the_tokenizer(student: Any, draw: Draw) -> None:
    """The mask token is the tokenizer's own, <mask> for some."""
    table = a_table(draw)
    text = FOUR.replace("[MASK]", "<mask>")
    found = tokens_of(student(model_of(student, table, 4), tokenizer_of(student, angle=True), text))
    expect(
        found == best(mask_rows(table), 5, toys.vocabulary(toys.ANGLE)),
        "With a tokenizer whose mask token is <mask> the answer is wrong: compare the ids with "
        "tokenizer.mask_token_id.",
    )


@suite.check(FILL)
def places_are_counted_in_pieces(student: Any, draw: Draw) -> None:
    """A mask's place is counted in tokens, not in words."""
    table = a_table(draw)
    found = tokens_of(fill(student, table, "cats [MASK] dogs [MASK]", k=3))
    expect(
        found == best(table[[3, 6]], 3, toys.vocabulary()),
        "After a word of two pieces (cats = cat + ##s) the answer is that of another place: look "
        "for mask_token_id among the input_ids.",
    )


@suite.check(FILL, hint=LOGITS_HINT)
def hugging_face_models_fill(student: Any, draw: Draw) -> None:
    """It works with a model that returns an output with .logits."""
    table = a_table(draw)
    model = model_of(student, table, 4, wrapped=True)
    found = tokens_of(student(model, tokenizer_of(student, types=True), FOUR))
    expect(
        found == best(mask_rows(table), 5, toys.vocabulary()),
        "With a model that returns an output with .logits the tokens are not those of its logits.",
    )


@suite.check(FILL, hint=LOGITS_HINT + " They take (input_ids, attention_mask), no token types.")
def our_models_fill(student: Any, draw: Draw) -> None:
    """It works with our Bert, which returns logits, and with BERT's tokenizer."""
    table = a_table(draw)
    found = tokens_of(student(model_of(student, table, 4), tokenizer_of(student, types=True), FOUR))
    expect(
        found == best(mask_rows(table), 5, toys.vocabulary()),
        "With a model that returns logits the answer is wrong.",
    )

"""Hidden checks of top_k_table."""

from __future__ import annotations

from typing import Any

import torch

from autograder.checks.gpt.common import suite
from course.checks import gpt_toys as toys
from course.checks import live
from course.checks.base import Draw, close, expect
from course.checks.gpt.common import TABLE
from course.checks.gpt.generation import LOGITS_HINT
from course.checks.masked_lm_toys import gradients_stay_on


def right_rows(table: torch.Tensor, ids: torch.Tensor, k: int) -> list[list[str]]:
    """The texts of the k most probable tokens after each prefix."""
    steps = [toys.next_logits(table, ids[:, : i + 1])[0] for i in range(ids.size(1))]
    return [[toys.NOUNS[i] for i in logits.topk(k).indices.tolist()] for logits in steps]


def texts(rows: list[list[tuple[str, float]]]) -> list[list[str]]:
    return [[text for text, _ in row] for row in rows]


@suite.check(TABLE, points=2, hint=LOGITS_HINT)
def table_probabilities(student: Any, draw: Draw) -> None:
    """The probabilities are those of a softmax over the whole vocabulary."""
    table = toys.a_table(draw, words=12, gap=0.4)
    ids = draw.integers(0, 11, 1, 4)
    rows = toys.as_rows(student, toys.model_of(student, table), ids, k=5)
    found = torch.tensor([[p for _, p in row] for row in rows], dtype=torch.float64)
    steps = torch.stack([toys.next_logits(table, ids[:, : i + 1])[0] for i in range(4)])
    wanted = steps.double().softmax(-1).topk(5).values
    expect(found.shape == wanted.shape, f"The table is {tuple(found.shape)}, not (4, 5).")
    expect(
        not close(found, steps.double().topk(5).values, 1e-3),
        "These are logits: take the softmax over the vocabulary.",
    )
    expect(
        not close(found.sum(-1), torch.ones(4).double(), 1e-4),
        "The k probabilities of a row add up to 1: take the softmax over the whole vocabulary, "
        "then the k largest.",
    )
    expect(
        close(found, wanted, 1e-3),
        f"The best token has probability {float(found[0, 0]):.3f}, but the softmax over the "
        f"vocabulary gives {float(wanted[0, 0]):.3f}.",
    )


@suite.check(TABLE)
def any_k_and_length(student: Any, draw: Draw) -> None:
    """k may be 1 or the whole vocabulary, and a text may have one token."""
    table = toys.a_table(draw, words=12)
    for length, k in ((1, 6), (6, 12), (3, 1)):
        ids = draw.integers(0, 11, 1, length)
        rows = texts(toys.as_rows(student, toys.model_of(student, table), ids, k=k))
        expect(
            rows == right_rows(table, ids, k),
            f"For a text of {length} tokens and k={k} the table is not that of the k most probable "
            "tokens after each position.",
        )


@suite.check(TABLE, points=2, hint="A Hugging Face model returns an output with .logits.")
def tables_of_both_kinds_of_models(student: Any, draw: Draw) -> None:
    """Models that return logits and those that return an output with .logits both work."""
    table = toys.a_table(draw, words=12)
    ids = draw.integers(0, 11, 1, 4)
    for wrapped in (False, True):
        model = toys.model_of(student, table, wrapped=wrapped)
        kind = "an output with .logits" if wrapped else "logits, as ours do"
        expect(
            texts(toys.as_rows(student, model, ids)) == right_rows(table, ids, 6),
            f"With a model that returns {kind} the table is wrong.",
        )


@suite.check(TABLE)
def table_leaves_the_model_alone(student: Any, draw: Draw) -> None:
    """The model is asked in evaluation mode and left in its own; gradients stay on."""
    table = toys.a_table(draw, words=12)
    ids = draw.integers(0, 11, 1, 4)
    for training in (True, False):
        model = toys.model_of(student, table)
        live.set_mode(model, training)
        name = "training" if training else "evaluation"
        expect(
            texts(toys.as_rows(student, model, ids)) == right_rows(table, ids, 6),
            f"For a model in {name} mode the table is that of a model with dropout: call "
            "model.eval() first.",
        )
        expect(
            live.is_training(model) is training,
            f"The model came in {name} mode and is left in the other.",
        )
    words, on = live.make(student, f"{toys.HERE}:tokenizer"), True
    for given in (ids, ids[0]):  # as in as_rows, one text may come without a batch axis
        try:
            on = gradients_stay_on(student, [toys.model_of(student, table), words, given])
            break
        except NotImplementedError:
            raise
        except Exception:
            continue
    expect(on, "After the call no gradient is recorded any more: use `with torch.no_grad():`.")


@suite.check(TABLE)
def texts_are_decoded(student: Any, draw: Draw) -> None:
    """The text of a token is what tokenizer.decode makes of it, its leading space included."""
    table = toys.a_table(draw, words=12)
    ids = draw.integers(0, 11, 1, 3)
    rows = texts(toys.as_rows(student, toys.model_of(student, table), ids, "byte_tokenizer"))
    words = toys.byte_tokenizer()
    places = [[toys.NOUNS.index(word) for word in row] for row in right_rows(table, ids, 6)]
    right = [[str(words.decode([place])) for place in row] for row in places]
    expect(
        rows != [words.convert_ids_to_tokens(row) for row in places],
        "The table holds entries of the vocabulary, such as Ġthe: a reader wants the text, "
        "tokenizer.decode([token]).",
    )
    expect(
        rows != [[text.strip() for text in row] for row in right],
        "The texts have lost their leading space, which tells ' cat' from 'cat': leave them as "
        "tokenizer.decode([token]) gives them.",
    )
    expect(
        rows == right,
        f"Row 0 holds {rows[:1]}, but the tokens decode to {right[:1]}: decode each token alone.",
    )

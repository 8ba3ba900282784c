"""Hidden checks of extract_features, on a scripted encoder and a tiny random BERT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from autograder.checks.pooling.suite import suite
from course.checks import live
from course.checks import pooling_toys as toys
from course.checks.base import Draw, as_tensor, close, expect
from course.checks.pooling.common import (
    EXTRACT,
    a_table,
    extract,
    features_alone,
    sentences,
)

HINT = "The model is called as model(input_ids=..., attention_mask=...)."


class Scene:
    """A scripted encoder with tokenizer and pool, all beside the student's code."""

    def __init__(self, student: Any, table: Tensor, left: bool = False) -> None:
        self.student = student
        self.model = live.make(student, f"{toys.HERE}:encoder", table)
        self.tokenizer = live.make(student, f"{toys.HERE}:tokenizer", left=left)
        self.pool = live.make(student, f"{toys.HERE}:pool", "first")

    def args(self, texts: Sequence[str]) -> list[Any]:
        return [self.model, self.tokenizer, list(texts), self.pool]

    def run(self, texts: Sequence[str], **options: Any) -> Tensor:
        result = self.student(*self.args(texts), **options)
        return as_tensor(result, "The result")

    def rows(self) -> list[int]:
        """The number of sentences in each call of the model."""
        return [note["rows"] for note in toys.notes(self.model)]


@suite.check(EXTRACT, points=2, hint=HINT)
def the_model_gets_the_mask(student: Any, draw: Draw) -> None:
    """A sentence's features do not depend on the padding that its batch gives it"""
    table, texts = a_table(draw), sentences(draw, [3, 3, 9, 3])
    options = {"mixing": 2.0, "batch_size": 4}
    found = as_tensor(extract(student, table, texts, "moments", **options), "It", (4, 12))
    wanted = features_alone("moments", table, texts, mixing=2.0)
    expect(
        close(found, wanted, 1e-3),
        "Short sentences get other features beside a long one than alone: hand the attention mask "
        "to the model, or its tokens attend to padding.",
    )


@suite.check(EXTRACT, points=2)
def the_pool_gets_the_mask(student: Any, draw: Draw) -> None:
    """The pool gets the attention mask of its batch"""
    table, texts = a_table(draw), sentences(draw, [2, 2, 8, 2])
    found = as_tensor(extract(student, table, texts, "moments", batch_size=4), "It", (4, 12))
    wanted = features_alone("moments", table, texts)
    pad = toys.tokenizer().pad_token_id
    padding = torch.tensor([6.0, 6.0, 0.0, 6.0]).unsqueeze(1)
    both = torch.cat([table[pad], table[pad].square()])
    expect(
        not close(found, wanted + padding * both, 1e-3),
        "Padding takes part in the pool: call pool(hidden, attention_mask) with the mask that the "
        "tokenizer gives, not with ones.",
    )
    # Rows by themselves, in whatever order: the order is another check's matter.
    distances = torch.cdist(found.double(), wanted.double()).min(dim=1).values
    expect(
        bool((distances < 1e-3).all()),
        "What the pool gets is not the hidden states and the mask of the batch.",
    )


@suite.check(EXTRACT, points=2)
def dropout_is_off(student: Any, draw: Draw) -> None:
    """A model in training mode is put into eval mode while it extracts"""
    scene, texts = Scene(student, a_table(draw)), sentences(draw, [3, 5, 4])
    live.set_mode(scene.model, True)
    scene.run(texts)
    modes = {note["training"] for note in toys.notes(scene.model)}
    expect(
        modes == {False},
        "With a model in training mode dropout blurs the features: call model.eval() before the "
        "forward passes.",
    )


@suite.check(EXTRACT)
def the_mode_is_left_as_found(student: Any, draw: Draw) -> None:
    """The model is left in the mode in which it was found"""
    for training in (True, False):
        scene = Scene(student, a_table(draw))
        live.set_mode(scene.model, training)
        scene.run(sentences(draw, [3, 4]))
        expect(
            live.is_training(scene.model) is training,
            f"The model came in {'training' if training else 'eval'} mode and is left in the "
            "other: remember model.training and restore it.",
        )


@suite.check(EXTRACT)
def gradients_are_on_afterwards(student: Any, draw: Draw) -> None:
    """Gradients are still recorded after the call, and the model can still be tuned"""
    scene = Scene(student, a_table(draw))
    expect(
        toys.gradients_stay_on(student, scene.args(sentences(draw, [3, 4]))),
        "After the call no gradient is recorded any more: use `with torch.no_grad():`, not "
        "torch.set_grad_enabled(False).",
    )
    expect(
        toys.trainable(scene.model) == ["table"],
        "After the call the model's parameters are frozen, so it can no longer be tuned: no_grad "
        "is enough, leave requires_grad alone.",
    )


@suite.check(EXTRACT, points=2)
def each_sentence_once_in_batches(student: Any, draw: Draw) -> None:
    """Every sentence goes through the model once, in batches of at most batch_size"""
    texts = sentences(draw, draw.integers(1, 6, 37).tolist())
    for size in (5, 32, 100):
        scene = Scene(student, a_table(draw))
        found = scene.run(texts) if size == 32 else scene.run(texts, batch_size=size)
        rows, given = scene.rows(), "by default" if size == 32 else f"with batch_size={size}"
        expect(
            max(rows) <= size,
            f"A batch holds {max(rows)} sentences {given}; at most {size} are allowed.",
        )
        expect(
            sum(rows) == 37,
            f"The model sees {sum(rows)} sentences {given}, but there are 37: each goes through "
            "once, the last and smaller batch too.",
        )
        expect(len(found) == 37, f"There are {len(found)} rows {given} for 37 sentences.")
        least = -(-37 // size)
        expect(
            len(rows) <= 4 * least,
            f"The model is called {len(rows)} times {given} for 37 sentences: fill the batches.",
        )


@suite.check(EXTRACT)
def small_inputs(student: Any, draw: Draw) -> None:
    """One sentence, batches of one, and fewer sentences than batch_size give (sentences, dim)"""
    table = a_table(draw)
    for count, size in ((1, 32), (3, 1), (3, 2), (4, 4)):
        texts = sentences(draw, [4] * count)
        result = extract(student, table, texts, "moments", batch_size=size)
        found = as_tensor(result, f"The result for {count} sentences", (count, 12))
        expect(
            close(found, features_alone("moments", table, texts), 1e-3),
            f"For {count} sentences in batches of {size} the features are wrong.",
        )


@suite.check(EXTRACT)
def same_sentence_same_row(student: Any, draw: Draw) -> None:
    """A sentence that comes twice has two equal rows, and nothing is kept between calls"""
    one, two = a_table(draw), a_table(draw) + 1
    texts = [sentence for sentence in sentences(draw, [3, 5]) for _ in range(2)]
    for table in (one, two):
        found = as_tensor(extract(student, table, texts, "moments"), "The result", (4, 12))
        expect(
            close(found, features_alone("moments", table, texts), 1e-3),
            "With repeated sentences, or with a second model after the first, the features are "
            "those of another call or row: keep nothing between calls.",
        )


@suite.check(EXTRACT, points=2, hint="Call the tokenizer with truncation=True.")
def long_sentences_are_cut(student: Any, draw: Draw) -> None:
    """A sentence beyond the tokenizer's limit is truncated to it, and no other is"""
    table, texts = a_table(draw), sentences(draw, [4, 40, 18])
    found = as_tensor(extract(student, table, texts, "moments", limit=20), "It", (3, 12))
    cut = [texts[0], " ".join(texts[1].split()[:18]), texts[2]]
    expect(
        close(found, features_alone("moments", table, cut), 1e-3),
        "With a limit of 20 tokens, sentences of 6, 42 and 20 tokens give other features than "
        "those of their first 20 tokens, [CLS] and [SEP] included: truncation=True keeps exactly "
        "these.",
    )


@suite.check(EXTRACT)
def nothing_else_is_cut(student: Any, draw: Draw) -> None:
    """Long sentences below the limit keep all tokens, [CLS] and [SEP] are there"""
    table, texts = a_table(draw), sentences(draw, [150, 3, 150])
    found = as_tensor(extract(student, table, texts, "moments", limit=160), "It", (3, 12))
    expect(
        close(found, features_alone("moments", table, texts), 2e-3),
        "Sentences of 152 tokens lose some of them, though the limit is 160: set no max_length of "
        "your own, and leave the special tokens in.",
    )


@suite.check(EXTRACT)
def texts_are_read_as_they_are(student: Any, draw: Draw) -> None:
    """Capital letters and punctuation reach the tokenizer"""
    table, words = a_table(draw), sentences(draw, [3, 4, 2])
    texts = [f" {words[0].capitalize()}!", words[1].upper() + ", the .", f"({words[2]})"]
    found = as_tensor(extract(student, table, texts, "moments", cased=True), "It", (3, 12))
    expect(
        close(found, features_alone("moments", table, texts), 1e-3),
        "Texts with capital letters and punctuation have other features than their tokens give: "
        "hand the sentences to the tokenizer as they are.",
    )


@suite.check(EXTRACT, hint="Tensors made under inference_mode cannot be trained on; no_grad's can.")
def features_can_be_trained_on(student: Any, draw: Draw) -> None:
    """A layer can be trained on the features"""
    scene = Scene(student, a_table(draw))
    expect(
        toys.train_on_features(student, scene.args(sentences(draw, [3, 5]))),
        "No gradient reaches a layer on the features.",
    )


@suite.check(EXTRACT)
def padding_side_does_not_matter(student: Any, draw: Draw) -> None:
    """A tokenizer that pads on the left gives the same features"""
    table, texts = a_table(draw), sentences(draw, [2, 7, 4])
    options = {"left": True, "mixing": 1.0}
    found = as_tensor(extract(student, table, texts, "moments", **options), "It", (3, 12))
    expect(
        close(found, features_alone("moments", table, texts, mixing=1.0), 1e-3),
        "With a tokenizer that pads on the left the features are other ones: use the mask that "
        "belongs to the batch.",
    )


@suite.check(EXTRACT)
def the_tokenizer_is_left_as_found(student: Any, draw: Draw) -> None:
    """The tokenizer pads afterwards on the side on which it padded before"""
    for left in (True, False):
        scene = Scene(student, a_table(draw), left=left)
        scene.run(sentences(draw, [3, 5]))
        side = scene.tokenizer.padding_side
        expect(
            side == ("left" if left else "right"),
            f"The tokenizer padded on the {'left' if left else 'right'} and is left padding on the "
            f"{side}: who uses it next gets other batches. Leave its settings alone.",
        )


@suite.check(EXTRACT, hint=HINT)
def as_the_model_alone(student: Any, draw: Draw) -> None:
    """On a BERT of transformers, each row is the pool of the last hidden states"""
    live.seed(student, draw.integer(0, 2**31))
    model = live.make(student, f"{toys.HERE}:tiny", "bert")
    tokenizer = live.make(student, f"{toys.HERE}:tokenizer", None, types=True)
    pool = live.make(student, f"{toys.HERE}:pool", "first")
    texts = sentences(draw, [1, 6, 3])
    found = as_tensor(student(model, tokenizer, texts, pool), "The result", (3, 8))
    mine = toys.tiny("bert")
    live.set_parameters(mine, live.parameters(model))
    for row, text in zip(found, texts, strict=True):
        with torch.no_grad():
            wanted = mine(**toys.tokenizer()(text, return_tensors="pt")).last_hidden_state[0, 0]
        expect(
            close(row, wanted, 1e-4),
            "The features of a small BERT are not its last hidden states, pooled: take "
            "output.last_hidden_state, neither the pooler's output nor another layer.",
        )

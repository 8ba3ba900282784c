"""Lesson 2: 72 heads of a real model."""

from __future__ import annotations

from typing import Any

import numpy as np

from course.views.questions import question


def _best(view: Any, share: np.ndarray, what: str) -> str:
    """Nothing when the chosen head has the largest share (layers, heads), else a hint."""
    layer, head = np.unravel_index(share.argmax(), share.shape)
    if (view.layer, view.head) == (layer, head):
        return ""
    near = "" if view.layer != layer else " It is in this layer."
    return (
        f"In layer {view.layer}, head {view.head} {what} {share[view.layer, view.head]:.2f}; "
        f"another head gives more.{near}"
    )


def _changed(view: Any) -> str:
    if view.causal or view.temperature != 1 or view.mass < 1:
        return "Set mask, temperature and mass back first: the model's own weights are asked for."
    return ""


@question("same word")
def same_word(view: Any) -> str:
    """This head matches by the word, wherever it stands. It is in the lowest layer, where a vector
    still is little more than its word."""
    places = [i for i, token in enumerate(view.data.tokens) if token == "the"]
    among = view.data.weights[:, :, places][:, :, :, places].sum(-1).mean(-1)  # (layers, heads)
    return _changed(view) or _best(view, among, "a “the” gives all three")


@question("parking place")
def parking_place(view: Any) -> str:
    """Whatever it reads, every token gives nearly all to [CLS]. Weights must sum to 1, so a head
    that has found nothing parks them where they do little harm, and [CLS] is always there."""
    least = view.data.weights[:, :, :, 0].min(axis=-1)  # (layers, heads)
    return _changed(view) or _best(view, least, "the token that gives least to [CLS] gives")


@question("who was chased")
def who_was_chased(view: Any) -> str:
    """Of all 72 heads this one comes closest to “who was chased”, and it is in the last layer,
    where a vector knows its sentence. In layer 0 no head could tell: there “chased” is a word
    among words."""
    tokens = list(view.data.tokens)
    chased, cat = tokens.index("chased"), tokens.index("cat")
    if (view.row, view.column) != (chased, cat):
        return (
            f"The focus is on “{tokens[view.row]}” that looks at “{tokens[view.column]}”: choose "
            "the row of “chased” and the column of “cat”, and then walk through layers and heads."
        )
    return _changed(view) or _best(view, view.data.weights[:, :, chased, cat], "that weight is")

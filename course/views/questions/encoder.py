"""Lesson 3: words that are only their positions."""

from __future__ import annotations

from typing import Any

import numpy as np

from course.views.questions import question

STEP = 0.05  # of the slider


@question("four back")
def four_back(view: Any) -> str:
    """Every word looks four words back: one rotation does it, wherever the word stands. The first
    four have nobody there, and make do with the words at the start."""
    back = np.array([np.diagonal(head, -4).mean() for head in view.data.weights[view.layer]])
    if view.head != back.argmax():
        return (
            f"In head {view.head} the word four places back gets {back[view.head]:.2f} on average; "
            "another head gives it more. The brackets [ and ] change the head."
        )
    if view.row - view.column == 4:
        return ""
    return (
        f"The head is right. Now put the focus on a word that it finds: the column is {view.row} "
        f"- {view.column} = {view.row - view.column} places left of the row, not four."
    )


@question("sharp enough")
def sharp_enough(view: Any) -> str:
    """Just sharp enough: each word gives more than half of its weight to one word. The rows of
    neighbours are nearly alike, with dot products of 32.0 and 30.9 before the division, so the
    softmax must be sharp to tell them apart."""
    if view.causal or view.mass < 1:
        return "Leave the mask off and the mass at 1: the temperature alone will do."
    if view.head != 1:
        return f"This is head {view.head}; the question is about head 1."
    least = float(view.weights.max(axis=1).min())
    if least <= 0.5:
        return f"One row's largest weight is {least:.2f} still: a lower temperature is sharper."
    if _least(view, view.temperature + STEP) > 0.5:
        return f"It is enough, but more than enough: the smallest of them is {least:.2f}."
    return ""


def _least(view: Any, temperature: float) -> float:
    """The smallest of the largest weights of the rows, at another temperature."""
    from course.views.attention_data import explored

    weights = view.data.weights[view.layer, view.head]
    return float(explored(weights, temperature=temperature).max(axis=1).min())

"""Lesson 1: three heads read a sentence, and one cell of attention step by step."""

from __future__ import annotations

from typing import Any

import numpy as np

from course.views.questions import question


@question("root")
def root(view: Any) -> str:
    """This weight moves most when the root is switched on and off. The root pulls the largest
    weight of each row down: it changes no order, only how sharp the softmax is."""
    if view.step != 4:
        return "Weights are made in step 4; the bracket ] goes on, [ goes back."
    moved = np.abs(view.data.stage(4, True, view.masked) - view.data.stage(4, False, view.masked))
    if np.isclose(moved[view.row, view.column], moved.max()):
        return ""
    return (
        f"With the root and without it, this weight differs by {moved[view.row, view.column]:.2f}; "
        "another one by more. Switch 'divide' off and on, and watch the whole table."
    )


@question("mask")
def mask(view: Any) -> str:
    """The causal mask does not touch this word's output: it is the last one, and what it may look
    at is the whole sentence anyway. So a model can be trained on all words at once, and asked for
    the next one at the last."""
    if view.step != 5:
        return "Outputs are made in step 5; the bracket ] goes on, [ goes back."
    masked, free = (view.data.stage(5, view.scaled, on) for on in (True, False))
    moved = np.abs(masked - free).max(axis=1)
    if np.isclose(moved[view.row], 0):
        return ""
    return (
        f"The output of “{view.data.tokens[view.row]}” moves by {moved[view.row]:.1f} when the "
        "mask is switched off. The arrows up and down choose another word."
    )


@question("previous word")
def previous_word(view: Any) -> str:
    """This head copies the word before: its weight lies one cell left of the diagonal. The first
    word has none before it, so it looks elsewhere."""
    left = np.array([np.diagonal(head, -1).mean() for head in view.data.weights[view.layer]])
    if view.head == left.argmax():
        return ""
    return (
        f"In head {view.head} a word gives the word before it {left[view.head]:.2f} of its weight "
        "on average; another head gives more. The brackets [ and ] change the head."
    )


@question("same word")
def same_word(view: Any) -> str:
    """Here a word finds its twin, and gives it exactly what it gives itself: the same word has the
    same vector, so neither can be preferred. This head has no idea of position."""
    tokens = view.data.tokens
    if tokens[view.row] != "the" or tokens[view.column] != "the" or view.row == view.column:
        place = f"in row {view.row} and column {view.column}"
        return f"The focus is {place}: choose the row of one “the” and the column of the other."
    if view.head == view.data.weights[view.layer, :, view.row, view.column].argmax():
        return ""
    return (
        f"In head {view.head} the two see less of each other than in another one; [ and ] change "
        "the head."
    )


@question("sharper")
def sharper(view: Any) -> str:
    """A temperature below 1 makes every score of a row larger before the softmax: one word takes
    nearly all. It is the dial that √d turns the other way, and the order of the words stays."""
    if view.causal or view.mass < 1:
        return "Leave the mask off and the mass at 1: the temperature alone will do."
    tokens = view.data.tokens
    if tokens[view.row] != "it" or view.head != 2:
        return "The question is about the row of “it” in head 2."
    most = view.weights[view.row].max()
    if most >= 0.9:
        return ""
    return f"At temperature {view.temperature:.2f} the largest weight of “it” is {most:.2f}."

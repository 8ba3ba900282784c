"""Lesson 10: what twenty steps on fairy tales have changed."""

from __future__ import annotations

from typing import Any

import numpy as np

from course.views.questions import question


@question("what it has learnt")
def what_it_has_learnt(views: Any) -> str:
    """This token has won most. See what kind of token it is, and which ones have lost: the model
    has learnt how these tales are told, where their sentences go on and where they end, much more
    than what they tell."""
    before, after = views
    if list(before.tokens) != list(after.tokens):
        return "The two strips show different texts: give both the same one."
    gain = before.data.bits - after.data.bits
    if np.isnan(gain[after.position]):
        return "The focused token was given. Look at the second sentence of the second strip."
    if gain[after.position] == np.nanmax(gain):
        return ""
    factor = 2 ** gain[after.position]
    return (
        f'"{after.tokens[after.position]}" became ≈ {factor:.2f} times as probable; for another '
        "token the factor is larger. Move the focus of the second strip, and compare the surprise "
        "in bits with that of the first."
    )

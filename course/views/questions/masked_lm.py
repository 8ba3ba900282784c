"""Lesson 4: what a masked language model goes by."""

from __future__ import annotations

from typing import Any

from course.views.fillers import MOST_WORDS, STOPS
from course.views.questions import question


def _no_gap(view: Any) -> str:
    """A hint when the focus is not on a masked word."""
    if view.position in view.masked:
        return ""
    word = view.tokens[view.position]
    return f'The focus is on "{word}", which the model reads: mask a word and stay on it.'


@question("clue")
def clue(view: Any) -> str:
    """The guess hung on that word. Mask the others in its place: some that you would call important
    hardly move it. What a model goes by shows when it is taken away."""
    if hint := _no_gap(view):
        return hint
    others = [place for place in view.masked if place != view.position]
    if len(others) != 1:
        count = "1 word is" if not others else f"{len(view.masked)} words are"
        return (
            f"{count} masked: mask the gap and one word more, then go back to the gap with [ or ]."
        )
    alone, now = view.best([view.position], view.position), view.best(view.masked, view.position)
    if alone != now:
        return ""
    return f'Without "{view.tokens[others[0]]}" the best guess is still "{now}": try another word.'


@question("milk")
def milk(view: Any) -> str:
    """The company decides, and it is the company that the word kept in the training texts: a model
    of tales and glosses has met milk with cows, not with cats."""
    if hint := _no_gap(view):
        return hint
    read = [token for i, token in enumerate(view.tokens) if i not in view.masked]
    if any("milk" in token for token in read):
        return "The sentence says milk itself: that is copying, not knowing."
    best = view.best(view.masked, view.position)
    if best == "milk":
        return ""
    return f'The best guess is "{best}". Who or what would make you think of milk?'


@question("heat")
def heat(view: Any) -> str:
    """From here on more than half of all draws come from the other words. Each of them gains only a
    little, but they are many, and they gain together."""
    if hint := _no_gap(view):
        return hint
    shares = [float(view.data.chances(view.position, T)[0].sum()) for T in STOPS]
    cold = [T for T, share in zip(STOPS, shares, strict=True) if share < 0.5]
    if not cold:
        return "This gap is so sure that no temperature takes the half away: choose another."
    now = shares[list(STOPS).index(view.temperature)]
    if view.temperature == cold[0]:
        return ""
    way = "Go on heating." if now >= 0.5 else "That is more heat than it takes."
    return f"At {view.temperature} the {MOST_WORDS} best words hold ≈ {now:.2f}. {way}"

"""Lesson 6: what padding does to a pool."""

from __future__ import annotations

from typing import Any

from course.views.pooling_map import POOLS
from course.views.questions import question


@question("ruined")
def ruined(view: Any) -> str:
    """This pool suffers most. Its picture now sorts sentences by how much padding they carry. With
    padding on the right the first vector never changes, and in a maximum padding only counts where
    it wins."""
    if view.padding_mask:
        return "The padding mask is on: switch it off and look how many neighbours change."
    moved = [view.data.moved(pool) for pool in range(3)]
    mine = moved[POOLS.index(view.pool)]
    if mine == max(moved):
        return ""
    return (
        f"In the {view.pool} pool {mine} sentences get another nearest neighbour; another pool "
        "loses more. Page keys change the pool."
    )


@question("turncoat")
def turncoat(view: Any) -> str:
    """Its nearest neighbour was of its own class, and is not without the mask. Compare the tokens:
    most turncoats are short, and so are their new neighbours. They are alike in their padding."""
    pool, here = POOLS.index(view.pool), view.sentence
    without, masked = (int(view.data.nearest[pool, mask, here, 0]) for mask in (0, 1))
    own, (was, now) = view.labels[here], (view.labels[i] for i in (masked, without))
    if was == own != now:
        return ""
    if without == masked:
        return f"Sentence {here} keeps its nearest neighbour: take another one, or another pool."
    name = view.classes[own]
    return (
        f"Sentence {here} is of class {name}; its nearest neighbour is of class "
        f"{view.classes[was]} with the mask and {view.classes[now]} without. Look for one that "
        "leaves its own class."
    )

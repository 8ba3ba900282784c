"""Lesson 11: what was nearly lost, what was lost, and what a rule forbids."""

from __future__ import annotations

from typing import Any

from course.views.beam_nodes import BeamTreeData
from course.views.beam_tree_picture import BLOCKED
from course.views.questions import question


@question("nearly lost")
def nearly_lost(view: Any) -> str:
    """Here the sentence that wins in the end was nearly lost: it stood lower than in any other
    round. A search too narrow for that place would have pruned it, and could never have come back.
    Width is patience with a slow start."""
    data = view.data
    way = data.way(data.beams[0])
    places = {number: _place(data, number) for number in way}
    if view.node not in places:
        return (
            "Focus a candidate on the thick line. The bracket ] goes to its end, the left arrow "
            "back towards the prompt."
        )
    if places[view.node] == max(places.values()):
        return ""
    return (
        f"In round {data.nodes[view.node].round + 1} the later winner was number "
        f"{places[view.node]} from the top; in another round it stood lower."
    )


@question("pruned too early")
def pruned_too_early(views: Any) -> str:
    """This beginning was pruned, and with it the best sentence of the wider search: its sum was
    just below those of two others, and nobody looks at what comes after a pruned candidate."""
    narrow, wide = views
    winner = wide.data.tokens(wide.data.beams[0])
    lost = narrow.data.find(winner)
    nodes = narrow.data.nodes
    if lost < 0 or nodes[lost].kept:
        return "The narrow search did not prune the winner of the wide one: take widths 2 and 3."
    if narrow.node == lost:
        return ""
    if narrow.node < 0 or nodes[narrow.node].kept:
        return (
            "In the narrow tree focus a dashed box. Which one? Follow the winner of the wide tree "
            "word by word, until the narrow one throws it away."
        )
    return "This one was pruned as well, but the winner of the wide tree does not begin so."


@question("own words")
def own_words(view: Any) -> str:
    """This token is forbidden for what the beam itself has written; with the others it is the
    prompt that had both words before. A rule looks at all that a beam holds, so the longer the
    text, the more is forbidden."""
    if not view.processed:
        return "Switch the score processors on: without them nothing is forbidden."
    if view.node < 0 or view.data.nodes[view.node].total > BLOCKED:
        return "What is focused is not blocked. Look for boxes that say so, below the kept ones."
    node = view.data.nodes[view.node]
    if node.token_id in view.data.tokens(node.parent):
        return ""
    return (
        "This one is blocked, but because of the prompt. Read the line below the tree: which two "
        "words would come twice, and who wrote them first?"
    )


def _place(data: BeamTreeData, number: int) -> int:
    """The place of a candidate among those that its round kept, 1 for the best sum."""
    own = data.nodes[number]
    rivals = [n for n in data.nodes if n.round == own.round and n.kept]
    return 1 + sum(node.total > own.total for node in rivals)

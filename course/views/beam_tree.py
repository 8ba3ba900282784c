"""The beam tree: what a search kept, what it pruned, and at what score.

BeamTree.from_model(model, tokenizer, "The black", beams=3, steps=5, processors=[NGramBlock()])
BeamTree(data)  # a search of one's own, recorded: see beam_tree_data
BeamTree({"off": plain, "on": ruled})  # recorded without and with score processors
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets
from matplotlib.figure import Figure

from course.views.base import View, module_text
from course.views.beam_nodes import BeamTreeData, Node, beam_tree_data
from course.views.beam_record import BeamRecorder, recorded_search
from course.views.beam_tree_picture import beam_tree

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "BeamRecorder",
    "BeamTree",
    "BeamTreeData",
    "Node",
    "beam_tree",
    "beam_tree_data",
    "recorded_search",
]
TAIL = 48  # characters of what was written so far


class BeamTree(View):
    """The tree of a beam search, or of two: without and with score processors.

    ``node`` (a number of ``data.nodes``, -1 for the prompt), ``processed`` (which of two searches
    is shown), ``scores`` ("processed" or "raw") and ``beam`` (the final beam that is marked, 0 is
    the best) can be set and read at any time. Setting ``processed`` keeps the focus on the same
    words, as far as they are in the other tree.
    """

    _esm = module_text("beam_tree")
    prompt = traitlets.Unicode().tag(sync=True)
    searches = traitlets.List(traitlets.Dict()).tag(sync=True)
    numbers = traitlets.Bytes().tag(sync=True)
    node = traitlets.Int(-1).tag(sync=True)
    processed = traitlets.Bool(True).tag(sync=True)
    scores = traitlets.Enum(["processed", "raw"], "processed").tag(sync=True)
    beam = traitlets.Int(0).tag(sync=True)

    def __init__(self, data: BeamTreeData | Mapping[str, BeamTreeData], **state: Any) -> None:
        self._all = _searches(data)
        self._led = False  # the page sets its state, and has moved the focus itself
        chosen = {n: state.pop(n) for n in ("processed", "scores", "beam", "node") if n in state}
        trees = list(self._all.values())
        super().__init__(
            prompt=_tail(trees[0].prompt),
            searches=[_plain(*pair) for pair in zip(trees, reversed(trees), strict=True)],
            numbers=b"".join(map(_numbers, trees)),
            processed=len(trees) == 1,
            notice=_notice(self._all),
            **state,
        )
        self._tokens = self.data.tokens(self.node)
        self.observe(self._follow, ["processed", "node"])
        for name, value in chosen.items():
            setattr(self, name, value)

    @classmethod
    def from_model(
        cls,
        model: Any,
        tokenizer: Any,
        prompt: str,
        beams: int = 3,
        steps: int = 5,
        processors: Sequence[Callable[[Tensor, Tensor], Tensor]] = (),
        candidates: int = 2,
        **state: Any,
    ) -> BeamTree:
        """Search with a transformers model and show the tree.

        processors: score processors, callables of (ids (beams, length), log-probabilities (beams,
        vocab)); the search is then run without and with them. candidates: so many of each beam's
        best proposals are shown, beside those that were kept. Raises ValueError as
        ``recorded_search`` and ``beam_tree_data`` do.
        """
        trees = {}
        for name, rules in {"off": (), "on": tuple(processors)}.items():
            if name == "off" or rules:
                after, found, raw = recorded_search(model, tokenizer, prompt, beams, steps, rules)
                trees[name] = beam_tree_data(after, found, tokenizer, raw, candidates)
        return cls(trees if processors else trees["off"], **state)

    @property
    def data(self) -> BeamTreeData:
        """The search that is shown."""
        return self._all[self.processed]

    def describe(self) -> str:
        trees = list(self._all.values())
        first = trees[0]
        sizes = " and ".join(str(len(tree.nodes)) for tree in trees)
        both = " without and with score processors" if len(trees) > 1 else ""
        return (
            f"BeamTree({first.rounds} rounds, {len(first.beams)} beams, {sizes} candidates{both})"
        )

    def figure(self) -> Figure:
        return beam_tree(self.data, raw=self.scores == "raw", focus=self.node)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """What the page says: it moves the focus itself when it changes the tree."""
        self._led = True
        try:
            super().set_state(sync_data)
        finally:
            self._led = False

    def _follow(self, change: Any) -> None:
        """Keep the focus on the same words in the other tree."""
        if change.name == "node" or self._led:
            self._tokens = self.data.tokens(self.node)
            return
        with self.hold_sync():
            self.beam = min(self.beam, len(self.data.beams) - 1)
            self.node = self.data.find(self._tokens)

    @traitlets.validate("node")
    def _node_exists(self, proposal: Any) -> int:
        last = len(self.data.nodes) - 1
        if not -1 <= proposal.value <= last:
            raise traitlets.TraitError(
                f"node must be 0 to {last}, or -1 for the prompt, not {proposal.value}"
            )
        return int(proposal.value)

    @traitlets.validate("beam")
    def _beam_exists(self, proposal: Any) -> int:
        return self._only(proposal, len(self.data.beams))

    @traitlets.validate("processed")
    def _search_exists(self, proposal: Any) -> bool:
        if proposal.value not in self._all:
            raise traitlets.TraitError(
                "one search was given, so processed stays True; give "
                "BeamTree({'off': data, 'on': data}) for two"
            )
        return bool(proposal.value)


def _searches(data: Any) -> dict[bool, BeamTreeData]:
    """The trees by what ``processed`` says; raises ValueError for anything else."""
    given = {True: data}
    if isinstance(data, Mapping):
        if set(data) != {"off", "on"}:
            raise ValueError(f"give one tree, or two as 'off' and 'on', not {sorted(data)}")
        given = {False: data["off"], True: data["on"]}
    for tree in given.values():
        if not isinstance(tree, BeamTreeData):
            raise ValueError(f"give what beam_tree_data returns, not a {type(tree).__name__}")
        if not tree.nodes or not tree.beams:
            raise ValueError("the tree holds no candidates or no beams: nothing to show")
    if len({tree.prompt for tree in given.values()}) > 1:
        raise ValueError("the two searches continue different prompts: record them with the same")
    return given


def _plain(data: BeamTreeData, other: BeamTreeData) -> dict[str, Any]:
    """What the page needs of a tree beside its numbers; a ``twin`` has the same words in the other
    tree, as far as they are there."""
    beams: list[list[int]] = [[] for _ in data.nodes]
    for rank, end in enumerate(data.beams):
        for number in data.way(end):
            beams[number].append(rank)
    nodes = [
        {
            "parent": node.parent,
            "round": node.round,
            "text": _line(node.text),
            "whole": _tail(node.whole),
            "kept": node.kept,
            "beams": beams[node.number],
            "twin": other.find(data.tokens(node.number)),
        }
        for node in data.nodes
    ]
    return {"nodes": nodes, "beams": list(data.beams), "rounds": data.rounds}


def _numbers(data: BeamTreeData) -> bytes:
    """(nodes, 4) of float32: score and sum after the processors, score and sum before them."""
    scores = np.array([[node.score, node.raw] for node in data.nodes])
    columns = [scores[:, 0], data.sums(), scores[:, 1], data.sums(raw=True)]
    return np.stack(columns, axis=1).astype("<f4").tobytes()


def _notice(trees: Mapping[bool, BeamTreeData]) -> str:
    names = {False: "Without processors: ", True: "With processors: "}
    return " ".join(
        (names[on] if len(trees) > 1 else "") + tree.notice
        for on, tree in trees.items()
        if tree.notice
    )


def _line(text: str) -> str:
    """Text in one line, blanks at its ends left out."""
    return " ".join(text.strip().replace("\n", "⏎").split()) or "␣"


def _tail(text: str) -> str:
    """The end of a text, from a word on where one begins there."""
    line = _line(text)
    if len(line) <= TAIL:
        return line
    end = line[-TAIL:]
    return "…" + (end.split(" ", 1)[1] if " " in end else end)

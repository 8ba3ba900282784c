"""The tree that a recorded beam search grew: its candidates, kept and pruned."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from course.views.beam_record import MOST_NODES, BeamRecorder, checked_prompt

if TYPE_CHECKING:
    from torch import Tensor

Ids = tuple[int, ...]


@dataclass(frozen=True)
class Node:
    """A candidate: a token that a beam proposed in one round."""

    number: int
    parent: int  # -1 where the prompt is the parent
    round: int  # from 0
    token_id: int
    text: str
    score: float  # what the token adds: its log-probability after the processors
    raw: float  # the same before the processors
    total: float  # the sum up to here
    kept: bool
    best: bool  # on the way to the best beam
    whole: str = ""  # prompt and continuation up to here


@dataclass(frozen=True)
class BeamTreeData:
    """All nodes, parents before their children, round by round and best first in each."""

    prompt: str
    nodes: tuple[Node, ...]
    beams: tuple[int, ...] = ()  # the last node of each final beam, best first
    notice: str = ""

    @property
    def rounds(self) -> int:
        return 1 + max((node.round for node in self.nodes), default=-1)

    def way(self, number: int) -> tuple[int, ...]:
        """The nodes from the first round to this one; none for -1, the prompt."""
        if number < 0:
            return ()
        return (*self.way(self.nodes[number].parent), number)

    def tokens(self, number: int) -> Ids:
        """The token ids of the way to a node: what it adds to the prompt."""
        return tuple(self.nodes[i].token_id for i in self.way(number))

    def find(self, tokens: Ids) -> int:
        """The node at the end of these tokens, or the last one on the way to it that is there."""
        known = {(node.parent, node.token_id): node.number for node in self.nodes}
        number = -1
        for token in tokens:
            if (number, token) not in known:
                break
            number = known[number, token]
        return number

    def sums(self, raw: bool = False) -> np.ndarray:
        """The sum of log-probabilities up to each node, (nodes,), after or before processors."""
        if not raw:
            return np.array([node.total for node in self.nodes])
        sums: list[float] = []
        for node in self.nodes:
            sums.append(node.raw + (sums[node.parent] if node.parent >= 0 else 0.0))
        return np.array(sums)


def beam_tree_data(
    recorder: BeamRecorder,
    output_ids: Tensor,
    words: Any = None,
    raw: BeamRecorder | None = None,
    candidates: int = 3,
    end: int | None = None,
) -> BeamTreeData:
    """The tree of a recorded search.

    Args:
        recorder: stood last among the processors.
        output_ids: the search's result, (beams, length), best beam first.
        words: a tokenizer, or a function from a list of ids to text; numbers when left out.
        raw: a recorder that stood first, for the scores before the processors.
        candidates: beside those that were kept, so many of each beam's best proposals are shown,
            before and after the processors.
        end: the end-of-text token, after which a beam proposes nothing.

    Raises:
        ValueError: nothing was recorded, or two searches, or NaN; the prompt is empty; the output
            does not continue the recorded prompt; or more than 200 candidates were kept. Pruned
            ones beyond 200 are left out, lowest first, and the notice says so.
    """
    before = (raw or recorder).rounds
    prompt = checked_prompt(recorder.rounds, before)
    results = [tuple(row) for row in output_ids.tolist()]
    if not results or any(row[: len(prompt)] != prompt for row in results):
        raise ValueError(f"the output does not continue the recorded prompt {list(prompt)}")
    nodes: dict[Ids, Node] = {}
    for i, (ids, scores) in enumerate(recorder.rounds):
        alive = _next_beams(recorder, results, i)
        for beam, row, raw_row in _beams(ids, scores, before[i][1]):
            if end is None or end not in beam[len(prompt) :]:
                for token in _shown(beam, (row, raw_row), alive, candidates):
                    grown, added = (*beam, token), (float(row[token]), float(raw_row[token]))
                    nodes[grown] = _node(nodes, grown, added, grown in alive)
    text, winner = _speaker(words), results[0]
    named = [
        replace(
            node,
            round=node.round - len(prompt),
            text=text([ids[-1]]),
            whole=text(list(ids)),
            best=ids == winner[: len(ids)],
        )
        for ids, node in nodes.items()
    ]
    ends = [_end(nodes, row) for row in results]
    shown, beams, notice = _cut(named, [number for number in ends if number >= 0])
    return BeamTreeData(text(list(prompt)), shown, beams, notice)


def _shown(beam: Ids, rows: tuple[Tensor, Tensor], alive: set[Ids], candidates: int) -> list[int]:
    """The tokens of a beam that the tree shows: its best ones, before and after the processors,
    and those that were kept."""
    after, before = rows
    best = {i for row in rows for i in row.topk(min(candidates, len(row))).indices.tolist()}
    kept = {ids[-1] for ids in alive if ids[:-1] == beam}
    return sorted(best | kept, key=lambda token: (-float(after[token]), -float(before[token])))


def _node(nodes: dict[Ids, Node], ids: Ids, added: tuple[float, float], kept: bool) -> Node:
    """The node of a sequence; its score and the one before the processors are ``added``."""
    parent = nodes.get(ids[:-1])
    above, total = (-1, 0.0) if parent is None else (parent.number, parent.total)
    score, raw = added
    return Node(
        len(nodes), above, len(ids) - 1, ids[-1], "", score, raw, total + score, kept, False
    )


def _end(nodes: dict[Ids, Node], row: Ids) -> int:
    """The last node of a final beam; what fills a finished beam up to its length is no node."""
    ways = (row[:length] for length in range(len(row), 0, -1))
    return next((nodes[ids].number for ids in ways if ids in nodes), -1)


def _next_beams(recorder: BeamRecorder, results: list[Ids], i: int) -> set[Ids]:
    """The beams after round i: those that the next round begins with, and those of the output,
    among which are the finished ones that transformers keeps apart."""
    length = recorder.rounds[i][0].size(1) + 1
    final = {row[:length] for row in results}
    if i + 1 == len(recorder.rounds):
        return final
    return final | {tuple(row) for row in recorder.rounds[i + 1][0].tolist()}


def _beams(ids: Tensor, scores: Tensor, raw: Tensor) -> Iterable[tuple[Ids, Tensor, Tensor]]:
    """Each different beam of a round with its scores; the copies of the first round count once."""
    seen: set[Ids] = set()
    for row, score, raw_score in zip(ids.tolist(), scores, raw, strict=True):
        if tuple(row) not in seen:
            seen.add(tuple(row))
            yield tuple(row), score, raw_score


def _speaker(words: Any) -> Callable[[list[int]], str]:
    """A function from token ids to text."""
    if words is None:
        return lambda ids: " ".join(map(str, ids))
    return words.decode if hasattr(words, "decode") else words


def _cut(nodes: list[Node], ends: list[int]) -> tuple[tuple[Node, ...], tuple[int, ...], str]:
    """At most 200 nodes, numbered anew, the ends of the beams, and a notice: pruned candidates go,
    the lowest scores first."""
    kept = sum(node.kept for node in nodes)
    if kept > MOST_NODES:
        raise ValueError(
            f"the search kept {kept} candidates, but a tree shows {MOST_NODES} at most: record "
            "fewer rounds or beams"
        )
    pruned = sorted((n for n in nodes if not n.kept), key=lambda n: -n.score)
    chosen = {n.number for n in nodes if n.kept} | {n.number for n in pruned[: MOST_NODES - kept]}
    order = sorted((n for n in nodes if n.number in chosen), key=lambda n: (n.round, -n.total))
    names = {node.number: place for place, node in enumerate(order)} | {-1: -1}
    shown = [replace(n, number=names[n.number], parent=names[n.parent]) for n in order]
    lost = len(nodes) - len(shown)
    notice = f"{lost} of {len(nodes)} candidates are left out: pruned ones of the lowest scores."
    return tuple(shown), tuple(names[i] for i in ends if i in names), notice if lost else ""

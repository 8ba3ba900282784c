"""The tree that a beam search grows: what was kept, what was pruned, and at what score.

A ``BeamRecorder`` is a score processor that changes nothing and writes down what it sees. Given to
a search, ours or transformers' ``generate``, it records all that the tree needs:

    recorder = BeamRecorder()
    result = model.generate(ids, num_beams=3, logits_processor=[NGramBlock(), recorder], ...)
    data = beam_tree_data(recorder, result.sequences, tokenizer)
    beam_tree(data)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

MOST_NODES = 200
Ids = tuple[int, ...]


class BeamRecorder:
    """A score processor that returns the scores as they are and remembers each round."""

    def __init__(self) -> None:
        self.rounds: list[tuple[Tensor, Tensor]] = []  # ids (beams, length), scores (beams, vocab)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        self.rounds.append((input_ids.detach().clone(), scores.detach().float().clone()))
        return scores


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


@dataclass(frozen=True)
class BeamTreeData:
    """All nodes, parents before their children, round by round and best first in each."""

    prompt: str
    nodes: tuple[Node, ...]


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
        ValueError: nothing was recorded, the output does not continue the recorded prompt, or more
            than 200 candidates were kept. Pruned ones beyond 200 are left out, lowest first.
    """
    if not recorder.rounds:
        raise ValueError("nothing was recorded: hand the recorder to the search as a processor")
    prompt: Ids = tuple(recorder.rounds[0][0][0].tolist())
    results = [tuple(row) for row in output_ids.tolist()]
    if any(row[: len(prompt)] != prompt for row in results):
        raise ValueError(f"the output does not continue the recorded prompt {list(prompt)}")
    before = (raw or recorder).rounds
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
            best=ids == winner[: len(ids)],
        )
        for ids, node in nodes.items()
    ]
    return BeamTreeData(text(list(prompt)), tuple(_cut(named)))


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


def _next_beams(recorder: BeamRecorder, results: list[Ids], i: int) -> set[Ids]:
    """The beams after round i: those that the next round begins with, or the output."""
    if i + 1 < len(recorder.rounds):
        return {tuple(row) for row in recorder.rounds[i + 1][0].tolist()}
    length = recorder.rounds[i][0].size(1) + 1
    return {row[:length] for row in results}


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


def _cut(nodes: list[Node]) -> list[Node]:
    """At most 200 nodes, numbered anew: pruned candidates go, the lowest scores first."""
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
    return [replace(n, number=names[n.number], parent=names[n.parent]) for n in order]


def beam_tree(data: BeamTreeData, width: float = 9.5) -> Figure:
    """A picture of the tree: a column a round, best sum on top; thick is the way to the best beam.

    Kept candidates are dark boxes, pruned ones light with a dashed edge; below each token stands
    its sum of scores. Where processors changed a score, the one before stands in brackets.
    """
    places = _places(data.nodes)
    rounds = 1 + max(node.round for node in data.nodes)
    rows = max(y for _, y in places.values()) + 1
    figure = Figure(figsize=(width, max(2.2, 0.52 * rows + 0.5)), layout="constrained")
    axis = figure.subplots()
    axis.set(xlim=(-0.5, rounds + 0.5), ylim=(rows - 0.4, -0.6), xlabel="round")
    axis.set_xticks(range(1, rounds + 1))
    axis.set_yticks([])
    for side in ("left", "top", "right"):
        axis.spines[side].set_visible(False)
    middle = (rows - 1) / 2
    _box(axis, 0.0, middle, _short(data.prompt, keep_end=True), "", True, True)
    for node in data.nodes:
        x, y = places[node.number]
        start = (0.0, middle) if node.parent < 0 else places[node.parent]
        _edge(axis, start, (x, y), node)
    for node in data.nodes:
        x, y = places[node.number]
        above = 0.0 if node.parent < 0 else data.nodes[node.parent].total
        changed = abs(node.raw - node.score) > 5e-3
        before = f" ({above + node.raw:.2f})" if changed else ""
        below = "blocked" if node.total <= -1e8 else f"{node.total:.2f}"
        _box(axis, x, y, _short(node.text), below + before, node.kept, node.best)
    return figure


def _places(nodes: Sequence[Node]) -> dict[int, tuple[float, float]]:
    """(round, row) of each node: each column in the order of its nodes, centred."""
    columns: dict[int, list[Node]] = {}
    for node in nodes:
        columns.setdefault(node.round, []).append(node)
    tallest = max(map(len, columns.values()))
    return {
        node.number: (1.0 + column, row + (tallest - len(members)) / 2)
        for column, members in columns.items()
        for row, node in enumerate(members)
    }


def _edge(axis: Axes, start: tuple[float, float], end: tuple[float, float], node: Node) -> None:
    """The line from a parent to a candidate."""
    colour = "#d55e00" if node.best else "0.35" if node.kept else "0.75"
    width, style = (2.5 if node.best else 1.2), ("-" if node.kept else ":")
    axis.plot([start[0], end[0]], [start[1], end[1]], style, color=colour, lw=width, zorder=1)


def _box(axis: Axes, x: float, y: float, text: str, below: str, kept: bool, best: bool) -> None:
    """A candidate: its token, and its sum below."""
    dark = matplotlib.colormaps["cividis"](0.15)
    face = dark if kept else "white"
    edge = "#d55e00" if best else dark if kept else "0.6"
    look = {"boxstyle": "round,pad=0.25", "fc": face, "ec": edge, "lw": 2.0 if best else 1.0}
    ink = "white" if kept else "0.3"
    label = f"{text}  {below}" if below else text
    axis.text(x, y, label, ha="center", va="center", size=10.5, color=ink, bbox=look, zorder=2)


def _short(text: str, keep_end: bool = False, most: int = 14) -> str:
    """A token's text for a box: blanks made visible, long ones cut, no formulas."""
    text = text.strip().replace("\n", "⏎").replace("$", r"\$") or "␣"
    if len(text) <= most:
        return text
    return "…" + text[1 - most :] if keep_end else text[: most - 1] + "…"

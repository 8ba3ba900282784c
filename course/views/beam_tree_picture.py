"""The static picture of a beam tree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from course.views.beam_nodes import BeamTreeData, Node

BLOCKED = -1e8  # a sum below stands for no sequence
WAY, FOCUS = "#0072b2", "#d55e00"
LETTER, GAP = 0.067, 0.36  # inches: a character of a box, between two columns
MOST_ROWS = 24  # of a column
Place = tuple[float, float]
_TEXT: dict[str, Any] = {"ha": "center", "va": "center", "zorder": 2}


def beam_tree(data: BeamTreeData, width: float = 9.5, raw: bool = False, focus: int = -1) -> Figure:
    """A picture of the tree: a column a round, best sum on top; thick is the way to the best beam.

    Kept candidates are filled boxes, the darker the less likely the token; pruned ones are dashed;
    beside each token stands its sum of scores, after the processors or ``raw``. Where processors
    changed a score, the sum before stands in brackets. As many rounds are drawn as can be read,
    those around the candidate in ``focus``, and of each at most 24 candidates.
    """
    sums = data.sums(raw)
    texts = {node.number: box_text(data, sums, node, raw) for node in data.nodes}
    columns = _columns(data, sums, focus)
    widths = [0.25 + LETTER * max(len(texts[n.number]) for n in column) for column in columns]
    prompt = _short(data.prompt, keep_end=True)
    first, last = _window(widths, width - 0.6 - LETTER * len(prompt), data, focus)
    start = 0.3 + LETTER * len(prompt)
    places, heads = _places(columns[first:last], widths[first:last], start, width - 0.6)
    rows = max(y for _, y in places.values()) + 1
    pitch = 0.45 if rows <= 14 else 0.34
    figure = Figure(figsize=(width, max(2.2, pitch * rows + 0.6)), layout="constrained")
    axis = figure.subplots()
    _frame(axis, heads, (first, data.rounds), (width - 0.2, rows))
    root = (0.15 + LETTER * len(prompt) / 2, (rows - 1) / 2)
    axis.text(*root, prompt if first == 0 else "…", **_TEXT, size=11, bbox=_box(WAY, "white"))
    for node in (node for column in columns[first:last] for node in column):
        if node.round == first or node.parent in places:
            _edge(axis, places.get(node.parent, root), places[node.number], node)
        step = float(np.exp(min(0.0, node.raw if raw else node.score)))
        _candidate(axis, places[node.number], texts[node.number], node, step, node.number == focus)
    _ranks(axis, data, places, widths)
    return figure


def box_text(data: BeamTreeData, sums: np.ndarray, node: Node, raw: bool) -> str:
    """What stands in the box of a candidate: token, sum, and the sum before the processors."""
    total = sums[node.number]
    text = "blocked" if total <= BLOCKED else f"{total:.2f}"
    above = 0.0 if node.parent < 0 else sums[node.parent]
    changed = not raw and abs(node.raw - node.score) > 5e-3
    return f"{_short(node.text)}  {text}" + (f" ({above + node.raw:.2f})" if changed else "")


def _columns(data: BeamTreeData, sums: np.ndarray, focus: int) -> list[list[Node]]:
    """The candidates of each round, best sum first; of a tall column those that matter."""
    columns: list[list[Node]] = [[] for _ in range(data.rounds)]
    for node in sorted(data.nodes, key=lambda n: (-sums[n.number], n.number)):
        columns[node.round].append(node)

    def chosen(column: list[Node]) -> set[int]:
        first = sorted(column, key=lambda n: (n.number != focus, not n.best, not n.kept))
        return {node.number for node in first[:MOST_ROWS]}

    return [[node for node in column if node.number in chosen(column)] for column in columns]


def _window(
    widths: Sequence[float], room: float, data: BeamTreeData, focus: int
) -> tuple[int, int]:
    """The rounds [first, last) that fit into so many inches, the focused one among them."""
    at = data.nodes[focus].round if focus >= 0 else 0
    first = last = at
    while last < len(widths) and sum(widths[first : last + 1]) + GAP * (last - first + 1) <= room:
        last += 1
    last = max(last, at + 1)
    while first > 0 and sum(widths[first - 1 : last]) + GAP * (last - first + 1) <= room:
        first -= 1
    return first, last


def _places(
    columns: Sequence[Sequence[Node]], widths: Sequence[float], x: float, end: float
) -> tuple[dict[int, Place], list[float]]:
    """(inches, row) of each node, and the middle of each column: as wide as its widest box, with
    a little air between them where there is room."""
    places, heads = {}, []
    gap = min(3 * GAP, max(GAP, (end - x - sum(widths)) / len(widths)))
    tallest = max(map(len, columns))
    for column, width in zip(columns, widths, strict=True):
        heads.append(x + gap + width / 2)
        for row, node in enumerate(column):
            places[node.number] = (heads[-1], row + (tallest - len(column)) / 2)
        x += gap + width
    return places, heads


def _frame(
    axis: Axes, heads: Sequence[float], rounds: tuple[int, int], size: tuple[float, float]
) -> None:
    """Axes without a frame; the numbers of the rounds below."""
    first, of = rounds
    last = first + len(heads)
    label = "round" if len(heads) == of else f"round ({first + 1} to {last} of {of})"
    axis.set(xlim=(0, size[0]), ylim=(size[1] - 0.4, -0.6))
    axis.set_xlabel(label, fontsize=11)
    axis.set_xticks(heads, [str(i + 1) for i in range(first, last)])
    axis.tick_params(labelsize=11)
    axis.set_yticks([])
    for side in ("left", "top", "right"):
        axis.spines[side].set_visible(False)


def _edge(axis: Axes, start: Place, end: Place, node: Node) -> None:
    """The line from a parent to a candidate."""
    colour = WAY if node.best else "0.45" if node.kept else "0.7"
    width, style = (3.5 if node.best else 1.2), ("-" if node.kept else ":")
    axis.plot([start[0], end[0]], [start[1], end[1]], style, color=colour, lw=width, zorder=1)


def _candidate(axis: Axes, place: Place, text: str, node: Node, step: float, focused: bool) -> None:
    """A candidate's box; ``step`` is the probability of its token."""
    face, ink = ("white", "0.3")
    if node.kept:
        face = to_hex(matplotlib.colormaps["cividis"](step))
        ink = "white" if step < 0.55 else "black"
    box = _box(WAY if node.best else "0.5", face, dashed=not node.kept)
    if focused:
        box |= {"ec": FOCUS, "lw": 3.5}
    axis.text(*place, text, **_TEXT, size=10.5, color=ink, bbox=box)


def _box(edge: str, face: str, dashed: bool = False) -> dict[str, object]:
    line = {"ls": (0, (3, 2)), "lw": 1.0} if dashed else {"lw": 1.5}
    return {"boxstyle": "round,pad=0.25", "fc": face, "ec": edge, **line}


def _ranks(
    axis: Axes, data: BeamTreeData, places: dict[int, Place], widths: Sequence[float]
) -> None:
    """The rank of each final beam, right of the box where it ends."""
    for rank, number in enumerate(data.beams):
        if number in places:
            x, y = places[number]
            x += widths[data.nodes[number].round] / 2 + 0.1
            axis.text(x, y, str(rank + 1), size=10.5, va="center")


def _short(text: str, keep_end: bool = False, most: int = 14) -> str:
    """A token's text for a box: blanks made visible, long ones cut, no formulas."""
    text = " ".join(text.strip().replace("\n", "⏎").split()).replace("$", r"\$") or "␣"
    if len(text) <= most:
        return text
    if not keep_end:
        return text[: most - 1] + "…"
    end = text[-most:]
    return "…" + (end.split(" ", 1)[1] if " " in end else end[1:])

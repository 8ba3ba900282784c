"""The QKV stepper: how one cell of attention comes about, from Q and K to the output.

QKVStepper(q, k, v, tokens, mask=mask)  # tensors of one head
QKVStepper.from_model(model, tokenizer, "The cat sat on the mat", layer=0, head=2)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import traitlets
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from course.views.base import (
    View,
    array_of,
    module_text,
    ticks,
    token_labels,
)
from course.windows import window, window_of

MOST_TOKENS = 64  # a window of a longer text is shown
MOST_NUMBERS = 256  # of a query, key or value
STEPS = ("Q and K", "scores", "÷ √d", "mask", "softmax", "· V")
_NAMES = ("products", "scores", "scaled", "masked", "weights", "output")
# Purple below zero, white at zero, green above: ColorBrewer's PRGn, safe for the colour-blind.
SIGNED = LinearSegmentedColormap.from_list("signed", ["#762a83", "#f7f7f7", "#1b7837"])


@dataclass(frozen=True)
class QKVData:
    """One head in float64: q (query length, head_dim), k (key length, head_dim), v (key length,
    value_dim), the mask (query length, key length) or None, labels of both axes."""

    q: np.ndarray
    k: np.ndarray
    v: np.ndarray
    tokens: tuple[str, ...]
    key_tokens: tuple[str, ...]
    mask: np.ndarray | None = None
    notice: str = ""

    def stage(self, step: int, scaled: bool = True, masked: bool = True) -> np.ndarray:
        """What a step has made, with or without the root and the mask, in float64.

        0: products (query length, key length, head_dim); 1: scores, 2: scores / √head_dim, 3: with
        -inf where a query may not look, 4: weights, all (query length, key length); 5: the output
        (query length, value_dim).
        """
        if not 0 <= step < len(STEPS):
            raise ValueError(f"step must be 0 to {len(STEPS) - 1}, not {step}")
        if step == 0:
            return self.q[:, None] * self.k[None]
        scores = self.q @ self.k.T
        if scaled and step >= 2:
            scores = scores / math.sqrt(self.q.shape[1])
        if masked and step >= 3 and self.mask is not None:
            scores = np.where(self.mask, scores, -np.inf)
        if step < 4:
            return scores
        return _softmax(scores) if step == 4 else _softmax(scores) @ self.v


def _softmax(scores: np.ndarray) -> np.ndarray:
    """Rows that sum to 1; a row of -inf alone becomes zeros."""
    most = scores.max(axis=1, keepdims=True)
    grown = np.exp(scores - np.where(np.isfinite(most), most, 0))
    total = grown.sum(axis=1, keepdims=True)
    return grown / np.where(total > 0, total, 1)


def qkv_data(
    q: Any,
    k: Any,
    v: Any,
    tokens: Sequence[str],
    key_tokens: Sequence[str] | None = None,
    mask: Any = None,
    start: int = 0,
) -> QKVData:
    """Check queries, keys, values, mask and labels of one head, and bring them into one form.

    Args:
        q, k, v: (query length, head_dim), (key length, head_dim) and (key length, value_dim),
            each also with axes of size 1 in front.
        tokens: labels of the queries.
        key_tokens: labels of the keys; those of the queries when left out.
        mask: boolean, True where a query may look at a key; broadcastable to (query length, key
            length), also with axes of size 1 in front.
        start: from which token on a text is shown that is longer than 64 tokens.

    Raises:
        ValueError: shapes that do not fit each other or the labels, nothing to show, NaN, more
            than 256 numbers a token, a mask that is not boolean or does not broadcast.
    """
    keys = tokens if key_tokens is None else key_tokens
    arrays = {name: _matrix(name, part) for name, part in (("q", q), ("k", k), ("v", v))}
    _check_fit(arrays, len(tokens), len(keys))
    seen = None if mask is None else _mask(mask, (len(tokens), len(keys)))
    longest, alone = max(len(tokens), len(keys)), "Weights are shared out among these alone."
    notices = [window_of(longest, start, MOST_TOKENS, alone)[1]]
    rows, columns = (window(len(labels), start, MOST_TOKENS) for labels in (tokens, keys))
    if seen is not None:
        seen = seen[rows, columns]
        notices.append(_empty_notice(seen, tokens[rows]))
    return QKVData(
        arrays["q"][rows],
        arrays["k"][columns],
        arrays["v"][columns],
        tuple(map(str, tokens[rows])),
        tuple(map(str, keys[columns])),
        seen,
        " ".join(filter(None, notices)),
    )


def _matrix(name: str, values: Any) -> np.ndarray:
    """(length, numbers) in float64, without the axes of size 1 in front."""
    array = array_of(values).astype(np.float64)
    if array.ndim < 2 or array.shape[:-2] != (1,) * (array.ndim - 2):
        raise ValueError(
            f"{name} has the shape {array.shape}: give one head of one sentence, (length, "
            f"head_dim), such as {name}[0, 0]"
        )
    array = array.reshape(array.shape[-2], -1) if array.size else array
    if array.size == 0 or array.shape[-1] > MOST_NUMBERS:
        raise ValueError(
            f"{name} has the shape {array.shape}: 1 to {MOST_NUMBERS} numbers a token can be "
            "shown; give one head, not the width of the model"
        )
    if not np.isfinite(array).all():
        row = int(np.argwhere(~np.isfinite(array))[0][0])
        raise ValueError(f"{name} holds NaN or infinity, first for token {row}")
    return array


def _check_fit(arrays: dict[str, np.ndarray], queries: int, keys: int) -> None:
    q, k, v = arrays.values()
    if q.shape[1] != k.shape[1]:
        raise ValueError(
            f"a query has {q.shape[1]} numbers and a key {k.shape[1]}: they must have the same "
            "head_dim to be multiplied"
        )
    if len(k) != len(v):
        raise ValueError(f"{len(k)} keys and {len(v)} values: each key needs its value")
    if len(q) != queries or len(k) != keys:
        raise ValueError(
            f"{len(q)} queries and {len(k)} keys do not fit {queries} query and {keys} key labels; "
            "give key_tokens where they differ"
        )


def _mask(mask: Any, shape: tuple[int, int]) -> np.ndarray:
    """The mask as booleans (query length, key length)."""
    array = np.asarray(mask.detach().cpu() if hasattr(mask, "detach") else mask)
    if array.dtype != np.bool_:
        raise ValueError(
            f"mask holds {array.dtype}: it must be boolean, True where a query may look at a key; "
            "convert it, for example by mask == 1"
        )
    while array.ndim > 2 and array.shape[0] == 1:
        array = array[0]
    try:
        return np.broadcast_to(array, shape).copy()
    except ValueError:
        raise ValueError(
            f"mask of shape {tuple(np.shape(mask))} does not broadcast to (query length, key "
            f"length) = {shape}"
        ) from None


def _empty_notice(mask: np.ndarray, tokens: Sequence[str]) -> str:
    empty = np.flatnonzero(~mask.any(axis=1))
    if not len(empty):
        return ""
    named = ", ".join(f"“{tokens[i]}”" for i in empty[:3]) + (" …" if len(empty) > 3 else "")
    return (
        f"Under the mask {named} may look at no key: a softmax over nothing would be 0/0, so all "
        "its weights are shown as 0."
    )


def _cut(tokens: Sequence[str]) -> list[str]:
    """Labels that have room beside a matrix."""
    return [token if len(token) <= 14 else token[:13] + "…" for token in tokens]


class QKVStepper(View):
    """One head of attention, step by step: 0 Q and K, 1 scores, 2 divided by √d, 3 masked, 4
    softmax, 5 times V.

    ``step``, ``row`` (the query), ``column`` (the key), ``scaled`` and ``masked`` can be set and
    read at any time. Arguments as ``qkv_data``.
    """

    _esm = module_text("qkv_stepper")
    q = traitlets.Bytes().tag(sync=True)  # float32, as k and v
    k = traitlets.Bytes().tag(sync=True)
    v = traitlets.Bytes().tag(sync=True)
    mask = traitlets.Bytes().tag(sync=True)  # one byte a cell, empty without a mask
    shape = traitlets.List(traitlets.Int()).tag(sync=True)  # queries, keys, head_dim, value_dim
    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    key_tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    row = traitlets.Int(0).tag(sync=True)
    column = traitlets.Int(0).tag(sync=True)
    scaled = traitlets.Bool(True).tag(sync=True)
    masked = traitlets.Bool(True).tag(sync=True)

    def __init__(
        self,
        q: Any,
        k: Any,
        v: Any,
        tokens: Sequence[str],
        key_tokens: Sequence[str] | None = None,
        mask: Any = None,
        *,
        start: int = 0,
        **state: Any,
    ) -> None:
        self.data = data = qkv_data(q, k, v, tokens, key_tokens, mask, start)
        super().__init__(
            **{name: getattr(data, name).astype("<f4").tobytes() for name in ("q", "k", "v")},
            mask=b"" if data.mask is None else data.mask.astype(np.uint8).tobytes(),
            shape=[len(data.q), *data.k.shape, data.v.shape[1]],
            tokens=_cut(data.tokens),
            key_tokens=_cut(data.key_tokens),
            notice=data.notice,
            **state,
        )

    @classmethod
    def from_model(
        cls,
        model: Any,
        tokenizer: Any,
        text: str,
        layer: int = 0,
        head: int = 0,
        *,
        start: int = 0,
        **state: Any,
    ) -> QKVStepper:
        """Run a transformers model on a text and show one head of one layer.

        For models built like BERT, DistilBERT or GPT-2, whose causal mask is shown. Of a text of
        more than 64 tokens a window from token ``start`` on is run, with a notice. Raises
        CourseError with the reason for other models, such as rotary ones; ValueError for an empty
        text and for a layer or head that does not exist.
        """
        from course.models.queries import read_queries

        parts, mask, ids, notice = read_queries(model, tokenizer, text, layer, start, MOST_TOKENS)
        if not 0 <= head < len(parts[0]):
            raise ValueError(f"head must be 0 to {len(parts[0]) - 1}, not {head}")
        labels = token_labels(tokenizer, ids)
        q, k, v = (part[head] for part in parts)
        view = cls(q, k, v, labels, mask=mask, **state)
        view.notice = " ".join(filter(None, (notice, view.notice)))
        return view

    @traitlets.validate("step", "row", "column")
    def _exists(self, proposal: Any) -> int:
        sizes = {"step": len(STEPS), "row": len(self.data.q), "column": len(self.data.k)}
        return self._only(proposal, sizes[proposal.trait.name])

    @property
    def shown(self) -> np.ndarray:
        """What the chosen step has made, with root and mask as they are set."""
        return self.data.stage(self.step, self.scaled, self.masked)

    def describe(self) -> str:
        """One line: sizes, and whether there is a mask."""
        queries, keys, numbers = self.data.q.shape[0], *self.data.k.shape
        mask = "" if self.data.mask is None else ", masked"
        return f"QKVStepper({queries} queries x {keys} keys, head_dim {numbers}{mask})"

    def figure(self) -> Figure:
        """The matrices of the chosen step side by side, the focused query, key and cell framed:
        Q, K and what they make, or weights, V and the output."""
        panels = self._panels()
        tallest = max(len(panel.table) for panel in panels)
        longest = max(len(label) for panel in panels for label in (*panel.columns, "x"))
        height = float(np.clip(0.36 * tallest, 1.2, 2.4)) + 1.6 + 0.08 * min(14, longest)
        figure = Figure(figsize=(10.5, height), layout="constrained")
        for axis, panel in zip(figure.subplots(1, 3), panels, strict=True):
            _draw(axis, panel)
        figure.suptitle(f"step {self.step}: {STEPS[self.step]}", fontsize=13)
        return figure

    def _panels(self) -> list[_Panel]:
        data, row, column, options = self.data, self.row, self.column, (self.scaled, self.masked)
        queries, keys = tuple(_cut(data.tokens)), tuple(_cut(data.key_tokens))
        seen = data.mask if self.masked and self.step >= 3 else None
        closed = np.ma.nomask if seen is None else ~seen
        if self.step == 5:
            table = np.ma.masked_array(data.stage(4, *options), closed)
            weights = _Panel("weights", table, queries, keys, row, column)
            value = _Panel("V", data.v, keys, (), column)
            return [weights, value, _Panel("output", self.shown, queries, (), row)]
        query, key = _Panel("Q", data.q, queries, (), row), _Panel("K", data.k, keys, (), column)
        if self.step == 0:
            pair = np.stack([data.q[row], data.k[column], data.q[row] * data.k[column]])
            names = (f"q “{queries[row]}”", f"k “{keys[column]}”", "q · k")
            return [query, key, _Panel(f"products, sum {pair[2].sum():.2f}", pair, names)]
        name, table = _NAMES[self.step], np.ma.masked_array(self.shown, closed)
        return [query, key, _Panel(name, table, queries, keys, row, column)]


@dataclass(frozen=True)
class _Panel:
    """A matrix of the static picture; of columns without labels the numbers are shown."""

    name: str
    table: np.ndarray
    rows: tuple[str, ...]
    columns: tuple[str, ...] = ()
    row: int | None = None
    column: int | None = None


def _draw(axis: Axes, panel: _Panel) -> None:
    most = float(np.abs(np.ma.masked_invalid(panel.table)).max() or 1)
    weights = panel.name == "weights"
    scale: dict[str, Any] = {"cmap": "cividis", "vmin": 0, "vmax": 1}
    if not weights:
        scale = {"cmap": SIGNED, "vmin": -most, "vmax": most}
    corner, size = (-0.5, -0.5), panel.table.shape[::-1]
    hatched = Rectangle(corner, *size, fill=False, hatch="////", ec="#8a8a8a", lw=0, zorder=-1)
    axis.add_patch(hatched)  # seen through the cells that the mask hides
    image = axis.imshow(panel.table, aspect="auto", **scale)
    axis.set_box_aspect(float(np.clip(size[1] / size[0], 0.3, 1.3)))
    _label(axis, panel)
    _write(axis, panel, scale)
    if panel.row is not None:
        left, width = (-0.5, size[0]) if panel.column is None else (panel.column - 0.5, 1)
        frame = Rectangle((left, panel.row - 0.5), width, 1, fill=False, ec="#d55e00", lw=2.5)
        axis.add_patch(frame)
    signs = "weight" if weights else "purple: below 0"
    bar = axis.figure.colorbar(image, ax=axis, location="bottom", shrink=0.6, aspect=16)
    bar.set_ticks([scale["vmin"], scale["vmax"]] if weights else [-most, 0, most])
    bar.ax.set_xticklabels(
        [f"{tick:.3g}".replace("-", "−") for tick in bar.get_ticks()], fontsize=11
    )
    bar.set_label(signs, fontsize=11)


def _label(axis: Axes, panel: _Panel) -> None:
    count = panel.table.shape[1]
    axis.set_title(panel.name, fontsize=12)
    axis.set_yticks(*ticks(panel.rows), fontsize=11)
    if panel.columns:
        axis.set_xticks(*ticks(panel.columns), rotation=90, fontsize=11)
        return
    axis.set_xticks(range(0, count, -(-count // 8)))
    axis.tick_params(labelsize=11)
    axis.set_xlabel("number", fontsize=11)


def _write(axis: Axes, panel: _Panel, scale: dict[str, Any]) -> None:
    """Numbers into the cells of a small matrix."""
    if max(panel.table.shape) > 6:
        return
    for (i, j), value in np.ma.ndenumerate(panel.table):
        place = (value - scale["vmin"]) / (scale["vmax"] - scale["vmin"])
        dark = place < 0.55 if panel.name == "weights" else not 0.14 < place < 0.935
        text = f"{round(float(value), 2) + 0:g}".replace("-", "−")
        ink = "white" if dark else "black"
        axis.text(j, i, text, ha="center", va="center", color=ink, fontsize=11)

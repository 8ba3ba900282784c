"""The attention explorer: who looks at whom, in every layer and head.

AttentionExplorer.from_model(model, tokenizer, "The cat sat on the mat")
AttentionExplorer(weights, tokens)  # tensors of one's own
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from course.views.attention_data import MOST_TOKENS, AttentionData, attention_data, explored
from course.views.base import SHOWN_LABELS, View, module_text, ticks, token_labels

PAGE_WIDTH = 9.0  # inches of a static picture; a wider one is shrunk, and its text too


class AttentionExplorer(View):
    """Attention weights of all layers and heads, one of them as a heat map or as arcs.

    ``layer``, ``head``, ``row``, ``column``, ``mode`` ("heat map" or "arcs"), ``causal``,
    ``temperature`` and ``mass`` can be set and read at any time. Arguments as ``attention_data``;
    for several kinds of attention a dictionary, such as {"encoder": (weights, tokens), "cross":
    (weights, tokens, key_tokens)} with ``kind`` for the one that is shown.
    """

    _esm = module_text("attention_explorer")
    kinds = traitlets.List(traitlets.Unicode()).tag(sync=True)
    kind = traitlets.Unicode().tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    key_tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    thumbs = traitlets.Bytes().tag(sync=True)
    thumb_shape = traitlets.List(traitlets.Int()).tag(sync=True)
    log_weights = traitlets.Bytes().tag(sync=True)
    first = traitlets.Int(0).tag(sync=True)  # the first head that log_weights holds
    layer = traitlets.Int(0).tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)
    row = traitlets.Int(0).tag(sync=True)
    column = traitlets.Int(0).tag(sync=True)
    mode = traitlets.Enum(["heat map", "arcs"], "heat map").tag(sync=True)
    causal = traitlets.Bool(False).tag(sync=True)
    temperature = traitlets.Float(1.0, min=0.1, max=3.0).tag(sync=True)
    mass = traitlets.Float(1.0, min=0.1, max=1.0).tag(sync=True)

    def __init__(
        self,
        weights: Any,
        tokens: Sequence[str] | None = None,
        key_tokens: Sequence[str] | None = None,
        *,
        start: int = 0,
        **state: Any,
    ) -> None:
        one: dict[str, tuple] = {"": (weights, tokens, key_tokens)}
        given = dict(weights) if isinstance(weights, Mapping) else one
        if not given or any(len(parts) < 2 or parts[1] is None for parts in given.values()):
            raise ValueError("labels are missing: give the tokens of the queries")
        self._all: dict[str, AttentionData] = {}
        for name, (numbers, *labels) in given.items():
            rows, columns = (*labels, None)[:2]
            self._all[str(name)] = attention_data(numbers, rows, columns, start)
        kind = state.pop("kind", next(iter(self._all)))
        if kind not in self._all:
            raise ValueError(f"kind is {kind!r}, expected one of {', '.join(self._all)}")
        chosen: dict[str, Any] = {n: state.pop(n) for n in ("layer", "head") if n in state}
        super().__init__(kinds=list(self._all), kind=kind, **self._parts(kind, **chosen))
        for name, value in {**chosen, **state}.items():
            setattr(self, name, value)
        self.observe(self._follow, ["kind", "layer", "head"])

    @classmethod
    def from_model(
        cls,
        model: Any,
        tokenizer: Any,
        text: str,
        second: str | None = None,
        *,
        start: int = 0,
        **state: Any,
    ) -> AttentionExplorer:
        """Run a transformers model on a text and show all its attention.

        second: the second segment for an encoder; what the decoder has written for a model with
        encoder and decoder, whose attention then comes in three kinds. The model's eager attention
        is used, and it is left as it was found. Of a text of more than 256 tokens, or more than the
        model takes, a window from token ``start`` on is run, with a notice. Raises CourseError when
        the model returns no weights, ValueError for an empty text.
        """
        from course.models.attention import read_attentions

        kinds, notice = read_attentions(model, tokenizer, text, second, start, MOST_TOKENS)
        named = {
            kind: (weights, token_labels(tokenizer, rows), token_labels(tokenizer, columns))
            for kind, (weights, rows, columns) in kinds.items()
        }
        view = cls(named, **state)
        if notice:
            view.notice = notice
        return view

    @property
    def data(self) -> AttentionData:
        """What the chosen kind holds."""
        return self._all[self.kind]

    @property
    def weights(self) -> np.ndarray:
        """The chosen head as it is shown: (query length, key length)."""
        head = self.data.weights[self.layer, self.head]
        return explored(head, self.causal, self.temperature, self.mass)

    def _parts(self, kind: str, layer: int = 0, head: int = 0) -> dict[str, Any]:
        """The synchronised state of a kind, with the heads that hold the chosen one."""
        data, thumbs = self._all[kind], self._all[kind].thumbs()
        first, count = data.heads_at_once(layer * data.weights.shape[1] + head)
        return {
            "shape": list(data.weights.shape),
            "tokens": list(data.tokens),
            "key_tokens": list(data.key_tokens),
            "thumbs": thumbs.tobytes(),
            "thumb_shape": list(thumbs.shape[2:]),
            "first": first,
            "log_weights": data.log_weights(first, count),
            "notice": data.notice,
        }

    def _follow(self, change: Any) -> None:
        """Send the numbers of the head that is chosen now, where they are not there already."""
        data = self.data
        layers, heads, rows, columns = data.weights.shape
        if change.name == "kind":
            with self.hold_sync():
                self.layer, self.head = min(self.layer, layers - 1), min(self.head, heads - 1)
                self.row, self.column = min(self.row, rows - 1), min(self.column, columns - 1)
                for name, value in self._parts(self.kind, self.layer, self.head).items():
                    setattr(self, name, value)
            return
        wanted, count = data.heads_at_once(self.layer * heads + self.head)
        if wanted != self.first:
            with self.hold_sync():
                self.first, self.log_weights = wanted, data.log_weights(wanted, count)

    @traitlets.validate("layer", "head", "row", "column")
    def _exists(self, proposal: Any) -> int:
        axis = ("layer", "head", "row", "column").index(proposal.trait.name)
        return self._only(proposal, self.data.weights.shape[axis])

    @traitlets.validate("kind")
    def _known(self, proposal: Any) -> str:
        if proposal.value not in self._all:
            raise traitlets.TraitError(
                f"kind is {proposal.value!r}, expected one of {', '.join(self._all)}"
            )
        return str(proposal.value)

    def describe(self) -> str:
        """One line: layers, heads and sizes."""
        layers, heads, rows, columns = self.data.weights.shape
        return (
            f"AttentionExplorer({layers} layer{'s' * (layers > 1)} x {heads} "
            f"head{'s' * (heads > 1)}, {rows} queries x {columns} keys)"
        )

    def figure(self) -> Figure:
        """Up to four heads of one layer side by side; of several layers the thumbnails and the
        chosen head, with token labels."""
        layers, heads, rows, columns = self.data.weights.shape
        if layers == 1 and heads <= 4 and max(rows, columns) <= SHOWN_LABELS:
            return self._heads_figure(heads)
        return self._grid_figure()

    def _heads_figure(self, heads: int) -> Figure:
        rows, columns = self.data.weights.shape[2:]
        side = float(np.clip(0.28 * max(rows, columns), 1.5, 5.5)) + self._label_room()
        across = min(heads, max(1, int(PAGE_WIDTH // side)))
        down = -(-heads // across)
        figure = Figure(figsize=(side * across + 1, side * down), layout="constrained")
        grid = figure.subplots(down, across, squeeze=False)
        for head, axis in enumerate(grid.flat):
            if head >= heads:
                axis.axis("off")
                continue
            image = self._map(axis, 0, head)
            if heads > 1:
                axis.set_title(f"head {head}", fontsize=12)
        figure.colorbar(image, ax=grid, label="weight", shrink=min(1.0, 2.5 / (side * down)))
        return figure

    def _grid_figure(self) -> Figure:
        layers, heads, rows, columns = self.data.weights.shape
        side = float(np.clip(0.24 * max(rows, columns), 2.5, 4.2)) + self._label_room()
        figure = Figure(figsize=(PAGE_WIDTH, max(side, 0.3 * layers + 1)), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[PAGE_WIDTH - side - 1, side + 1])
        left.imshow(self._tiles(), cmap="cividis", vmin=0, vmax=255, aspect="equal")
        tile = np.array(self.data.thumbs().shape[2:]) + 1
        for axis, count, step in (
            (left.set_xticks, heads, tile[1]),
            (left.set_yticks, layers, tile[0]),
        ):
            shown = range(0, count, -(-count // 16))
            axis([i * step + step / 2 for i in shown], list(map(str, shown)), fontsize=11)
        corner = (self.head * tile[1] - 0.5, self.layer * tile[0] - 0.5)
        left.add_patch(Rectangle(corner, tile[1], tile[0], fill=False, ec="#d55e00", lw=2.5))
        left.set_xlabel("head", fontsize=11)
        left.set_ylabel("layer", fontsize=11)
        image = self._map(right, self.layer, self.head)
        right.set_title(f"layer {self.layer}, head {self.head}", fontsize=12)
        figure.colorbar(image, ax=right, label="weight", shrink=0.6)
        return figure

    def _tiles(self) -> np.ndarray:
        """All thumbnails as one picture, a gap of one pixel between them."""
        thumbs = self.data.thumbs().astype(float)
        layers, heads, rows, columns = thumbs.shape
        padded = np.pad(thumbs, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=np.nan)
        tiles = padded.transpose(0, 2, 1, 3)  # (layers, rows + 1, heads, columns + 1)
        return tiles.reshape(layers * (rows + 1), heads * (columns + 1))

    def _map(self, axis: Axes, layer: int, head: int) -> Any:
        weights = explored(self.data.weights[layer, head], self.causal, self.temperature, self.mass)
        image = axis.imshow(weights, cmap="cividis", vmin=0, vmax=1, aspect="auto")
        axis.set_box_aspect(max(0.4, min(1.6, len(weights) / weights.shape[1])))
        axis.set_xticks(*ticks(self.data.key_tokens), rotation=90, fontsize=11)
        axis.set_yticks(*ticks(self.data.tokens), fontsize=11)
        axis.set_xlabel("key", fontsize=11)
        axis.set_ylabel("query", fontsize=11)
        return image

    def _label_room(self) -> float:
        """Inches that the longest label takes."""
        return 0.5 + 0.09 * min(16, max(map(len, self.data.tokens + self.data.key_tokens)))

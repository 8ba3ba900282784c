"""The heat map of attention weights: who looks at whom, head by head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure

from course.views.base import View, module_text

SHOWN_HEADS = 4  # in the static picture
PAGE_WIDTH = 9.0  # inches for the maps side by side; a wider picture is shrunk, and its text too
SHOWN_LABELS = 24  # an axis; longer texts have every second, third ... token labelled


@dataclass(frozen=True)
class HeatMapData:
    """What a heat map shows: weights (heads, query length, key length), labels of both axes."""

    weights: np.ndarray
    tokens: tuple[str, ...]
    key_tokens: tuple[str, ...]

    @property
    def log_weights(self) -> bytes:
        """Natural logarithms as little-endian float16: two digits survive everywhere; 0 is -inf."""
        with np.errstate(divide="ignore"):
            return np.log(self.weights).astype("<f2").tobytes()


def heat_map_data(
    weights: Any, tokens: Sequence[str], key_tokens: Sequence[str] | None = None
) -> HeatMapData:
    """Check weights and labels, and bring them into one form.

    Args:
        weights: tensor or array, (query length, key length), (heads, query length, key length),
            or with a batch of one in front; entries from 0 to 1.
        tokens: labels of the queries.
        key_tokens: labels of the keys; those of the queries when left out.

    Raises:
        ValueError: shapes do not fit the labels, or weights are not between 0 and 1.
    """
    if isinstance(weights, torch.Tensor):
        weights = weights.detach().float().cpu().numpy()
    array = np.asarray(weights, dtype=np.float32)
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 2:
        array = array[None]
    keys = tokens if key_tokens is None else key_tokens
    if array.ndim != 3 or array.shape[1:] != (len(tokens), len(keys)) or array.size == 0:
        raise ValueError(
            f"weights of shape {np.shape(weights)} do not fit {len(tokens)} query and {len(keys)} "
            "key labels; give (heads, query length, key length) for one sentence"
        )
    if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1.001):
        raise ValueError(
            f"weights must lie between 0 and 1, but go from {array.min():.3g} to "
            f"{array.max():.3g}; pass them as they come from the softmax"
        )
    return HeatMapData(array.clip(max=1), tuple(map(str, tokens)), tuple(map(str, keys)))


class HeatMap(View):
    """Attention weights as a heat map; mouse and arrow keys focus a cell, brackets change the head.

    Args: as ``heat_map_data``; ``head``, ``row`` and ``column`` can be set and read at any time.
    """

    _esm = module_text("heat_map")
    log_weights = traitlets.Bytes().tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    key_tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)
    row = traitlets.Int(0).tag(sync=True)
    column = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        weights: Any,
        tokens: Sequence[str],
        key_tokens: Sequence[str] | None = None,
        **state: Any,
    ) -> None:
        self.data = heat_map_data(weights, tokens, key_tokens)
        super().__init__(
            log_weights=self.data.log_weights,
            shape=list(self.data.weights.shape),
            tokens=list(self.data.tokens),
            key_tokens=list(self.data.key_tokens),
            **state,
        )

    @traitlets.validate("head", "row", "column")
    def _within(self, proposal: Any) -> int:
        """Refuse a head or cell that does not exist; raises TraitError with the range."""
        axis = ("head", "row", "column").index(proposal.trait.name)
        size = self.data.weights.shape[axis]
        if not 0 <= proposal.value < size:
            raise traitlets.TraitError(
                f"{proposal.trait.name} must be 0 to {size - 1}, not {proposal.value}"
            )
        return proposal.value

    def describe(self) -> str:
        """One line: heads and sizes."""
        heads, rows, columns = self.data.weights.shape
        return f"HeatMap({heads} heads, {rows} queries x {columns} keys)"

    def figure(self) -> Figure:
        """Up to four heads, as many in a line as a page takes, with token labels."""
        heads, rows, columns = self.data.weights.shape
        shown = min(heads, SHOWN_HEADS if max(rows, columns) <= SHOWN_LABELS else 1)
        room = 0.5 + 0.09 * max(map(len, self.data.tokens + self.data.key_tokens))  # for labels
        side = float(np.clip(0.28 * max(rows, columns), 1.5, 5.5)) + room
        across = min(shown, max(1, int(PAGE_WIDTH // side)))
        down = -(-shown // across)
        figure = Figure(figsize=(side * across + 1, side * down), layout="constrained")
        grid = figure.subplots(down, across, squeeze=False)
        for head, axis in enumerate(grid.flat):
            if head >= shown:
                axis.axis("off")
                continue
            image = axis.imshow(self.data.weights[head], cmap="cividis", vmin=0, vmax=1)
            axis.set_xticks(*_ticks(self.data.key_tokens), rotation=90, fontsize=11)
            axis.set_yticks(*_ticks(self.data.tokens), fontsize=11)
            axis.set_xlabel("key", fontsize=11)
            axis.set_ylabel("query", fontsize=11)
            if heads > 1:
                axis.set_title(f"head {head}", fontsize=12)
        figure.colorbar(image, ax=grid, label="weight", shrink=min(1.0, 2.5 / (side * down)))
        return figure


def _ticks(tokens: tuple[str, ...]) -> tuple[list[int], list[str]]:
    """Places and labels of at most ``SHOWN_LABELS`` tokens; a dollar sign is no formula."""
    step = -(-len(tokens) // SHOWN_LABELS)
    places = list(range(0, len(tokens), step))
    return places, [tokens[i].replace("$", r"\$") for i in places]

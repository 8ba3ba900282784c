"""Attention weights of all layers and heads, checked and packed: the data of the explorer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from course.views.base import array_of
from course.windows import window, window_of

MOST_TOKENS = 256  # a window of a longer text is shown
MOST_BYTES = 400_000  # of log-weights at once: as many heads as fit, a layer if it does
THUMB = 16  # most cells along a side of a thumbnail


@dataclass(frozen=True)
class AttentionData:
    """Weights (layers, heads, query length, key length) in float32, labels of both axes."""

    weights: np.ndarray
    tokens: tuple[str, ...]
    key_tokens: tuple[str, ...]
    notice: str = ""

    def log_weights(self, first: int, count: int) -> bytes:
        """Natural logarithms of ``count`` heads from the ``first`` on, layer by layer.

        Little-endian float16: two digits survive at any size, where weights themselves would lose
        what is below 6e-8; 0 is -inf.
        """
        heads = self.weights.reshape(-1, *self.weights.shape[2:])[first : first + count]
        with np.errstate(divide="ignore"):
            return np.log(heads).astype("<f2").tobytes()

    def heads_at_once(self, first: int) -> tuple[int, int]:
        """(first, count) of the heads to send so that head ``first`` is there: all, or its layer,
        or itself, whatever stays below 400,000 bytes."""
        layers, heads, rows, columns = self.weights.shape
        room = MOST_BYTES // (2 * rows * columns)
        if layers * heads <= room:
            return 0, layers * heads
        if heads <= room:
            return first // heads * heads, heads
        return first, 1

    def thumbs(self) -> np.ndarray:
        """(layers, heads, rows, columns) of uint8: the largest weight in each patch."""
        small = self.weights
        for axis in (2, 3):
            size = small.shape[axis]
            starts = np.linspace(0, size, min(THUMB, size), endpoint=False).astype(int)
            small = np.maximum.reduceat(small, starts, axis=axis)
        return np.round(small * 255).astype(np.uint8)


def attention_data(
    weights: Any,
    tokens: Sequence[str],
    key_tokens: Sequence[str] | None = None,
    start: int = 0,
) -> AttentionData:
    """Check weights and labels, and bring them into one form.

    Args:
        weights: (query length, key length), (heads, query length, key length) or (layers, heads,
            query length, key length) of one sentence, entries from 0 to 1; or a list of layers,
            each with or without a batch of one in front, as transformers returns them.
        tokens: labels of the queries.
        key_tokens: labels of the keys; those of the queries when left out.
        start: from which token on a text is shown that is longer than 256 tokens.

    Raises:
        ValueError: no weights, no heads, shapes that do not fit the labels, NaN, or weights that do
            not lie between 0 and 1.
    """
    keys = tokens if key_tokens is None else key_tokens
    array = _stacked(weights)
    if 0 in array.shape[:2]:
        raise ValueError(f"weights of shape {array.shape} hold no heads: nothing to show")
    if array.shape[2:] != (len(tokens), len(keys)) or array.size == 0:
        raise ValueError(
            f"weights of shape {array.shape} do not fit {len(tokens)} query and {len(keys)} key "
            "labels; give (layers, heads, query length, key length) for one sentence"
        )
    outside = "Weights to tokens outside are not seen."
    _, notice = window_of(max(array.shape[2:]), start, MOST_TOKENS, outside)
    rows, columns = (window(size, start, MOST_TOKENS) for size in array.shape[2:])
    array, tokens, keys = array[:, :, rows, columns], tokens[rows], keys[columns]
    _check_values(array)
    return AttentionData(array.clip(max=1), tuple(map(str, tokens)), tuple(map(str, keys)), notice)


def _stacked(weights: Any) -> np.ndarray:
    """(layers, heads, query length, key length) of any form that is allowed."""
    if isinstance(weights, (list, tuple)) and any(layer is None for layer in weights):
        raise ValueError(
            "the model returned None in place of attention weights: its fast attention (sdpa) "
            "never forms them; course.models.attentions(model, inputs) runs the eager one"
        )
    if isinstance(weights, (list, tuple)) and any(np.ndim(layer) > 2 for layer in weights):
        layers = [_one_layer(array_of(layer)) for layer in weights]
        shapes = {layer.shape for layer in layers}
        if len(shapes) > 1:
            raise ValueError(f"layers have different shapes: {sorted(shapes)}")
        return np.stack(layers)
    array = array_of(weights)
    if array.ndim not in (2, 3, 4):
        raise ValueError(
            f"weights of shape {array.shape}: give (layers, heads, query length, key length)"
        )
    return array.reshape((1,) * (4 - array.ndim) + array.shape)


def _one_layer(layer: np.ndarray) -> np.ndarray:
    """(heads, query length, key length) of a layer with a batch of one or none."""
    if layer.ndim == 4 and layer.shape[0] == 1:
        return layer[0]
    if layer.ndim != 3:
        raise ValueError(
            f"a layer has the shape {layer.shape}: give one sentence, (heads, query length, key "
            "length) or with a batch of one in front"
        )
    return layer


def _check_values(array: np.ndarray) -> None:
    bad = ~np.isfinite(array)
    if bad.any():
        layer, head, row, _ = np.argwhere(bad)[0]
        raise ValueError(
            f"weights hold NaN or infinity, first in layer {layer}, head {head}, query {row}: a "
            "row whose keys are all masked with -inf gives NaN in the softmax"
        )
    if array.min() < 0 or array.max() > 1.001:
        raise ValueError(
            f"weights must lie between 0 and 1, but go from {array.min():.3g} to "
            f"{array.max():.3g}; pass them as they come from the softmax"
        )


def explored(
    weights: np.ndarray, causal: bool = False, temperature: float = 1.0, mass: float = 1.0
) -> np.ndarray:
    """Weights (query length, key length) as the view shows them.

    A causal mask blanks later keys and shares their weight out; a temperature t turns softmax(z)
    into softmax(z / t), which is p^(1/t) shared out anew; mass keeps the fewest keys of a row that
    hold so much of it, and blanks the rest.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(weights.astype(np.float64))
        if causal:
            logs = np.where(np.tri(*logs.shape) > 0, logs, -np.inf)
        if causal or temperature != 1:
            most = logs.max(axis=1, keepdims=True)
            grown = np.exp((logs - np.where(np.isfinite(most), most, 0)) / temperature)
            shown = np.nan_to_num(grown / grown.sum(axis=1, keepdims=True))
        else:
            shown = np.exp(logs)
    if mass < 1:
        order = np.argsort(-shown, axis=1, kind="stable")
        ranked = np.take_along_axis(shown, order, axis=1)
        before = ranked.cumsum(axis=1) - ranked  # mass of those that are larger
        ranked[before >= mass * ranked.sum(axis=1, keepdims=True) - 1e-6] = 0
        np.put_along_axis(shown, order, ranked, axis=1)
    return shown

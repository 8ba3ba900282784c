"""Queries, keys and values of one layer of a transformers model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from course.cache import CourseError
from course.models.attention import attentions, windowed
from course.models.hidden import readable

if TYPE_CHECKING:
    from torch import Tensor, nn

PARTS = (("query", "key", "value"), ("q_lin", "k_lin", "v_lin"))  # BERT's names, DistilBERT's
FUSED = "c_attn"  # GPT-2 makes all three with one matrix


def queries_keys_values(
    model: Any, inputs: Mapping[str, Any], layer: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The queries, keys and values that a layer's self-attention works with.

    `inputs` is what the tokenizer returned. Each tensor is (batch, heads, length, head_dim), and
    softmax(QKᵀ / √head_dim) under the model's mask gives the weights of ``attentions``: this is
    verified in the same run. Raises CourseError with the reason for a model that computes its
    weights in another way, ValueError for a layer that does not exist.
    """
    return _read(model, inputs, layer)[:3]


def read_queries(
    model: Any, tokenizer: Any, text: str, layer: int, start: int, most: int
) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor | None, list[int], str]:
    """(q, k, v), the mask or None, token ids and a notice of a text, for the views.

    q, k and v are (heads, length, head_dim); the mask is (length, length), True where a query may
    look. At most ``most`` tokens from ``start`` on are run; the notice says so, or is empty.
    """
    most = readable(model, tokenizer, most)
    inputs, notice = windowed(tokenizer(text, return_tensors="pt"), start, most)
    q, k, v, mask = _read(model, inputs, layer)
    seen = None if mask.all() else mask[0, 0]
    return (q[0], k[0], v[0]), seen, inputs["input_ids"][0].tolist(), notice


def _read(
    model: Any, inputs: Mapping[str, Any], layer: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """q, k, v and the mask (batch, 1, length, length) that explains the layer's weights."""
    sources = _projections(model)
    if not 0 <= layer < len(sources):
        raise ValueError(f"layer must be 0 to {len(sources) - 1}, not {layer}")
    made: list[Tensor] = []
    hooks = [
        module.register_forward_hook(lambda _module, _given, output: made.append(output))
        for module in sources[layer]
    ]
    try:
        weights = attentions(model, inputs)[layer]
    finally:
        for hook in hooks:
            hook.remove()
    thirds = made[0].chunk(3, dim=-1) if len(made) == 1 else made
    q, k, v = (_by_head(part, weights.shape[1]) for part in thirds)
    return q, k, v, _mask_behind(weights, q, k, inputs, type(model).__name__)


def _by_head(features: Tensor, heads: int) -> Tensor:
    """(batch, length, dim) cut into (batch, heads, length, head_dim)."""
    batch, length, dim = features.shape
    cut = features.view(batch, length, heads, dim // heads)  # (batch, length, heads, head_dim)
    return cut.transpose(1, 2)


def _projections(model: Any) -> list[tuple[nn.Module, ...]]:
    """The modules that make queries, keys and values, a tuple a layer: three, or one fused."""
    config, name = model.config, type(model).__name__
    if getattr(config, "rope_parameters", None) or getattr(config, "rope_theta", None):
        raise CourseError(
            f"{name} turns its queries and keys by their positions (rotary), after the modules "
            "that make them: what a hook reads there gives other scores than the model's"
        )
    found = []
    for place, module in model.named_modules():
        inner = dict(module.named_children())
        names = next((n for n in (*PARTS, (FUSED,)) if all(part in inner for part in n)), ())
        if names and "cross" not in place:
            found.append(tuple(inner[part] for part in names))
    if len(found) != config.num_hidden_layers:
        raise CourseError(
            f"{name} names its queries, keys and values in a way that is not known here; models "
            "built like BERT, DistilBERT or GPT-2 can be read"
        )
    return found


def _mask_behind(
    weights: Tensor, q: Tensor, k: Tensor, inputs: Mapping[str, Any], name: str
) -> Tensor:
    """The mask under which softmax(QKᵀ / √head_dim) gives the weights: padding, maybe causal."""
    import torch

    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])  # (batch, heads, length, length)
    batch, length = weights.shape[0], weights.shape[-1]
    tokens = inputs.get("attention_mask", torch.ones(batch, length)).bool()
    padding = tokens[:, None, None, :].to(scores.device)  # (batch, 1, 1, length)
    causal = torch.ones(length, length, dtype=torch.bool, device=scores.device).tril()
    for mask in (padding.expand(-1, -1, length, -1), padding & causal):
        expected = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(dim=-1)
        gap = (expected - weights).abs() * mask.any(dim=-1, keepdim=True)  # rows that see a key
        if gap.max() < 1e-4:
            return mask
    raise CourseError(
        f"{name} makes its attention weights in another way than softmax(QKᵀ / √d), such as with "
        "biases or scales of its own, so its queries and keys do not explain them"
    )

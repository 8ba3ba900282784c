"""Scaled dot-product attention and the two masks that it needs.

Source: Vaswani et al., "Attention Is All You Need" (2017), section 3.2.1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def _check_mask(mask: Tensor, shape: torch.Size) -> None:
    """Refuse a mask that is not boolean, or that does not broadcast to ``shape``."""
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        found = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise TypeError(
            f"mask must be a tensor of torch.bool, True where a query may look at a key, "
            f"but it is {found}; convert it, for example by mask == 1"
        )
    try:
        mask.expand(shape)
    except RuntimeError:
        raise ValueError(
            f"mask of shape {tuple(mask.shape)} does not broadcast to the scores' shape "
            f"{tuple(shape)} = (batch, heads, query length, key length); "
            f"a padding mask needs shape (batch, 1, 1, key length)"
        ) from None


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, dropout: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Average the values, each query with its own weights: softmax(QKᵀ / √head_dim) V.

    Args:
        query: (batch, heads, query length, head_dim), floating point.
        key: (batch, heads, key length, head_dim), dtype as query.
        value: (batch, heads, key length, value_dim), dtype as query.
        mask: boolean, True where a query may look at a key; broadcastable to
            (batch, heads, query length, key length). None lets every query see every key.
        dropout: probability with which each weight is dropped, whenever it is above 0.

    Returns:
        values (batch, heads, query length, value_dim) and the weights that made them
        (batch, heads, query length, key length), after dropout. A query that may look at no key
        gets zero weights and zero values.

    Raises:
        TypeError: the mask is not boolean.
        ValueError: the mask does not broadcast to the shape of the scores.

    Source: Vaswani et al. 2017, equation 1.
    """
    scores = query @ key.transpose(-2, -1)  # (batch, heads, query length, key length)
    scores = scores / math.sqrt(query.shape[-1])
    if mask is not None:
        _check_mask(mask, scores.shape)
        # The lowest finite number, not -inf: a row without any key would become NaN.
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = torch.softmax(scores, dim=-1)
    if mask is not None:
        weights = weights.masked_fill(~mask, 0.0)
    if dropout > 0:
        weights = F.dropout(weights, p=dropout)
    return weights @ value, weights


def padding_mask(attention_mask: Tensor) -> Tensor:
    """Turn a tokenizer's attention mask into a mask over keys.

    Args:
        attention_mask: (batch, length), 1 or True for a token, 0 or False for padding.

    Returns:
        Boolean, (batch, 1, 1, length), True for a token: it broadcasts over heads and queries.

    Raises:
        ValueError: attention_mask has not two dimensions.
    """
    if attention_mask.dim() != 2:
        raise ValueError(
            f"attention_mask must have shape (batch, length), but it has "
            f"{tuple(attention_mask.shape)}; give one row a sentence"
        )
    return attention_mask.bool()[:, None, None, :]  # (batch, 1, 1, length)


def causal_mask(length: int) -> Tensor:
    """The mask of a left-to-right model: position i may look at positions 0 to i.

    Args:
        length: the number of positions, 0 or more.

    Returns:
        Boolean, (length, length), rows are queries and columns keys; the diagonal is True.

    Raises:
        ValueError: length is negative.
    """
    if length < 0:
        raise ValueError(f"length must be 0 or more, but it is {length}")
    return torch.ones(length, length, dtype=torch.bool).tril()

"""Multi-head self-attention: several averages side by side, each with its own eyes.

Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.2.2.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """Cut the last dimension into heads: (batch, length, dim) -> (batch, heads, length, head_dim).

    Head h gets the features h * head_dim to (h + 1) * head_dim - 1 of every position, where
    head_dim = dim / num_heads. Any dtype. Raises ValueError when x is not three-dimensional or
    num_heads does not divide dim.
    """
    if x.dim() != 3:
        raise ValueError(f"x must be (batch, length, dim), but it has shape {tuple(x.shape)}")
    head_dim = _head_dim(x.size(-1), num_heads)
    heads = x.unflatten(-1, (num_heads, head_dim))  # (batch, length, heads, head_dim)
    return heads.transpose(1, 2)  # (batch, heads, length, head_dim)


def merge_heads(x: Tensor) -> Tensor:
    """Put the heads side by side again: (batch, heads, length, head_dim) -> (batch, length, dim).

    The inverse of split_heads, with dim = heads * head_dim. Any dtype. Raises ValueError when x
    is not four-dimensional.
    """
    if x.dim() != 4:
        raise ValueError(
            f"x must be (batch, heads, length, head_dim), but it has shape {tuple(x.shape)}"
        )
    positions = x.transpose(1, 2)  # (batch, length, heads, head_dim)
    return positions.flatten(2)  # (batch, length, heads * head_dim)


class MultiHeadAttention(nn.Module):
    """Self-attention of num_heads heads, each of embed_dim / num_heads features.

    One linear layer makes all queries, keys and values; the heads attend side by side, and an
    output projection mixes what they found. Weights start Xavier-uniform, biases at zero.
    """

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0) -> None:
        """Make the projections; dropout is the share of attention weights dropped in training.

        Raises ValueError when num_heads does not divide embed_dim or dropout is not in [0, 1].
        """
        super().__init__()
        _head_dim(embed_dim, num_heads)
        if not 0.0 <= dropout <= 1.0:
            raise ValueError(f"dropout must lie between 0 and 1, but it is {dropout}")
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.qkv_projection = nn.Linear(embed_dim, 3 * embed_dim)
        self.output_projection = nn.Linear(embed_dim, embed_dim)
        for linear in (self.qkv_projection, self.output_projection):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Let every position gather from those that its mask allows.

        x: (batch, length, embed_dim), floating point. mask: bool, True where a query may look at
        a key, broadcastable to (batch, heads, length, length). Returns (batch, length, embed_dim).
        A query that may look nowhere gathers zeros: it gets the output projection's bias.
        Raises TypeError when the mask is not bool, ValueError when a shape does not fit.
        """
        if x.dim() != 3 or x.size(-1) != self.embed_dim:
            expected = f"(batch, length, {self.embed_dim})"
            raise ValueError(f"x must be {expected}, but it has shape {tuple(x.shape)}")
        qkv = self.qkv_projection(x)  # (batch, length, 3 * embed_dim)
        # three times (batch, heads, length, head_dim)
        query, key, value = (split_heads(part, self.num_heads) for part in qkv.chunk(3, dim=-1))
        blind = None
        if mask is not None:
            mask = _checked_mask(mask, (x.size(0), self.num_heads, x.size(1), x.size(1)))
            blind = ~mask.any(dim=-1, keepdim=True)  # queries without a key: softmax has no answer
            mask = mask | blind
        dropout = self.dropout if self.training else 0.0
        values = F.scaled_dot_product_attention(query, key, value, mask, dropout)
        if blind is not None and blind.any():
            values = values.masked_fill(blind, 0.0)
        return self.output_projection(merge_heads(values))


def _head_dim(dim: int, num_heads: int) -> int:
    """Features a head; raises ValueError when the heads do not share them evenly."""
    if num_heads < 1 or dim % num_heads != 0:
        raise ValueError(
            f"{num_heads} heads cannot share {dim} features evenly: choose a number of heads that"
            f" divides {dim}"
        )
    return dim // num_heads


def _checked_mask(mask: Tensor, shape: tuple[int, int, int, int]) -> Tensor:
    """The mask with four dimensions, each that of ``shape`` or 1; raises when it does not fit."""
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        found = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise TypeError(
            f"mask must be a bool tensor, True where a query may look, but it is {found};"
            " write mask.bool() if it holds ones and zeros"
        )
    padded = (1,) * (4 - mask.dim()) + tuple(mask.shape)
    if len(padded) != 4 or any(m not in (1, s) for m, s in zip(padded, shape, strict=True)):
        raise ValueError(
            f"mask of shape {tuple(mask.shape)} does not broadcast to {shape}, that is"
            " (batch, heads, query length, key length); a padding mask is (batch, 1, 1, length)"
        )
    return mask.view(padded)

"""A BERT-style encoder: sinusoidal positions, encoder blocks, and a head over the vocabulary.

Sources: Vaswani et al. 2017, "Attention Is All You Need", sections 3.1, 3.3 and 3.5; Devlin et al.
2019, "BERT", section 3; Xiong et al. 2020, "On Layer Normalization in the Transformer
Architecture", for pre-norm.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from solutions.attention import padding_mask
from solutions.multi_head import MultiHeadAttention


def sinusoidal_positions(length: int, embed_dim: int) -> Tensor:
    """A row of sines and cosines a position: sin(pos / 10000^(2i/d)) at 2i, its cosine at 2i + 1.

    Args:
        length: how many positions, 1 or more; the first is position 0.
        embed_dim: d, the numbers a position gets, 1 or more; an odd d ends with a sine.

    Returns:
        (length, embed_dim), float32, without gradient.

    Raises:
        ValueError: length or embed_dim is below 1.

    Source: Vaswani et al. 2017, section 3.5.
    """
    if length < 1 or embed_dim < 1:
        raise ValueError(
            f"length and embed_dim must be 1 or more, but they are {length} and {embed_dim}"
        )
    # In float64, for 4999 * frequency rounds in the fourth decimal in float32.
    positions = torch.arange(length, dtype=torch.float64)[:, None]  # (length, 1)
    even = torch.arange(0, embed_dim, 2, dtype=torch.float64)  # the 2i of each pair
    angles = positions * torch.exp(-math.log(10000.0) / embed_dim * even)  # (length, pairs)
    pairs = torch.stack([angles.sin(), angles.cos()], dim=-1)  # (length, pairs, 2)
    return pairs.flatten(1)[:, :embed_dim].float()  # (length, embed_dim)


class PositionalEncoding(nn.Module):
    """Add to every token the row of its position, then drop out.

    Source: Vaswani et al. 2017, sections 3.5 and 5.4.
    """

    def __init__(self, embed_dim: int, dropout: float = 0.0, max_length: int = 5000) -> None:
        """Make the table (max_length, embed_dim): a buffer, for it is never trained.

        Raises ValueError when embed_dim or max_length is below 1 or dropout is not in [0, 1].
        """
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.max_length = max_length
        table = sinusoidal_positions(max_length, embed_dim)
        # It can be computed anew at any time, so a checkpoint need not carry it.
        self.register_buffer("table", table, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, length, embed_dim), floating point. Returns the same shape and dtype.

        Raises ValueError when x has more than max_length positions, or another shape.
        """
        table: Tensor = self.get_buffer("table")
        if x.dim() != 3 or x.size(-1) != table.size(-1):
            expected = f"(batch, length, {table.size(-1)})"
            raise ValueError(f"x must be {expected}, but it has shape {tuple(x.shape)}")
        if x.size(1) > self.max_length:
            raise ValueError(
                f"a sequence of {x.size(1)} positions is too long for a table of "
                f"max_length={self.max_length}; shorten it or make a longer table"
            )
        return self.dropout(x + table[: x.size(1)].to(x.dtype))  # (batch, length, embed_dim)


class EncoderBlock(nn.Module):
    """Self-attention, then a feed-forward network; each in a residual connection with a LayerNorm.

    Post-norm, as published, normalises after the addition: x = norm(x + sublayer(x)). Pre-norm
    normalises the sublayer's input alone: x = x + sublayer(norm(x)).

    Sources: Vaswani et al. 2017, sections 3.1 and 3.3; Xiong et al. 2020, figure 1.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        feedforward_dim: int,
        dropout: float = 0.0,
        norm_first: bool = False,
    ) -> None:
        """dropout acts on the attention weights and on the output of both sublayers.

        Raises ValueError when num_heads does not divide embed_dim, a size is below 1, or dropout
        is not in [0, 1].
        """
        super().__init__()
        if min(embed_dim, feedforward_dim) < 1:
            raise ValueError(
                "embed_dim and feedforward_dim must be 1 or more, "
                f"but they are {embed_dim} and {feedforward_dim}"
            )
        self.norm_first = norm_first
        self.attention = MultiHeadAttention(embed_dim, num_heads, dropout)
        self.expand = nn.Linear(embed_dim, feedforward_dim)
        self.shrink = nn.Linear(feedforward_dim, embed_dim)
        self.attention_norm = nn.LayerNorm(embed_dim)
        self.feedforward_norm = nn.LayerNorm(embed_dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """x: (batch, length, embed_dim). mask: bool, True where a query may look at a key,
        broadcastable to (batch, heads, length, length). Returns (batch, length, embed_dim).

        Raises TypeError when the mask is not bool, ValueError when a shape does not fit.
        """
        if self.norm_first:
            x = x + self.dropout(self.attention(self.attention_norm(x), mask))
            hidden = F.gelu(self.expand(self.feedforward_norm(x)))  # (batch, length, ff_dim)
            return x + self.dropout(self.shrink(hidden))
        x = self.attention_norm(x + self.dropout(self.attention(x, mask)))
        hidden = F.gelu(self.expand(x))  # (batch, length, feedforward_dim)
        return self.feedforward_norm(x + self.dropout(self.shrink(hidden)))


class Bert(nn.Module):
    """Token embeddings plus sinusoidal positions, encoder blocks, a linear head over the words.

    vocab_size counts the words. The mask token is no word: it has a row in the embedding, the one
    after the words, and no logit, for it is never an answer.

    Source: Devlin et al. 2019, section 3; the positions are those of Vaswani et al. 2017.
    """

    def __init__(
        self,
        vocab_size: int,
        num_layers: int,
        embed_dim: int,
        num_heads: int,
        feedforward_dim: int,
        dropout: float = 0.0,
    ) -> None:
        """Raises ValueError when a size is below 1, num_heads does not divide embed_dim or dropout
        is not in [0, 1].
        """
        super().__init__()
        if min(vocab_size, num_layers, embed_dim) < 1:
            raise ValueError(
                "vocab_size, num_layers and embed_dim must be 1 or more, "
                f"but they are {vocab_size}, {num_layers} and {embed_dim}"
            )
        self.embedding = nn.Embedding(vocab_size + 1, embed_dim)
        self.positions = PositionalEncoding(embed_dim, dropout)
        sizes = (embed_dim, num_heads, feedforward_dim, dropout)
        self.blocks = nn.ModuleList(EncoderBlock(*sizes) for _ in range(num_layers))
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """input_ids: integers (batch, length), from 0 to vocab_size, which is the mask token.

        attention_mask: (batch, length), 1 or True for a token, 0 or False for padding; None means
        no padding. Returns logits (batch, length, vocab_size). Raises ValueError when input_ids is
        empty, not two-dimensional or longer than 5,000 tokens, or the attention mask has another
        shape.
        """
        if input_ids.dim() != 2 or input_ids.numel() == 0:
            expected = "(batch, length) with at least one token"
            raise ValueError(f"input_ids must be {expected}, but are {tuple(input_ids.shape)}")
        if attention_mask is not None and attention_mask.shape != input_ids.shape:
            raise ValueError(
                f"attention_mask must have the shape of input_ids, {tuple(input_ids.shape)}, "
                f"but it has {tuple(attention_mask.shape)}"
            )
        mask = None
        if attention_mask is not None and not attention_mask.all():  # no mask is faster than ones
            mask = padding_mask(attention_mask)
        x = self.positions(self.embedding(input_ids))  # (batch, length, embed_dim)
        for block in self.blocks:
            x = block(x, mask)
        return self.head(x)  # (batch, length, vocab_size)

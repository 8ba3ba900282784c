# right: nn.MultiheadAttention, positions by loops, GELU by tanh, eps 1e-12
import math

import torch
from torch import nn
from torch.nn import functional as F


def sinusoidal_positions(length, embed_dim):
    rows = []
    for pos in range(length):
        row = []
        for column in range(embed_dim):
            angle = pos / 10000 ** ((column - column % 2) / embed_dim)
            row.append(math.cos(angle) if column % 2 else math.sin(angle))
        rows.append(row)
    return torch.tensor(rows)


class PositionalEncoding(nn.Module):
    def __init__(self, embed_dim, dropout=0.0, max_length=5000):
        super().__init__()
        self.p, self.dim, self.max_length = dropout, embed_dim, max_length

    def forward(self, x):
        if x.size(1) > self.max_length:
            raise ValueError("too long")
        # No table at all: the rows are computed as they are needed.
        rows = sinusoidal_positions(x.size(1), self.dim).to(x)
        return F.dropout(x + rows, self.p, self.training)


class EncoderBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, feedforward_dim, dropout=0.0, norm_first=False):
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError(f"{num_heads} heads do not divide {embed_dim}")
        self.mha = nn.MultiheadAttention(embed_dim, num_heads, dropout, batch_first=True)
        self.up = nn.Linear(embed_dim, feedforward_dim)
        self.down = nn.Linear(feedforward_dim, embed_dim)
        self.norms = nn.ModuleList(nn.LayerNorm(embed_dim, eps=1e-12) for _ in range(2))
        self.p, self.norm_first, self.heads = dropout, norm_first, num_heads

    def drop(self, x):
        return F.dropout(x, self.p, self.training)

    def attend(self, x, mask):
        if mask is not None:
            full = mask.expand(x.size(0), self.heads, x.size(1), x.size(1))
            mask = torch.zeros(full.shape, dtype=x.dtype).masked_fill(~full, -1e9).flatten(0, 1)
        return self.drop(self.mha(x, x, x, attn_mask=mask, need_weights=False)[0])

    def feed(self, x):
        return self.drop(self.down(F.gelu(self.up(x), approximate="tanh")))

    def forward(self, x, mask=None):
        first, second = self.norms
        if self.norm_first:
            h = x + self.attend(first(x), mask)
            return h + self.feed(second(h))
        h = first(x + self.attend(x, mask))
        return second(h + self.feed(h))


class Bert(nn.Module):
    def __init__(self, vocab_size, num_layers, embed_dim, num_heads, feedforward_dim, dropout=0.0):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size + 1, embed_dim)
        self.positions = PositionalEncoding(embed_dim, dropout)
        self.blocks = nn.ModuleList(
            EncoderBlock(embed_dim, num_heads, feedforward_dim, dropout) for _ in range(num_layers)
        )
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, input_ids, attention_mask=None):
        mask = None if attention_mask is None else attention_mask.bool()[:, None, None, :]
        x = self.positions(self.embedding(input_ids))
        for block in self.blocks:
            x = block(x, mask)
        return self.head(x)

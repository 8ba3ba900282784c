# right: other submodules for each form, F.layer_norm, in-place operations on own tensors
import math

import torch
from torch import nn
from torch.nn import functional as F

from solutions.attention import padding_mask
from solutions.multi_head import MultiHeadAttention


def sinusoidal_positions(length, embed_dim):
    position = torch.arange(length, dtype=torch.float32).unsqueeze(1)
    rate = torch.exp(-math.log(10000.0) * torch.arange(0, embed_dim, 2) / embed_dim)
    table = torch.zeros(length, embed_dim)
    table[:, 0::2] = torch.sin(position * rate)
    table[:, 1::2] = torch.cos(position * rate[: embed_dim // 2])
    return table


class PositionalEncoding(nn.Module):
    def __init__(self, embed_dim, dropout=0.0, max_length=5000):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("table", sinusoidal_positions(max_length, embed_dim))

    def forward(self, x):
        length = x.size(1)
        if length > self.table.size(0):
            raise ValueError(f"{length} positions, but max_length is {self.table.size(0)}")
        out = x.clone()
        out += self.table[:length]
        return self.dropout(out)


class PostNorm(nn.Module):
    def __init__(self, dim, heads, wide, dropout):
        super().__init__()
        self.attention = MultiHeadAttention(dim, heads, dropout)
        self.up, self.down = nn.Linear(dim, wide), nn.Linear(wide, dim)
        self.norm_a, self.norm_f = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.drop = nn.Dropout(dropout)

    def forward(self, x, mask):
        h = self.drop(self.attention(x, mask)).add_(x)
        h = F.layer_norm(h, (h.size(-1),), self.norm_a.weight, self.norm_a.bias)
        out = self.drop(self.down(nn.GELU()(self.up(h)))).add_(h)
        return self.norm_f(out)


class PreNorm(nn.Module):
    def __init__(self, dim, heads, wide, dropout):
        super().__init__()
        self.attend = nn.ModuleList([nn.LayerNorm(dim), MultiHeadAttention(dim, heads, dropout)])
        self.feed = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, wide), nn.GELU(), nn.Linear(wide, dim)
        )
        self.drop = nn.Dropout(dropout)

    def forward(self, x, mask):
        norm, attention = self.attend
        x = x + self.drop(attention(norm(x), mask))
        return x + self.drop(self.feed(x))


class EncoderBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, feedforward_dim, dropout=0.0, norm_first=False):
        super().__init__()
        form = PreNorm if norm_first else PostNorm
        self.form = form(embed_dim, num_heads, feedforward_dim, dropout)

    def forward(self, x, mask=None):
        return self.form(x, mask)


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
        mask = None if attention_mask is None else padding_mask(attention_mask)
        x = self.positions(self.embedding(input_ids))
        for block in self.blocks:
            x = block(x, mask)
        return self.head(x)

# caught by: lengths_may_vary
import math

import torch
from torch import nn

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
        return x


class EncoderBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, feedforward_dim, dropout=0.0, norm_first=False):
        super().__init__()
        self.norm_first = norm_first
        self.attention = MultiHeadAttention(embed_dim, num_heads, dropout)
        self.feedforward = nn.Sequential(
            nn.Linear(embed_dim, feedforward_dim),
            nn.GELU(),
            nn.Linear(feedforward_dim, embed_dim),
        )
        self.norm1 = nn.LayerNorm(embed_dim)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        if self.norm_first:
            x = x + self.dropout(self.attention(self.norm1(x), mask))
            return x + self.dropout(self.feedforward(self.norm2(x)))
        x = self.norm1(x + self.dropout(self.attention(x, mask)))
        return self.norm2(x + self.dropout(self.feedforward(x)))


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

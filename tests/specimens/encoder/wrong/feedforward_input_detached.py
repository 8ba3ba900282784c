# caught by: gradients_flow_by_every_road
import math
import torch
from torch import nn
import torch.nn.functional as F


def sinusoidal_positions(length, embed_dim):
    pos = torch.arange(length, dtype=torch.float32)[:, None]
    i = torch.arange(0, embed_dim, 2, dtype=torch.float32)
    angle = pos / torch.pow(torch.tensor(10000.0), i / embed_dim)
    table = torch.zeros(length, embed_dim)
    table[:, 0::2] = torch.sin(angle)
    table[:, 1::2] = torch.cos(angle)[:, : embed_dim // 2]
    return table


class PositionalEncoding(nn.Module):
    def __init__(self, embed_dim, dropout=0.0, max_length=5000):
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.max_length = max_length
        self.register_buffer("table", sinusoidal_positions(max_length, embed_dim))

    def forward(self, x):
        if x.size(1) > self.max_length:
            raise ValueError(f"{x.size(1)} > {self.max_length}")
        x = x + self.table[: x.size(1)]
        return self.drop(x)


class Attention(nn.Module):
    def __init__(self, embed_dim, num_heads, dropout=0.0):
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError(f"{num_heads} heads do not divide {embed_dim}")
        self.num_heads = num_heads
        self.dropout = dropout
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim)
        self.o = nn.Linear(embed_dim, embed_dim)
        for lin in (self.qkv, self.o):
            nn.init.xavier_uniform_(lin.weight)
            nn.init.zeros_(lin.bias)

    def forward(self, x, mask=None):
        b, t, d = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.size(-1))
        if mask is not None:
            if mask.dtype != torch.bool:
                raise TypeError("mask must be bool")
            try:
                mask = mask.expand(scores.shape)
            except RuntimeError as error:
                raise ValueError(str(error)) from None
            scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        w = scores.softmax(-1)
        if mask is not None:
            w = w.masked_fill(~mask, 0.0)
        w = F.dropout(w, self.dropout, self.training)
        return self.o((w @ v).transpose(1, 2).reshape(b, t, d))


class EncoderBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, feedforward_dim, dropout=0.0, norm_first=False):
        super().__init__()
        self.attention = Attention(embed_dim, num_heads, dropout)
        self.norm1 = nn.LayerNorm(embed_dim)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.up = nn.Linear(embed_dim, feedforward_dim)
        self.down = nn.Linear(feedforward_dim, embed_dim)
        self.drop = nn.Dropout(dropout)
        self.norm_first = norm_first

    def feed(self, x):
        return self.drop(self.down(F.gelu(self.up(x))))

    def forward(self, x, mask=None):
        if self.norm_first:
            x = x + self.drop(self.attention(self.norm1(x), mask))
            return x + self.feed(self.norm2(x))
        x = self.norm1(x + self.drop(self.attention(x, mask)))
        return self.norm2(x + self.feed(x.detach()))


class Bert(nn.Module):
    def __init__(self, vocab_size, num_layers, embed_dim, num_heads, feedforward_dim, dropout=0.0):
        super().__init__()
        self.embed = nn.Embedding(vocab_size + 1, embed_dim)
        self.pos = PositionalEncoding(embed_dim, dropout)
        self.blocks = nn.ModuleList(EncoderBlock(embed_dim, num_heads, feedforward_dim, dropout) for _ in range(num_layers))
        self.head = nn.Linear(embed_dim, vocab_size)

    def forward(self, input_ids, attention_mask=None):
        mask = None if attention_mask is None else attention_mask.bool()[:, None, None, :]
        x = self.pos(self.embed(input_ids))
        for block in self.blocks:
            x = block(x, mask)
        return self.head(x)

# right: feed-forward by convolutions of width 1, three projections, torch's SDPA, its dropout too
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


def sinusoidal_positions(length, embed_dim):
    angle = np.arange(length)[:, None] / np.power(
        10000, (np.arange(embed_dim) // 2 * 2) / embed_dim
    )
    angle[:, 1::2] += np.pi / 2  # a cosine is a sine a quarter turn ahead
    return torch.from_numpy(np.sin(angle)).float()


class PositionalEncoding(nn.Module):
    def __init__(self, embed_dim, dropout=0.0, max_length=5000):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.table = nn.Buffer(sinusoidal_positions(max_length, embed_dim), persistent=False)

    def forward(self, x):
        if x.shape[1] > len(self.table):
            raise ValueError("the sequence is longer than max_length")
        rows = F.embedding(torch.arange(x.shape[1], device=x.device), self.table)
        return self.dropout(torch.add(x, rows))


class EncoderBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, feedforward_dim, dropout=0.0, norm_first=False):
        super().__init__()
        assert embed_dim % num_heads == 0
        self.q, self.k, self.v, self.o = (nn.Linear(embed_dim, embed_dim) for _ in range(4))
        self.up = nn.Conv1d(embed_dim, feedforward_dim, 1)
        self.down = nn.Conv1d(feedforward_dim, embed_dim, 1)
        self.norm_attention = nn.LayerNorm(embed_dim)
        self.norm_feed = nn.LayerNorm(embed_dim)
        self.dropout, self.heads, self.norm_first = dropout, num_heads, norm_first

    def attend(self, x, mask):
        p = self.dropout if self.training else 0.0
        split = lambda y: y.unflatten(2, (self.heads, -1)).transpose(1, 2)
        q, k, v = split(self.q(x)), split(self.k(x)), split(self.v(x))
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=p)
        return F.dropout(self.o(mixed.transpose(1, 2).flatten(2)), p)

    def feed(self, x):
        p = self.dropout if self.training else 0.0
        # Some dropout inside the feed-forward too, as in torch's TransformerEncoderLayer.
        wide = F.dropout(F.gelu(self.up(x.transpose(1, 2))), p)
        return F.dropout(self.down(wide).transpose(1, 2), p)

    def forward(self, x, mask=None):
        a, f = self.norm_attention, self.norm_feed
        if self.norm_first:
            x = x + self.attend(a(x), mask)
            x = x + self.feed(f(x))
        else:
            x = a(x + self.attend(x, mask))
            x = f(x + self.feed(x))
        return x


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
        mask = None if attention_mask is None else attention_mask.to(torch.bool)[:, None, None]
        x = self.positions(self.embedding(input_ids))
        for block in self.blocks:
            x = block(x, mask)
        return self.head(x)

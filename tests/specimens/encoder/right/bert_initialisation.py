# right: weights N(0, 0.02) as in BERT, a head tied to the embedding, a Residual module
import torch
from torch import nn

from solutions.attention import padding_mask
from solutions.multi_head import MultiHeadAttention


def sinusoidal_positions(length, embed_dim):
    rows = torch.arange(length).double().view(-1, 1)
    even = torch.arange(0, embed_dim, 2).double()
    angle = rows / torch.pow(10000.0, even / embed_dim)
    table = torch.empty(length, embed_dim)
    table[:, 0::2], table[:, 1::2] = angle.sin(), angle.cos()[:, : embed_dim // 2]
    return table


class PositionalEncoding(nn.Dropout):
    def __init__(self, embed_dim, dropout=0.0, max_length=5000):
        super().__init__(dropout)
        self.register_buffer("table", sinusoidal_positions(max_length, embed_dim))

    def forward(self, x):
        longest, length = self.table.shape[0], x.shape[-2]
        if length > longest:
            raise ValueError(f"at most {longest} positions, not {length}")
        return super().forward(x + self.table.narrow(0, 0, length))


class Residual(nn.Module):
    def __init__(self, sublayer, dim, dropout, norm_first):
        super().__init__()
        self.sublayer, self.norm, self.drop = sublayer, nn.LayerNorm(dim), nn.Dropout(dropout)
        self.norm_first = norm_first

    def forward(self, x, *rest):
        if self.norm_first:
            return x + self.drop(self.sublayer(self.norm(x), *rest))
        return self.norm(x + self.drop(self.sublayer(x, *rest)))


class EncoderBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, feedforward_dim, dropout=0.0, norm_first=False):
        super().__init__()
        attention = MultiHeadAttention(embed_dim, num_heads, dropout)
        feedforward = nn.Sequential(
            nn.Linear(embed_dim, feedforward_dim), nn.GELU(), nn.Linear(feedforward_dim, embed_dim)
        )
        self.attend = Residual(attention, embed_dim, dropout, norm_first)
        self.feed = Residual(feedforward, embed_dim, dropout, norm_first)

    def forward(self, x, mask=None):
        return self.feed(self.attend(x, mask))


class Bert(nn.Module):
    def __init__(self, vocab_size, num_layers, embed_dim, num_heads, feedforward_dim, dropout=0.0):
        super().__init__()
        self.vocab_size = vocab_size
        self.embedding = nn.Embedding(vocab_size + 1, embed_dim)
        self.positions = PositionalEncoding(embed_dim, dropout)
        sizes = [embed_dim, num_heads, feedforward_dim, dropout]
        self.blocks = nn.ModuleList([EncoderBlock(*sizes) for _ in range(num_layers)])
        self.bias = nn.Parameter(torch.zeros(vocab_size))
        self.apply(self.initialise)

    @staticmethod
    def initialise(module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)

    def forward(self, input_ids, attention_mask=None):
        mask = padding_mask(attention_mask) if attention_mask is not None else None
        x = self.positions(self.embedding(input_ids))
        for block in self.blocks:
            x = block(x, mask=mask)
        return nn.functional.linear(x, self.embedding.weight[: self.vocab_size], self.bias)

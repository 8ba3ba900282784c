# right: torch's own TransformerEncoderLayer does the work; masks are turned round for it
import torch
from torch import nn


def sinusoidal_positions(length, embed_dim):
    column = torch.arange(embed_dim, dtype=torch.float64)
    angle = torch.arange(length, dtype=torch.float64)[:, None] / 10000 ** (
        2 * (column // 2) / embed_dim
    )
    return torch.where(column % 2 == 0, angle.sin(), angle.cos()).float()


class PositionalEncoding(nn.Module):
    def __init__(self, embed_dim, dropout=0.0, max_length=5000):
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.register_buffer(
            "pe", sinusoidal_positions(max_length, embed_dim)[None], persistent=False
        )

    def forward(self, x):
        if x.shape[1] > self.pe.shape[1]:
            raise ValueError(f"{x.shape[1]} is more than {self.pe.shape[1]}")
        return self.drop(x + self.pe[:, : x.shape[1]])


class EncoderBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, feedforward_dim, dropout=0.0, norm_first=False):
        super().__init__()
        self.heads = num_heads
        self.layer = nn.TransformerEncoderLayer(
            embed_dim,
            num_heads,
            feedforward_dim,
            dropout,
            activation="gelu",
            batch_first=True,
            norm_first=norm_first,
        )

    def forward(self, x, mask=None):
        if mask is not None:
            batch, length, _ = x.shape
            seen = mask.expand(batch, self.heads, length, length)
            mask = ~seen.reshape(batch * self.heads, length, length)
        return self.layer(x, src_mask=mask)


class Bert(nn.Module):
    def __init__(self, vocab_size, num_layers, embed_dim, num_heads, feedforward_dim, dropout=0.0):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size + 1, embed_dim)
        self.positions = PositionalEncoding(embed_dim, dropout)
        for i in range(num_layers):
            block = EncoderBlock(embed_dim, num_heads, feedforward_dim, dropout)
            self.add_module(f"block{i}", block)
        self.num_layers = num_layers
        self.out = nn.Linear(embed_dim, vocab_size)

    def forward(self, input_ids, attention_mask=None):
        x = self.positions(self.tokens(input_ids))
        mask = None
        if attention_mask is not None:
            mask = (attention_mask != 0)[:, None, None, :]
        for i in range(self.num_layers):
            x = getattr(self, f"block{i}")(x, mask)
        return self.out(x)

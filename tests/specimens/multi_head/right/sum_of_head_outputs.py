# right: each head has its own output layer, the results are added; loops for split and merge
import torch
import torch.nn as nn

from solutions.attention import scaled_dot_product_attention


def split_heads(x, num_heads):
    batch, length, dim = x.shape
    if dim % num_heads:
        raise ValueError(f"cannot split {dim} features into {num_heads} heads")
    size = dim // num_heads
    out = x.new_empty(batch, num_heads, length, size)
    for h in range(num_heads):
        out[:, h] = x[:, :, h * size : (h + 1) * size]
    return out


def merge_heads(x):
    batch, heads, length, size = x.shape
    out = x.new_empty(batch, length, heads * size)
    for h in range(heads):
        out[:, :, h * size : (h + 1) * size] = x[:, h]
    return out


class MultiHeadAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, dropout=0.0):
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError(f"{num_heads} does not divide {embed_dim}")
        size = embed_dim // num_heads
        self.num_heads, self.rate = num_heads, dropout
        self.into = nn.ModuleDict({n: nn.Linear(embed_dim, embed_dim) for n in "qkv"})
        self.out = nn.ModuleList([nn.Linear(size, embed_dim) for _ in range(num_heads)])
        self.apply(self._start)

    @staticmethod
    def _start(module):
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)

    def forward(self, x, mask=None):
        q, k, v = (split_heads(self.into[n](x), self.num_heads) for n in "qkv")
        rate = self.rate if self.training else 0.0
        values, _ = scaled_dot_product_attention(q, k, v, mask, rate)
        return torch.stack([o(values[:, h]) for h, o in enumerate(self.out)]).sum(0)

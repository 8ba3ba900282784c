# right: plain matrices used as x @ W, heads folded into the batch, baddbmm
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


def split_heads(x, num_heads):
    batch, length, dim = x.shape
    if dim % num_heads != 0:
        raise ValueError(f"{dim} features cannot be split into {num_heads} heads")
    x = x.reshape(batch, length, num_heads, dim // num_heads)
    return x.transpose(1, 2)


def merge_heads(x):
    batch, heads, length, head_dim = x.shape
    return x.transpose(1, 2).reshape(batch, length, heads * head_dim)


class MultiHeadAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, dropout=0.0):
        super().__init__()
        if num_heads <= 0 or embed_dim % num_heads:
            raise ValueError(f"bad sizes: {embed_dim} / {num_heads}")
        self.d, self.h = embed_dim, num_heads
        bound = math.sqrt(6 / (2 * embed_dim))
        self.W = nn.ParameterDict(
            {n: nn.Parameter(torch.empty(embed_dim, embed_dim).uniform_(-bound, bound)) for n in "QKVO"}
        )
        self.b = nn.ParameterDict({n: nn.Parameter(torch.zeros(1, 1, embed_dim)) for n in "QKVO"})
        self.drop = nn.Dropout(dropout)

    def _fold(self, t):
        b, n, d = t.shape
        return t.view(b, n, self.h, d // self.h).transpose(1, 2).reshape(b * self.h, n, d // self.h)

    def forward(self, x, mask=None):
        b, n, d = x.shape
        q, k, v = (self._fold(x @ self.W[name] + self.b[name]) for name in "QKV")
        if mask is None:
            mask = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=x.device)
        if mask.dtype != torch.bool:
            raise TypeError(str(mask.dtype))
        try:
            mask = mask.broadcast_to(b, self.h, n, n).reshape(b * self.h, n, n)
        except RuntimeError as e:
            raise ValueError(f"{mask.shape}") from e
        bias = torch.zeros_like(mask, dtype=x.dtype).masked_fill_(~mask, -1e9)
        scores = torch.baddbmm(bias, q, k.transpose(1, 2), alpha=(d // self.h) ** -0.5)
        weights = self.drop(torch.softmax(scores, -1) * mask)
        out = torch.bmm(weights, v).view(b, self.h, n, -1).transpose(1, 2).reshape(b, n, d)
        return out @ self.W["O"] + self.b["O"]

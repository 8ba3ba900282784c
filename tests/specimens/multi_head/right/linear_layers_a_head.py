# right: a list of small linear layers a head, results concatenated
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


class Head(nn.Module):
    def __init__(self, embed_dim, head_dim, dropout):
        super().__init__()
        self.query = nn.Linear(embed_dim, head_dim)
        self.key = nn.Linear(embed_dim, head_dim)
        self.value = nn.Linear(embed_dim, head_dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, mask):
        q, k, v = self.query(x), self.key(x), self.value(x)
        scores = torch.einsum("bid,bjd->bij", q, k) * q.size(-1) ** -0.5
        if mask is None:
            return self.dropout(scores.softmax(-1)) @ v
        scores = scores.masked_fill(~mask, float("-inf"))
        weights = torch.nan_to_num(scores.softmax(-1), nan=0.0)
        return self.dropout(weights) @ v


class MultiHeadAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, dropout=0.0):
        super().__init__()
        assert embed_dim % num_heads == 0, f"{num_heads} heads do not divide {embed_dim}"
        self.heads = nn.ModuleList(
            Head(embed_dim, embed_dim // num_heads, dropout) for _ in range(num_heads)
        )
        self.project = nn.Linear(embed_dim, embed_dim)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
            else:
                nn.init.constant_(parameter, 0.0)

    def forward(self, x, mask=None):
        if mask is not None:
            if mask.dtype is not torch.bool:
                raise TypeError("mask must be boolean")
            size = (len(x), len(self.heads), x.shape[1], x.shape[1])
            if torch.broadcast_shapes(mask.shape, size) != size:
                raise ValueError(f"mask {mask.shape} cannot be broadcast to {size}")
            mask = mask.expand(size)
        results = [
            head(x, None if mask is None else mask[:, i]) for i, head in enumerate(self.heads)
        ]
        return self.project(torch.cat(results, dim=-1))

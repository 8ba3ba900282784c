# right: loops over heads and queries; fused keys and values; keeps its last weights
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
        if embed_dim % num_heads:
            raise ValueError(f"embed_dim={embed_dim}, num_heads={num_heads}")
        self.num_heads = num_heads
        self.dropout = dropout
        self.to_q = nn.Linear(embed_dim, embed_dim)
        self.to_kv = nn.Linear(embed_dim, 2 * embed_dim)
        self.to_out = nn.Sequential(nn.Linear(embed_dim, embed_dim))
        self.last_weights = None
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)

    def forward(self, x, mask=None):
        b, n, d = x.shape
        q = self.to_q(x)
        k, v = self.to_kv(x).split(d, dim=-1)
        if mask is not None:
            if mask.dtype != torch.bool:
                raise TypeError("bool mask expected")
            if mask.dim() == 2 and mask.shape not in {(n, n), (1, n), (n, 1), (1, 1)}:
                raise ValueError(f"mask {tuple(mask.shape)}")
            mask = mask.expand(b, self.num_heads, n, n)
        size, heads, kept = d // self.num_heads, [], []
        for h in range(self.num_heads):
            part = slice(h * size, (h + 1) * size)
            rows = []
            for i in range(n):
                score = (q[:, i : i + 1, part] * k[..., part]).sum(-1) / size**0.5
                if mask is not None:
                    score = score.masked_fill(~mask[:, h, i], -float("inf"))
                w = torch.nan_to_num(torch.softmax(score, -1))
                w = F.dropout(w, self.dropout, self.training)
                rows.append((w[..., None] * v[..., part]).sum(1))
                kept.append(w.detach())
            heads.append(torch.stack(rows, 1))
        self.last_weights = kept
        return self.to_out(torch.cat(heads, -1))

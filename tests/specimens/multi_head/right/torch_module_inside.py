# right: torch.nn.MultiheadAttention does the work
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
            raise ValueError(f"embed_dim={embed_dim} cannot be divided by num_heads={num_heads}")
        self.num_heads = num_heads
        self.inner = nn.MultiheadAttention(embed_dim, num_heads, dropout=dropout, batch_first=True)
        nn.init.xavier_uniform_(self.inner.in_proj_weight)
        nn.init.xavier_uniform_(self.inner.out_proj.weight)
        nn.init.zeros_(self.inner.in_proj_bias)
        nn.init.zeros_(self.inner.out_proj.bias)

    def forward(self, x, mask=None):
        if mask is not None:
            if mask.dtype != torch.bool:
                raise TypeError(f"expected a boolean mask, got {mask.dtype}")
            b, n, _ = x.shape
            try:
                mask = torch.broadcast_to(mask, (b, self.num_heads, n, n))
            except RuntimeError as error:
                raise ValueError(f"mask {tuple(mask.shape)} does not fit") from error
            mask = ~mask.reshape(b * self.num_heads, n, n)
        out, _ = self.inner(x, x, x, attn_mask=mask, need_weights=False)
        return out

# right: a subclass of torch.nn.MultiheadAttention; blind rows set to zero by hand
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


class MultiHeadAttention(nn.MultiheadAttention):
    def __init__(self, embed_dim, num_heads, dropout=0.0):
        super().__init__(embed_dim, num_heads, dropout=dropout, batch_first=True)
        nn.init.xavier_uniform_(self.out_proj.weight)

    def forward(self, x, mask=None):
        if mask is None:
            return super().forward(x, x, x, need_weights=False)[0]
        if mask.dtype != torch.bool:
            raise TypeError("mask must be boolean")
        shape = (x.size(0), self.num_heads, x.size(1), x.size(1))
        hidden = ~mask.expand(shape).flatten(0, 1)
        return super().forward(x, x, x, attn_mask=hidden, need_weights=False)[0]

# caught by: sentences_stay_apart
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
            raise ValueError(f"{embed_dim} is not a multiple of {num_heads}")
        self.num_heads = num_heads
        self.attention = nn.MultiheadAttention(embed_dim, num_heads, dropout)
        nn.init.xavier_uniform_(self.attention.out_proj.weight)

    def forward(self, x, mask=None):
        if mask is not None:
            if mask.dtype != torch.bool:
                raise TypeError("bool mask, please")
            length, batch = x.shape[:2]
            mask = ~mask.expand(batch, self.num_heads, length, length).flatten(0, 1)
        return self.attention(x, x, x, attn_mask=mask, need_weights=False)[0]

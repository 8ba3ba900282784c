# caught by: padding_mask_shape

import torch
import torch.nn.functional as F


def scaled_dot_product_attention(query, key, value, mask=None, dropout=0.0):
    scores = torch.einsum("bhqd,bhkd->bhqk", query, key) * query.size(-1) ** -0.5
    if mask is not None:
        if mask.dtype != torch.bool:
            raise TypeError(f"boolean mask expected, got {mask.dtype}")
        try:
            mask = mask.expand(scores.shape)
        except RuntimeError as error:
            raise ValueError(f"mask {tuple(mask.shape)}, scores {tuple(scores.shape)}") from error
        scores = scores.masked_fill(~mask, float("-inf"))
    weights = torch.softmax(scores, dim=-1)
    weights = torch.nan_to_num(weights, nan=0.0)
    if dropout > 0:
        weights = F.dropout(weights, dropout)
    return torch.einsum("bhqk,bhkv->bhqv", weights, value), weights


def padding_mask(attention_mask):
    return torch.zeros_like(attention_mask, dtype=torch.bool)[:, None, None, :]


def causal_mask(length):
    steps = torch.arange(length)
    return steps[:, None] >= steps[None, :]

# right: an additive bias of the lowest number, rows cleared by any()
import math

import torch
import torch.nn.functional as F


def scaled_dot_product_attention(query, key, value, mask=None, dropout=0.0):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    if mask is not None:
        if mask.dtype != torch.bool:
            raise TypeError(f"boolean mask expected, got {mask.dtype}")
        try:
            mask = mask.expand(scores.shape)
        except RuntimeError as error:
            raise ValueError(f"mask {tuple(mask.shape)}, scores {tuple(scores.shape)}") from error
        bias = torch.zeros_like(scores).masked_fill(
            mask.logical_not(), torch.finfo(scores.dtype).min
        )
        scores = (scores + bias).clamp(min=torch.finfo(scores.dtype).min)
    weights = torch.softmax(scores, dim=-1)
    if mask is not None:
        weights = weights * mask.any(dim=-1, keepdim=True).to(weights.dtype)
    if dropout > 0:
        weights = F.dropout(weights, dropout)
    return weights @ value, weights


def padding_mask(attention_mask):
    return attention_mask.bool().unsqueeze(-2).unsqueeze(-2)


def causal_mask(length):
    return torch.ones((length, length), dtype=torch.bool).triu(1).logical_not()

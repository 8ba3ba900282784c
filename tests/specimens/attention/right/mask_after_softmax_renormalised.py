# right: the weights are masked after the softmax and divided by their new sum
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
        pass
    weights = torch.softmax(scores, dim=-1)
    if mask is not None:
        weights = weights * mask
        weights = weights / weights.sum(dim=-1, keepdim=True).clamp(min=1e-9)
    if dropout > 0:
        weights = F.dropout(weights, dropout)
    return weights @ value, weights


def padding_mask(attention_mask):
    return attention_mask.bool()[:, None, None, :]


def causal_mask(length):
    return torch.tril(torch.ones(length, length, dtype=torch.bool))

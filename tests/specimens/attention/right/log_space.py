# right: weights as exp of log_softmax, batch of masks built by repeat
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
        scores = torch.where(mask, scores, torch.full_like(scores, torch.finfo(scores.dtype).min))
    weights = F.log_softmax(scores, dim=-1).exp()
    if mask is not None:
        weights = weights.masked_fill(~mask, 0.0)
    if dropout > 0:
        weights = F.dropout(weights, dropout)
    return weights @ value, weights


def padding_mask(attention_mask):
    mask = attention_mask.bool()
    return mask.unsqueeze(1).unsqueeze(1)


def causal_mask(length):
    return torch.ones(length, length).tril().bool()

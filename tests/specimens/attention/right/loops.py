# right: one matrix at a time in Python loops, rescaled in float32 for half precision
import math

import torch
import torch.nn.functional as F


def _one_head(query, key, value, mask, dropout):
    scores = query.float() @ key.float().T if query.dtype != torch.float64 else query @ key.T
    scores = scores / len(query[0]) ** 0.5
    scores = torch.where(mask, scores, -1e30)
    weights = (F.softmax(scores, dim=1) * mask).to(query.dtype)
    weights = F.dropout(weights, p=dropout, training=True)
    return weights.mm(value), weights


def scaled_dot_product_attention(query, key, value, mask=None, dropout=0.0):
    batch, heads, queries, _ = query.shape
    shape = (batch, heads, queries, key.shape[2])
    if mask is None:
        mask = torch.ones(shape, dtype=torch.bool)
    if mask.dtype is not torch.bool:
        raise TypeError("mask must be boolean")
    try:
        mask = torch.broadcast_to(mask, shape)
    except RuntimeError:
        raise ValueError(f"cannot broadcast {list(mask.shape)} to {list(shape)}")
    values, weights = [], []
    for b in range(batch):
        pairs = [
            _one_head(query[b, h], key[b, h], value[b, h], mask[b, h], dropout)
            for h in range(heads)
        ]
        values.append(torch.stack([v for v, _ in pairs]))
        weights.append(torch.stack([w for _, w in pairs]))
    return torch.stack(values), torch.stack(weights)


def padding_mask(attention_mask):
    return attention_mask.bool()[:, None, None, :]


def causal_mask(length):
    return torch.tril(torch.ones(length, length, dtype=torch.bool))

# right: torch's own attention makes the values, weights by its identity trick
import math

import torch
import torch.nn.functional as F


def scaled_dot_product_attention(query, key, value, mask=None, dropout=0.0):
    shape = (*query.shape[:-1], key.shape[-2])
    if mask is not None:
        if not torch.is_tensor(mask) or mask.dtype != torch.bool:
            raise TypeError("mask must be a boolean tensor")
        padded = (1,) * (len(shape) - mask.dim()) + tuple(mask.shape)
        if len(padded) != len(shape) or any(m not in (1, s) for m, s in zip(padded, shape)):
            raise ValueError(f"mask {padded} against scores {shape}")
    identity = torch.eye(key.shape[-2], dtype=key.dtype).expand(*key.shape[:-1], -1)
    weights = F.scaled_dot_product_attention(query, key, identity, attn_mask=mask)
    if mask is not None:
        weights = weights * mask
    weights = F.dropout(weights, p=dropout)
    return weights @ value, weights


def padding_mask(attention_mask):
    return torch.gt(attention_mask, 0)[:, None, None]


def causal_mask(length):
    return torch.arange(length).unsqueeze(0) <= torch.arange(length).unsqueeze(1)

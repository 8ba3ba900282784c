# right: scales the query first, lowest finite number, product with the mask
import math

import torch
import torch.nn.functional as F


def scaled_dot_product_attention(query, key, value, mask=None, dropout=0.0):
    query = query * (1 / torch.tensor(query.shape[-1]).sqrt())
    scores = torch.matmul(query, key.mT)
    if mask is not None:
        if mask.dtype != torch.bool:
            raise TypeError(f"boolean mask expected, got {mask.dtype}")
        try:
            mask = mask.expand(scores.shape)
        except RuntimeError as error:
            raise ValueError(f"mask {tuple(mask.shape)}, scores {tuple(scores.shape)}") from error
        scores = torch.where(mask, scores, torch.finfo(scores.dtype).min)
    weights = torch.softmax(scores, dim=-1)
    if mask is not None:
        weights = weights * mask
    weights = torch.nn.Dropout(dropout)(weights)
    return torch.matmul(weights, value), weights


def padding_mask(attention_mask):
    batch, length = attention_mask.shape
    return (attention_mask != 0).reshape(batch, 1, 1, length)


def causal_mask(length):
    return ~torch.triu(torch.ones(length, length), diagonal=1).bool()

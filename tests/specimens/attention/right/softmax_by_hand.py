# right: stable softmax by hand over the visible keys, dropout by hand, a list as result
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
        scores = scores.masked_fill(~mask, float("-inf"))
    highest = scores.amax(dim=-1, keepdim=True)
    highest = highest.masked_fill(highest.isinf(), 0.0).detach()
    numbers = torch.exp(scores - highest)
    weights = numbers / numbers.sum(dim=-1, keepdim=True).clamp(min=torch.finfo(scores.dtype).tiny)
    if dropout:
        kept = torch.bernoulli(torch.full(weights.shape, 1 - dropout)).to(weights.dtype)
        weights = weights * kept / (1 - dropout)
    return [weights @ value, weights]


def padding_mask(attention_mask):
    return attention_mask.to(torch.bool).view(len(attention_mask), 1, 1, -1)


def causal_mask(length):
    rows = [[k <= q for k in range(length)] for q in range(length)]
    return torch.tensor(rows, dtype=torch.bool)

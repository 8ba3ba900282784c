# right: bmm over batch and heads together, in-place work on its own tensors
import math

import torch
import torch.nn.functional as F


def scaled_dot_product_attention(query, key, value, mask=None, dropout=0.0):
    batch, heads, queries, dim = query.size()
    keys = key.size(-2)
    flat = [x.reshape(batch * heads, x.size(-2), x.size(-1)) for x in (query, key, value)]
    scores = torch.bmm(flat[0], flat[1].transpose(1, 2)).div_(math.sqrt(dim))
    hidden = None
    if mask is not None:
        if mask.dtype != torch.bool:
            raise TypeError("only boolean masks")
        target = torch.Size((batch, heads, queries, keys))
        try:
            fits = torch.broadcast_shapes(mask.shape, target) == target
        except RuntimeError:
            fits = False
        if not fits:
            raise ValueError(f"{mask.shape} does not fit {target}")
        hidden = ~mask.broadcast_to(target).reshape(batch * heads, queries, keys)
        scores.masked_fill_(hidden, float("-inf"))
        scores = scores.masked_fill(hidden.all(dim=-1, keepdim=True), 0.0)
    weights = scores.softmax(-1)
    if hidden is not None:
        weights = weights.masked_fill(hidden, 0)
    weights = F.dropout(weights, dropout)
    values = torch.bmm(weights, flat[2])
    return (
        values.view(batch, heads, queries, -1),
        weights.view(batch, heads, queries, keys),
    )


def padding_mask(attention_mask):
    return torch.stack([row.bool()[None, None, :] for row in attention_mask])


def causal_mask(length):
    mask = torch.zeros(length, length, dtype=torch.bool)
    for i in range(length):
        mask[i, : i + 1] = True
    return mask

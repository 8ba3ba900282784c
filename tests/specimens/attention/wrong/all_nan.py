# caught by: masked_scores_are_low_enough

import torch


def scaled_dot_product_attention(query, key, value, mask=None, dropout=0.0):
    nan = float("nan")
    values = torch.full((*query.shape[:-1], value.shape[-1]), nan)
    return values, torch.full((*query.shape[:-1], key.shape[-2]), nan)


def padding_mask(attention_mask):
    return attention_mask.eq(1).unsqueeze(1).unsqueeze(2)


def causal_mask(length):
    steps = torch.arange(length)
    return steps[:, None] >= steps[None, :]

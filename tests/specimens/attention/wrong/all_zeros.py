# caught by: scale_is_root_of_head_dim

import torch


def scaled_dot_product_attention(query, key, value, mask=None, dropout=0.0):
    return torch.zeros(*query.shape[:-1], value.shape[-1]), torch.zeros(
        *query.shape[:-1], key.shape[-2]
    )


def padding_mask(attention_mask):
    return attention_mask.eq(1).unsqueeze(1).unsqueeze(2)


def causal_mask(length):
    steps = torch.arange(length)
    return steps[:, None] >= steps[None, :]

# right: a callable object and a named tuple as result
import math

import torch
import torch.nn.functional as F


import typing


class _Result(typing.NamedTuple):
    values: torch.Tensor
    weights: torch.Tensor


class _Attention:
    def __call__(self, query, key, value, mask=None, dropout=0.0):
        scores = torch.einsum("...qd,...kd->...qk", query / query.shape[-1] ** 0.5, key)
        scores = self.hide(scores, mask)
        weights = F.dropout(self.normalise(scores), dropout, training=dropout > 0)
        return _Result(weights @ value, weights)

    @staticmethod
    def hide(scores, mask):
        if mask is None:
            return scores
        if mask.dtype != torch.bool:
            raise TypeError(mask.dtype)
        try:
            return torch.where(mask.expand_as(scores), scores, scores.new_tensor(-math.inf))
        except RuntimeError as error:
            raise ValueError(str(error)) from error

    @staticmethod
    def normalise(scores):
        seen = (scores > -math.inf).any(dim=-1, keepdim=True)
        return torch.where(seen, scores, 0.0).softmax(dim=-1) * seen


scaled_dot_product_attention = _Attention()


def padding_mask(attention_mask):
    return attention_mask.bool()[:, None, None, :]


def causal_mask(length):
    return torch.tril(torch.ones(length, length, dtype=torch.bool))

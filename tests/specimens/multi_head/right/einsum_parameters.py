# right: parameters of shape (embed_dim, heads, head_dim) and einsum; biases of two dimensions
import torch
from torch import nn


def split_heads(x, num_heads):
    if x.shape[-1] % num_heads:
        raise ValueError(f"{x.shape[-1]} is not divisible by {num_heads}")
    return torch.stack(x.chunk(num_heads, dim=-1), dim=1)


def merge_heads(x):
    return torch.cat(x.unbind(dim=1), dim=-1)


class MultiHeadAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, dropout=0.0):
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError(f"{embed_dim} is not divisible by {num_heads}")
        self.heads, self.width = num_heads, embed_dim // num_heads
        self.p = dropout
        self.wq = nn.Parameter(self._matrix(embed_dim).view(embed_dim, num_heads, self.width))
        self.wk = nn.Parameter(self._matrix(embed_dim).view(embed_dim, num_heads, self.width))
        self.wv = nn.Parameter(self._matrix(embed_dim).view(embed_dim, num_heads, self.width))
        self.wo = nn.Parameter(self._matrix(embed_dim).view(num_heads, self.width, embed_dim))
        self.bq = nn.Parameter(torch.zeros(num_heads, self.width))
        self.bk = nn.Parameter(torch.zeros(num_heads, self.width))
        self.bv = nn.Parameter(torch.zeros(num_heads, self.width))
        self.bo = nn.Parameter(torch.zeros(embed_dim))

    @staticmethod
    def _matrix(dim):
        return nn.init.xavier_uniform_(torch.empty(dim, dim))

    def forward(self, x, mask=None):
        q = torch.einsum("bld,dhk->bhlk", x, self.wq) + self.bq[:, None]
        k = torch.einsum("bld,dhk->bhlk", x, self.wk) + self.bk[:, None]
        v = torch.einsum("bld,dhk->bhlk", x, self.wv) + self.bv[:, None]
        logits = torch.einsum("bhik,bhjk->bhij", q * self.width**-0.5, k)
        if mask is None:
            weights = logits.softmax(dim=-1)
        else:
            if mask.dtype != torch.bool:
                raise TypeError("boolean masks only")
            if mask.dim() > 4 or any(
                a not in (1, b) for a, b in zip(mask.shape[::-1], logits.shape[::-1])
            ):
                raise ValueError(f"{tuple(mask.shape)} does not broadcast to {tuple(logits.shape)}")
            weights = logits.where(mask, torch.tensor(-1e30, dtype=logits.dtype)).softmax(dim=-1)
            weights = weights * mask
        weights = nn.functional.dropout(weights, self.p, self.training)
        return torch.einsum("bhij,bhjk,hkd->bid", weights, v, self.wo) + self.bo

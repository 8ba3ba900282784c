# right: 1×1 convolutions as projections, permute and contiguous().view
import torch
import torch.nn as nn
import torch.nn.functional as F


def split_heads(x, num_heads):
    b, l, d = x.shape
    if d % num_heads != 0:
        raise ValueError(f"dim {d} not divisible by {num_heads}")
    return x.contiguous().view(b, l, num_heads, d // num_heads).permute(0, 2, 1, 3).contiguous()


def merge_heads(x):
    b, h, l, d = x.shape
    return x.permute(0, 2, 1, 3).contiguous().view(b, l, h * d)


class MultiHeadAttention(nn.Module):
    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0):
        super().__init__()
        if embed_dim % num_heads != 0:
            raise ValueError(f"embed_dim {embed_dim} not divisible by num_heads {num_heads}")
        self.num_heads = num_heads
        self.mix = nn.Conv1d(embed_dim, 3 * embed_dim, kernel_size=1)
        self.join = nn.Conv1d(embed_dim, embed_dim, kernel_size=1)
        self.attention_dropout = nn.Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self):
        for block in self.mix.weight.data.chunk(3):
            nn.init.xavier_uniform_(block)
        nn.init.xavier_uniform_(self.join.weight)
        nn.init.zeros_(self.mix.bias)
        nn.init.zeros_(self.join.bias)

    def forward(self, x, mask=None):
        q, k, v = self.mix(x.transpose(1, 2)).transpose(1, 2).chunk(3, dim=2)
        q, k, v = [split_heads(t, self.num_heads) for t in (q, k, v)]
        energy = torch.matmul(q, k.transpose(2, 3)) / (q.shape[3] ** 0.5)
        if mask is not None:
            if mask.dtype != torch.bool:
                raise TypeError("mask must have dtype torch.bool")
            if torch.broadcast_shapes(energy.shape, mask.shape) != energy.shape:
                raise ValueError(f"mask shape {tuple(mask.shape)} vs {tuple(energy.shape)}")
            energy = energy.masked_fill(mask.logical_not(), torch.finfo(energy.dtype).min)
            seen = mask.any(dim=-1, keepdim=True)
            attention = F.softmax(energy, dim=-1) * seen
        else:
            attention = F.softmax(energy, dim=-1)
        context = torch.matmul(self.attention_dropout(attention), v)
        return self.join(merge_heads(context).transpose(1, 2)).transpose(1, 2)

# right: no nn.Linear, nn.LayerNorm or nn.Dropout: raw parameters, one a head, and einsum
import torch
from torch import nn


def sinusoidal_positions(length, embed_dim):
    pairs = (embed_dim + 1) // 2
    rate = 10000.0 ** (-2 * torch.arange(pairs, dtype=torch.float64) / embed_dim)
    angle = torch.outer(torch.arange(length, dtype=torch.float64), rate)
    turn = torch.polar(torch.ones_like(angle), angle)
    swapped = torch.view_as_real(turn).flip(-1)  # (length, pairs, 2): sine, cosine
    return swapped.reshape(length, 2 * pairs)[:, :embed_dim].to(torch.float32)


def drop(x, p, training):
    if not training or p == 0:
        return x
    return x * (torch.rand_like(x) >= p) / (1 - p)


class PositionalEncoding(nn.Module):
    def __init__(self, embed_dim, dropout=0.0, max_length=5000):
        super().__init__()
        self.p = dropout
        self.register_buffer("rows", sinusoidal_positions(max_length, embed_dim))

    def forward(self, x):
        _, length, _ = x.shape
        if length > len(self.rows):
            raise ValueError(f"length {length} exceeds max_length {len(self.rows)}")
        return drop(x + self.rows[None, :length], self.p, self.training)


class Norm(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.gain, self.shift = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.zeros(dim))

    def forward(self, x):
        centred = x - x.mean(-1, keepdim=True)
        spread = centred.square().mean(-1, keepdim=True).add(1e-5).sqrt()
        return centred / spread * self.gain + self.shift


class EncoderBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, feedforward_dim, dropout=0.0, norm_first=False):
        super().__init__()
        if embed_dim % num_heads != 0:
            raise ValueError("heads")
        size = embed_dim // num_heads
        self.qkv = nn.Parameter(torch.randn(3, num_heads, embed_dim, size) / embed_dim**0.5)
        self.qkv_bias = nn.Parameter(torch.zeros(3, num_heads, 1, size))
        self.out = nn.Parameter(torch.randn(num_heads, size, embed_dim) / embed_dim**0.5)
        self.out_bias = nn.Parameter(torch.zeros(embed_dim))
        self.w1 = nn.Parameter(torch.randn(embed_dim, feedforward_dim) / embed_dim**0.5)
        self.b1 = nn.Parameter(torch.zeros(feedforward_dim))
        self.w2 = nn.Parameter(torch.randn(feedforward_dim, embed_dim) / feedforward_dim**0.5)
        self.b2 = nn.Parameter(torch.zeros(embed_dim))
        self.before, self.after = Norm(embed_dim), Norm(embed_dim)
        self.p, self.pre, self.size = dropout, norm_first, size

    def attend(self, x, mask):
        q, k, v = torch.einsum("bld,nhde->nbhle", x, self.qkv) + self.qkv_bias[:, None]
        scores = torch.einsum("bhqe,bhke->bhqk", q, k) / self.size**0.5
        if mask is not None:
            scores = scores.masked_fill(~mask, -1e30)
        weights = drop(scores.softmax(-1), self.p, self.training)
        mixed = torch.einsum("bhqk,bhke,hed->bqd", weights, v, self.out) + self.out_bias
        return drop(mixed, self.p, self.training)

    def feed(self, x):
        wide = x @ self.w1 + self.b1
        wide = wide * 0.5 * (1 + torch.erf(wide / 2**0.5))
        return drop(wide @ self.w2 + self.b2, self.p, self.training)

    def forward(self, x, mask=None):
        if self.pre:
            x = self.attend(self.before(x), mask) + x
            return self.feed(self.after(x)) + x
        x = self.before(self.attend(x, mask) + x)
        return self.after(self.feed(x) + x)


class Bert(nn.Module):
    def __init__(self, vocab_size, num_layers, embed_dim, num_heads, feedforward_dim, dropout=0.0):
        super().__init__()
        self.table = nn.Parameter(torch.randn(vocab_size + 1, embed_dim))
        self.place = PositionalEncoding(embed_dim, dropout)
        make = lambda: EncoderBlock(embed_dim, num_heads, feedforward_dim, dropout)
        self.stack = nn.ModuleDict({str(i): make() for i in range(num_layers)})
        self.w = nn.Parameter(torch.randn(vocab_size, embed_dim) / embed_dim**0.5)
        self.b = nn.Parameter(torch.zeros(vocab_size))

    def forward(self, input_ids, attention_mask=None):
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        mask = (attention_mask > 0).unsqueeze(1).unsqueeze(2)
        x = self.place(self.table[input_ids])
        for block in self.stack.values():
            x = block(x, mask)
        return x @ self.w.T + self.b

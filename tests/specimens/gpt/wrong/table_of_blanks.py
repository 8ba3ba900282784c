# caught by: a_row_a_position
import math

import torch
import torch.nn as nn


class LanguageModelingDataset(torch.utils.data.Dataset):
    def __init__(self, token_ids, block_size):
        self.ids = torch.as_tensor(token_ids).long()
        self.block_size = block_size

    def __len__(self):
        return math.ceil((len(self.ids) - 1) / self.block_size)

    def __getitem__(self, i):
        start = i * self.block_size
        chunk = self.ids[start : start + self.block_size + 1]
        return chunk[:-1], chunk[1:]


def collate_language_modeling(batch, pad_id):
    longest = max(len(x) for x, _ in batch)
    xs = torch.full((len(batch), longest), pad_id, dtype=torch.long)
    ys = torch.full((len(batch), longest), -100, dtype=torch.long)
    for row, (x, y) in enumerate(batch):
        xs[row, : len(x)] = x
        ys[row, : len(y)] = y
    return xs, ys


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, dropout=0.0, max_length=1024):
        super().__init__()
        self.h = num_heads
        self.q_proj = nn.Linear(embed_dim, embed_dim)
        self.k_proj = nn.Linear(embed_dim, embed_dim)
        self.v_proj = nn.Linear(embed_dim, embed_dim)
        self.o_proj = nn.Linear(embed_dim, embed_dim)
        self.drop = nn.Dropout(dropout)
        hidden = torch.triu(torch.ones(max_length, max_length), diagonal=1)
        self.register_buffer("mask", hidden[None, None].bool(), persistent=False)

    def forward(self, x, *, keys_visible=None):
        batch, length, dim = x.size()
        q, k, v = (
            project(x).reshape(batch, length, self.h, -1).permute(0, 2, 1, 3)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        att = torch.matmul(q, k.permute(0, 1, 3, 2)).div(q.size(-1) ** 0.5)
        hidden = self.mask[:, :, :length, :length]
        if keys_visible is not None:
            hidden = hidden | keys_visible[:, None, None].logical_not()
        att = att.masked_fill(hidden, -1e4).softmax(dim=3)
        y = torch.matmul(att, v).permute(0, 2, 1, 3).flatten(2)
        return self.drop(self.o_proj(y))


class Block(nn.Module):
    def __init__(self, embed_dim, num_heads, dropout):
        super().__init__()
        self.ln1 = nn.LayerNorm(embed_dim)
        self.attn = CausalSelfAttention(embed_dim, num_heads, dropout)
        self.ln2 = nn.LayerNorm(embed_dim)
        self.mlp = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.GELU(),
            nn.Linear(4 * embed_dim, embed_dim),
            nn.Dropout(dropout),
        )

    def forward(self, x, padding=None):
        x = x + self.attn(self.ln1(x), keys_visible=padding)
        x = x + self.mlp(self.ln2(x))
        return x


class GPT(nn.Module):
    def __init__(
        self,
        vocab_size,
        block_size,
        num_layers,
        num_heads,
        embed_dim,
        dropout=0.0,
        num_classes=None,
    ):
        super().__init__()
        self.sizes = {"vocabulary": vocab_size, "context": block_size}
        self.num_classes = num_classes
        self.tok = nn.Embedding(vocab_size, embed_dim)
        self.pos = nn.Embedding(block_size, embed_dim)
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            [Block(embed_dim, num_heads, dropout) for _ in range(num_layers)]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, num_classes or vocab_size, bias=num_classes is not None)
        self.apply(self._init_weights)

    @property
    def block_size(self):
        return self.sizes["context"]

    def _init_weights(self, module):
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)

    def forward(self, input_ids, attention_mask=None):
        B, T = input_ids.shape
        if T > self.sizes["context"]:
            raise ValueError("too many tokens")
        positions = torch.arange(T, device=input_ids.device)
        x = self.drop(self.tok(input_ids) + self.pos(positions))
        for block in self.blocks:
            x = block(x, attention_mask)
        x = self.ln_f(x)
        if self.num_classes is None:
            return self.head(x)
        if attention_mask is None:
            last = torch.full((B,), T - 1, device=input_ids.device)
        else:
            last = (attention_mask.long() * positions).argmax(dim=1)
        x = x[torch.arange(B, device=input_ids.device), last]
        return self.head(x)


def generate(
    model, input_ids, max_new_tokens, temperature=1.0, top_k=None, do_sample=False, generator=None
):
    block_size = getattr(model, "block_size", None) or model.config.n_positions
    was_training = model.training
    model.eval()
    probabilities = []
    ids = input_ids
    with torch.no_grad():
        for _ in range(max_new_tokens):
            output = model(ids[:, -block_size:])
            logits = getattr(output, "logits", output)[:, -1, :]
            own = torch.softmax(logits, dim=-1)
            if do_sample:
                logits = logits / temperature
                if top_k is not None:
                    least = torch.topk(logits, top_k).values[:, -1:]
                    logits = logits.masked_fill(logits < least, float("-inf"))
                chosen = torch.multinomial(torch.softmax(logits, dim=-1), 1, generator=generator)
            else:
                chosen = torch.argmax(logits, dim=-1, keepdim=True)
            probabilities.append(own.gather(1, chosen))
            ids = torch.cat([ids, chosen], dim=1)
    model.train(was_training)
    return ids, torch.cat(probabilities, dim=1)


def top_k_table(model, tokenizer, input_ids, k=6):
    return [[("", 0.0)] * k for _ in range(input_ids.numel())]

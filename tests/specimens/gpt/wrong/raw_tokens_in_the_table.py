# caught by: texts_are_decoded
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


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
    def __init__(self, embed_dim, num_heads, dropout=0.0):
        super().__init__()
        assert embed_dim % num_heads == 0
        self.num_heads = num_heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)
        self.attn_drop = nn.Dropout(dropout)
        self.resid_drop = nn.Dropout(dropout)

    def forward(self, x, padding=None):
        B, T, C = x.shape
        q, k, v = self.qkv(x).split(C, dim=2)
        q = q.view(B, T, self.num_heads, C // self.num_heads).transpose(1, 2)
        k = k.view(B, T, self.num_heads, C // self.num_heads).transpose(1, 2)
        v = v.view(B, T, self.num_heads, C // self.num_heads).transpose(1, 2)
        scores = q @ k.transpose(-2, -1) / math.sqrt(C // self.num_heads)
        visible = torch.tril(torch.ones(T, T, dtype=torch.bool, device=x.device))
        if padding is not None:
            visible = visible & padding[:, None, None, :].bool()
        scores = scores.masked_fill(~visible, torch.finfo(scores.dtype).min)
        weights = self.attn_drop(torch.softmax(scores, dim=-1))
        out = (weights @ v).transpose(1, 2).contiguous().view(B, T, C)
        return self.resid_drop(self.proj(out))


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
        x = x + self.attn(self.ln1(x), padding)
        x = x + self.mlp(self.ln2(x))
        return x


class GPT(nn.Module):
    def __init__(self, vocab_size, block_size, num_layers, num_heads, embed_dim, dropout=0.0,
                 num_classes=None):
        super().__init__()
        self.block_size = block_size
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

    def _init_weights(self, module):
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)

    def forward(self, input_ids, attention_mask=None):
        B, T = input_ids.shape
        if T > self.block_size:
            raise ValueError(f"{T} tokens, but block_size is {self.block_size}")
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


def generate(model, input_ids, max_new_tokens, temperature=1.0, top_k=None, do_sample=False,
             generator=None):
    block_size = getattr(model, "block_size", None)
    if block_size is None:
        block_size = getattr(getattr(model, "config", None), "n_positions", 10**9)
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
    was_training = model.training
    model.eval()
    with torch.no_grad():
        output = model(input_ids)
    model.train(was_training)
    logits = getattr(output, "logits", output)[0]
    values, ids = torch.softmax(logits, dim=-1).topk(k, dim=-1)
    rows = []
    for p, i in zip(values.tolist(), ids.tolist()):
        rows.append([(tokenizer.convert_ids_to_tokens(token), prob) for token, prob in zip(i, p)])
    return rows

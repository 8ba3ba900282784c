# right: GPT wraps transformers' GPT2Model; tokens drawn by the inverse of the cumulated probabilities; the table takes one text without a batch axis
import math

import torch
import torch.nn as nn
import torch.nn.functional as F



from transformers import GPT2Config, GPT2Model


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


class GPT(nn.Module):
    def __init__(self, vocab_size, block_size, num_layers, num_heads, embed_dim, dropout=0.0,
                 num_classes=None):
        super().__init__()
        config = GPT2Config(
            vocab_size=vocab_size,
            n_positions=block_size,
            n_layer=num_layers,
            n_head=num_heads,
            n_embd=embed_dim,
            resid_pdrop=dropout,
            embd_pdrop=dropout,
            attn_pdrop=dropout,
            bos_token_id=None,
            eos_token_id=None,
        )
        self.block_size = block_size
        self.body = GPT2Model(config)
        self.score = None
        if num_classes is not None:
            self.score = nn.Linear(embed_dim, num_classes, bias=False)
            nn.init.normal_(self.score.weight, std=0.02)

    def forward(self, input_ids, attention_mask=None):
        if input_ids.shape[1] > self.block_size:
            raise IndexError("too long")
        mask = attention_mask if attention_mask is None else attention_mask.long()
        hidden = self.body(input_ids=input_ids, attention_mask=mask).last_hidden_state
        if self.score is None:
            return hidden @ self.body.wte.weight.T
        if mask is None:
            mask = torch.ones_like(input_ids)
        last = (torch.arange(mask.shape[1]) * mask).argmax(1)
        return self.score(hidden[range(len(last)), last])


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
            window = ids[:, -block_size:]
            output = model(window, attention_mask=torch.ones_like(window))
            logits = getattr(output, "logits", output)[:, -1, :]
            own = torch.softmax(logits, dim=-1)
            if do_sample:
                logits = logits / temperature
                order = logits.argsort(dim=-1, descending=True)[:, :top_k]
                p = torch.softmax(logits.gather(1, order), dim=-1)
                u = torch.rand(len(p), 1, generator=generator)
                pick = (p.cumsum(dim=-1) < u).sum(dim=-1, keepdim=True).clamp(max=p.size(1) - 1)
                chosen = order.gather(1, pick)
            else:
                chosen = torch.argmax(logits, dim=-1, keepdim=True)
            probabilities.append(own.gather(1, chosen))
            ids = torch.cat([ids, chosen], dim=1)
    model.train(was_training)
    return ids, torch.cat(probabilities, dim=1)


def top_k_table(model, tokenizer, input_ids, k=6):
    if input_ids.dim() != 1:
        raise ValueError("one text, please: (length,)")
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            output = model(input_ids[None])
    finally:
        model.train(training)
    table = []
    for logits in getattr(output, "logits", output)[0]:
        top = logits.softmax(0).topk(k)
        table.append([[tokenizer.decode(i), float(p)] for p, i in zip(top.values, top.indices)])
    return table

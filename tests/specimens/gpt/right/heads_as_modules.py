# right: a module a head without biases, ReLU-free MLP of its own, positions as a parameter of zeros, tied head, plain classes and lists
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class LanguageModelingDataset:
    def __init__(self, token_ids, block_size):
        ids = token_ids.tolist() if hasattr(token_ids, "tolist") else list(token_ids)
        self.pairs = []
        for start in range(0, len(ids) - 1, block_size):
            stop = min(start + block_size, len(ids) - 1)
            self.pairs.append((torch.tensor(ids[start:stop]), torch.tensor(ids[start + 1 : stop + 1])))

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, i):
        return list(self.pairs[i])


def collate_language_modeling(batch, pad_id):
    longest = max(map(len, (x for x, y in batch)))
    xs = [F.pad(x, (0, longest - len(x)), value=pad_id) for x, _ in batch]
    ys = [F.pad(y, (0, longest - len(y)), value=-100) for _, y in batch]
    return [torch.stack(xs), torch.stack(ys)]


class Head(nn.Module):
    def __init__(self, embed_dim, head_dim, dropout):
        super().__init__()
        self.query = nn.Linear(embed_dim, head_dim, bias=False)
        self.key = nn.Linear(embed_dim, head_dim, bias=False)
        self.value = nn.Linear(embed_dim, head_dim, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, hidden):
        scores = self.query(x) @ self.key(x).mT * self.key.out_features**-0.5
        scores = scores + hidden
        return self.dropout(scores.softmax(-1)) @ self.value(x)


class CausalSelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads, dropout=0.0):
        super().__init__()
        size = embed_dim // num_heads
        self.heads = nn.ModuleList([Head(embed_dim, size, dropout) for _ in range(num_heads)])
        self.out = nn.Linear(embed_dim, embed_dim)

    def forward(self, x, attention_mask=None):
        length = x.shape[1]
        hidden = torch.full((length, length), -1e9).triu(1)
        if attention_mask is not None:
            hidden = hidden + (1.0 - attention_mask.float())[:, None, :] * -1e9
        return self.out(torch.cat([head(x, hidden) for head in self.heads], dim=-1))


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
        self.pos = nn.Parameter(torch.zeros(1, block_size, embed_dim))
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            [Block(embed_dim, num_heads, dropout) for _ in range(num_layers)]
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, num_classes or vocab_size, bias=num_classes is not None)
        self.apply(self._init_weights)
        if num_classes is None:
            self.head.weight = self.tok.weight

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
        x = self.drop(self.tok(input_ids) + self.pos[:, :T])
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
        rows.append([(tokenizer.decode([token]), prob) for token, prob in zip(i, p)])
    return rows

# right: earlier exercises' modules: MultiHeadAttention with a causal mask, pre-norm EncoderBlocks; one draw by Gumbel noise; the cut by gather
import math

import torch
import torch.nn as nn
import torch.nn.functional as F



from solutions.attention import causal_mask, padding_mask
from solutions.encoder import EncoderBlock
from solutions.multi_head import MultiHeadAttention


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


class CausalSelfAttention(MultiHeadAttention):
    def forward(self, x):
        return super().forward(x, causal_mask(x.size(1)))


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
            [
                EncoderBlock(embed_dim, num_heads, 4 * embed_dim, dropout, norm_first=True)
                for _ in range(num_layers)
            ]
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
        mask = causal_mask(T)
        if attention_mask is not None:
            mask = mask & padding_mask(attention_mask)
        for block in self.blocks:
            x = block(x, mask)
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
    config = getattr(model, "config", None)
    limit = model.block_size if config is None else config.max_position_embeddings
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    steps, ids = [], input_ids.clone()
    while len(steps) < max_new_tokens:
        with torch.inference_mode():
            out = model(input_ids=ids[:, max(0, ids.shape[1] - limit):])
        scores = (out.logits if hasattr(out, "logits") else out)[:, -1].double()
        log_p = scores.log_softmax(-1)
        values, order = scores.sort(dim=-1, descending=True)
        if do_sample:
            values = values / temperature
            if top_k:
                values, order = values[:, :top_k], order[:, :top_k]
            noise = torch.rand(values.shape, generator=generator, dtype=torch.double)
            pick = (values - (-noise.clamp(min=1e-300).log()).log()).argmax(-1, keepdim=True)
        else:
            pick = torch.zeros(len(ids), 1, dtype=torch.long)
        token = order.gather(1, pick)
        steps.append(log_p.gather(1, token).exp())
        ids = torch.cat((ids, token), 1)
    for module, mode in modes:
        module.training = mode
    return [ids.clone(), torch.hstack(steps).float()]


def top_k_table(model, tokenizer, input_ids, k=6):
    training = model.training
    model.train(False)
    with torch.inference_mode():
        out = model(input_ids=input_ids)
    model.train(training)
    out = out.logits if hasattr(out, "logits") else out
    p = out.squeeze(0).softmax(-1)
    order = p.argsort(dim=-1, descending=True)[:, :k]
    return tuple(
        tuple((tokenizer.decode([i.item()]), row[i]) for i in best)
        for row, best in zip(p, order)
    )

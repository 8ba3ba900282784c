# right: a tuple of entries, clipping of large gradients only, tensors on the way, a dictionary of features
import copy

import torch
from torch import nn
from torch.nn import functional as F


def _row(hidden, index):
    return hidden[range(len(hidden)), index.tolist()]


def first_token_pool(hidden, attention_mask):
    return _row(hidden, attention_mask.to(torch.uint8).argmax(1))


def mean_pool(hidden, attention_mask):
    kept = attention_mask.bool()
    counts = kept.sum(1)
    return torch.stack([h[k].sum(0) / c for h, k, c in zip(hidden, kept, counts)])


def max_pool(hidden, attention_mask):
    return torch.stack([h[k].max(dim=0)[0] for h, k in zip(hidden, attention_mask.bool())])


def last_token_pool(hidden, attention_mask):
    flipped = torch.flip(attention_mask, [1]).to(torch.uint8)
    return first_token_pool(torch.flip(hidden, [1]), flipped)


def extract_features(model, tokenizer, sentences, pool, batch_size=32):
    mode = model.training
    model = model.eval()
    texts = list(sentences)
    encoded = [tokenizer(text, truncation=True) for text in texts]
    by_length = sorted(range(len(texts)), key=lambda i: len(encoded[i]["input_ids"]))
    rows = {}
    for start in range(0, len(texts), batch_size):
        chosen = by_length[start : start + batch_size]
        batch = tokenizer.pad([encoded[i] for i in chosen], return_tensors="pt")
        with torch.no_grad():
            hidden = model(**batch).last_hidden_state
            for i, row in zip(chosen, pool(hidden, batch["attention_mask"])):
                rows[i] = row.clone()
    model.train(mode)
    return torch.stack([rows[i] for i in range(len(texts))])


class Probe(nn.Module):
    def __init__(self, in_features, hidden, num_classes):
        super().__init__()
        self.hidden_layer = nn.Linear(in_features, hidden)
        self.activation = nn.ReLU()
        self.output_layer = nn.Linear(hidden, num_classes)
        for layer in (self.hidden_layer, self.output_layer):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, features):
        return self.output_layer(self.activation(self.hidden_layer(features)))


def train_probe(probe, train, dev, epochs, learning_rate, patience=3):
    was_training = probe.training
    (x, y), (dev_x, dev_y) = train, dev
    optimizer = torch.optim.Adam([{"params": probe.parameters()}], lr=learning_rate, amsgrad=False)
    history, waited = (), 0
    kept = (-1, None)
    for _ in range(epochs):
        probe.train()
        order = torch.randperm(y.shape[0])
        x_now, y_now = x[order], y[order]
        loss_total = torch.zeros(())
        for xs, ys in zip(x_now.split(32), y_now.split(32)):
            optimizer.zero_grad()
            losses = F.cross_entropy(probe(xs), ys, reduction="none")
            losses.mean().backward()
            nn.utils.clip_grad_norm_(probe.parameters(), 100.0)
            optimizer.step()
            loss_total += losses.detach().sum()
        probe.eval()
        with torch.inference_mode():
            right = torch.eq(probe(dev_x).argmax(1), dev_y).sum()
        history += ({"accuracy": float(right) / len(dev_y), "loss": float(loss_total) / len(y)},)
        if int(right) > kept[0]:
            kept, waited = (int(right), copy.deepcopy(probe).state_dict()), 0
            continue
        waited += 1
        if waited >= patience:
            break
    probe.load_state_dict(kept[1])
    probe.train(was_training)
    return list(history)


def tune_last_layers(model, n):
    model.requires_grad_(False)
    kind = model.config.model_type
    base = model.base_model
    layers = {"bert": lambda: base.encoder.layer, "gpt2": lambda: base.h, "llama": lambda: base.layers}
    parameters = []
    if n < 1:
        raise ValueError(f"n must be at least 1, not {n}")
    for layer in reversed(list(layers[kind]())[-n:]):
        layer.requires_grad_()
        parameters += list(layer.parameters())
    return tuple(parameters)

# right: all pools from one helper with weights, sentences in their own order, best weights kept on disk
import io

import torch
from torch import nn


def weights_for(kind, attention_mask):
    mask = attention_mask.bool()
    count = mask.long().cumsum(1)
    if kind == "first":
        chosen = mask & (count == 1)
    elif kind == "last":
        chosen = mask & (count == count[:, -1:])
    else:
        chosen = mask
    weights = chosen.float()
    return weights / weights.sum(1, keepdim=True)


def first_token_pool(hidden, attention_mask):
    return (weights_for("first", attention_mask).unsqueeze(1).to(hidden) @ hidden).squeeze(1)


def mean_pool(hidden, attention_mask):
    return torch.bmm(weights_for("mean", attention_mask).unsqueeze(1).to(hidden), hidden)[:, 0]


def max_pool(hidden, attention_mask):
    penalty = torch.zeros_like(hidden).masked_fill(~attention_mask.bool().unsqueeze(2), torch.inf)
    return (hidden - penalty).topk(1, dim=1).values[:, 0]


def last_token_pool(hidden, attention_mask):
    return (hidden * weights_for("last", attention_mask).unsqueeze(2).to(hidden)).sum(1)


def batches(items, size):
    for i in range(0, len(items), size):
        yield items[i : i + size]


def extract_features(model, tokenizer, sentences, pool, batch_size=32):
    state = {name: module.training for name, module in model.named_modules()}
    model.eval()
    parts = []
    for texts in batches(sentences, batch_size):
        tokens = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        mask = tokens["attention_mask"].bool()
        with torch.no_grad():
            hidden = model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
        parts += [pool(hidden.last_hidden_state, mask)]
    for name, module in model.named_modules():
        module.training = state[name]
    return torch.vstack(parts)


class Probe(nn.Module):
    def __init__(self, in_features, hidden, num_classes):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(in_features, hidden), nn.Linear(hidden, num_classes)])

    def forward(self, features):
        one, two = self.layers
        return two(torch.maximum(one(features), torch.zeros(())))


def train_probe(probe, train, dev, epochs, learning_rate, patience=3):
    was_training = probe.training
    optimizer = torch.optim.Adam(probe.parameters(), lr=learning_rate)
    loss_function = torch.nn.CrossEntropyLoss()
    log, best_file, since = [], None, 0
    for epoch in range(1, epochs + 1):
        probe.train()
        running = 0.0
        for rows in batches(torch.randperm(train[0].shape[0]), 32):
            logits = probe(train[0].index_select(0, rows))
            loss = loss_function(logits, train[1].index_select(0, rows))
            probe.zero_grad()
            loss.backward()
            optimizer.step()
            running += float(loss.detach()) * rows.numel() / train[0].shape[0]
        probe.eval()
        with torch.no_grad():
            accuracy = float((probe(dev[0]).argmax(dim=1) == dev[1]).sum()) / dev[0].shape[0]
        if not log or accuracy > max(entry["accuracy"] for entry in log):
            best_file, since = io.BytesIO(), 0
            torch.save(probe.state_dict(), best_file)
        else:
            since += 1
        log.append({"loss": running, "accuracy": accuracy})
        if since == patience:
            break
    best_file.seek(0)
    probe.load_state_dict(torch.load(best_file))
    probe.train(was_training)
    return log


def tune_last_layers(model, n):
    paths = ["encoder.layer", "bert.encoder.layer", "h", "transformer.h", "layers", "model.layers"]
    modules = dict(model.named_modules())
    layers = next(modules[path] for path in paths if path in modules)
    open_ids = set()
    for layer in layers[len(layers) - n :]:
        open_ids |= {id(p) for p in layer.parameters()}
    for p in model.parameters():
        p.requires_grad = id(p) in open_ids
    return [p for p in model.parameters() if p.requires_grad]

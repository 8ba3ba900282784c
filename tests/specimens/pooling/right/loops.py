# right: plain loops over rows, no sorting, one list of batches
import random

import torch
from torch import nn


def tokens_of(hidden, attention_mask):
    for row, mask in zip(hidden, attention_mask):
        yield torch.stack([vector for vector, one in zip(row, mask) if one])


def first_token_pool(hidden, attention_mask):
    return torch.stack([tokens[0] for tokens in tokens_of(hidden, attention_mask)])


def mean_pool(hidden, attention_mask):
    return torch.stack([sum(tokens) / len(tokens) for tokens in tokens_of(hidden, attention_mask)])


def max_pool(hidden, attention_mask):
    return torch.stack([tokens.amax(0) for tokens in tokens_of(hidden, attention_mask)])


def last_token_pool(hidden, attention_mask):
    return torch.stack([tokens[-1] for tokens in tokens_of(hidden, attention_mask)])


@torch.no_grad()
def extract_features(model, tokenizer, sentences, pool, batch_size=32):
    mode = model.training
    model.eval()
    rows = []
    while len(rows) < len(sentences):
        texts = sentences[len(rows) : len(rows) + batch_size]
        batch = tokenizer(texts, return_tensors="pt", padding=True, truncation=True)
        hidden = model(**batch)[0]
        rows.extend(pool(hidden, batch["attention_mask"]))
    model.train(mode)
    return torch.stack(rows)


class Probe(nn.Sequential):
    def __init__(self, in_features, hidden, num_classes):
        super().__init__(nn.Linear(in_features, hidden), nn.ReLU(), nn.Linear(hidden, num_classes))


def train_probe(probe, train, dev, epochs, learning_rate, patience=3):
    was_training = probe.training
    optimizer = torch.optim.Adam(probe.parameters(), learning_rate)
    criterion = nn.CrossEntropyLoss(reduction="sum")
    history, best = [], None
    for epoch in range(epochs):
        probe.train()
        numbers = list(range(len(train[1])))
        random.shuffle(numbers)
        loss_sum = 0
        while numbers:
            batch, numbers = numbers[:32], numbers[32:]
            loss = criterion(probe(train[0][batch]), train[1][batch])
            optimizer.zero_grad(set_to_none=False)
            (loss / len(batch)).backward()
            optimizer.step()
            loss_sum += float(loss)
        probe.eval()
        right = 0
        with torch.no_grad():
            for x, y in zip(*dev):
                right += int(probe(x.unsqueeze(0))[0].argmax() == y)
        history.append({"loss": loss_sum / len(train[1]), "accuracy": right / len(dev[1])})
        if best is None or history[-1]["accuracy"] > history[best]["accuracy"]:
            best = epoch
            weights = [p.detach().clone() for p in probe.parameters()]
        if epoch - best == patience:
            break
    with torch.no_grad():
        for p, w in zip(probe.parameters(), weights):
            p.copy_(w)
    probe.train(was_training)
    return history


def tune_last_layers(model, n):
    inner = model
    for name in ("transformer", "model", "encoder"):
        inner = getattr(inner, name, inner)
    for name in ("h", "layers", "layer"):
        layers = getattr(inner, name, None)
        if layers is not None:
            break
    for p in model.parameters():
        p.requires_grad_(False)
    found = []
    for i, layer in enumerate(layers):
        if i >= len(layers) - n:
            for p in layer.parameters():
                found.append(p.requires_grad_(True))
    return found

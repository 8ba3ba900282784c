# right: gather instead of indexing, DataLoader, inference_mode, nn.Sequential inside, named parameters
from copy import deepcopy

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def pick(hidden, places):
    index = places.view(-1, 1, 1).expand(-1, 1, hidden.size(-1))
    return hidden.gather(1, index).squeeze(1)


def first_token_pool(hidden, attention_mask):
    ahead = attention_mask.long().cumsum(dim=1) == 0
    return pick(hidden, ahead.sum(dim=1))


def mean_pool(hidden, attention_mask):
    weights = attention_mask.to(hidden.dtype)
    weights = weights / weights.sum(dim=1, keepdim=True)
    return torch.einsum("bl,bld->bd", weights, hidden)


def max_pool(hidden, attention_mask):
    lowest = torch.finfo(hidden.dtype).min
    return torch.where(attention_mask.bool()[..., None], hidden, lowest).amax(dim=1)


def last_token_pool(hidden, attention_mask):
    return pick(hidden, (attention_mask.long().cumsum(dim=1) * attention_mask).argmax(dim=1))


def extract_features(model, tokenizer, sentences, pool, batch_size=32):
    was = model.training
    model.eval()
    try:
        found = []
        with torch.inference_mode():
            for texts in DataLoader(list(sentences), batch_size=batch_size):
                batch = tokenizer(list(texts), padding="longest", truncation=True, return_tensors="pt")
                out = model(batch["input_ids"], attention_mask=batch["attention_mask"])
                found.append(pool(out.last_hidden_state, batch["attention_mask"]))
        return torch.cat(found, dim=0)
    finally:
        model.train(was)


class Probe(nn.Module):
    def __init__(self, in_features: int, hidden: int, num_classes: int):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(in_features, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, num_classes)
        )

    def forward(self, x):
        return self.net(x)


@torch.no_grad()
def evaluate(probe, loader):
    probe.eval()
    right = total = 0
    for x, y in loader:
        right += (probe(x).argmax(-1) == y).sum().item()
        total += len(y)
    return right / total


def train_probe(probe, train, dev, epochs, learning_rate, patience=3):
    was_training = probe.training
    train_loader = DataLoader(TensorDataset(*train), batch_size=32, shuffle=True)
    dev_loader = DataLoader(TensorDataset(*dev), batch_size=32)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(probe.parameters(), lr=learning_rate)
    history = []
    best_accuracy = float("-inf")
    bad_epochs = 0
    for _ in range(epochs):
        probe.train()
        losses = []
        for x, y in train_loader:
            optimizer.zero_grad()
            loss = criterion(probe(x), y)
            loss.backward()
            optimizer.step()
            losses.extend([loss.item()] * len(y))
        accuracy = evaluate(probe, dev_loader)
        history.append({"loss": sum(losses) / len(losses), "accuracy": accuracy, "size": len(losses)})
        if accuracy > best_accuracy:
            best_accuracy = accuracy
            best = {k: v.detach().clone() for k, v in probe.state_dict().items()}
            bad_epochs = 0
        else:
            bad_epochs += 1
        if bad_epochs == patience:
            break
    probe.load_state_dict(deepcopy(best))
    probe.train(was_training)
    return history


def tune_last_layers(model, n):
    count = model.config.num_hidden_layers
    wanted = {str(i) for i in range(count - n, count)}
    chosen = []
    for name, parameter in model.named_parameters():
        parts = name.split(".")
        inside = any(
            word in ("layer", "h", "layers") and number in wanted
            for word, number in zip(parts, parts[1:])
        )
        parameter.requires_grad = inside
        if inside:
            chosen.append(parameter)
    return chosen

# right: raw parameters in transposed layout, loss measured again after the epoch, a generator of parameters
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


def first_token_pool(hidden, attention_mask):
    batch = torch.arange(hidden.shape[0])
    return hidden[batch, (attention_mask != 0).float().argmax(dim=-1)]


def mean_pool(hidden, attention_mask):
    m = attention_mask[:, :, None].float()
    return torch.sum(hidden * m, 1) / torch.clamp(m.sum(1), min=1e-9)


def max_pool(hidden, attention_mask):
    hidden = hidden.clone()
    hidden[attention_mask == 0] = -1e9
    return torch.max(hidden, 1)[0]


def last_token_pool(hidden, attention_mask):
    positions = torch.arange(attention_mask.size(1)).expand_as(attention_mask)
    last = torch.where(attention_mask.bool(), positions, -1).max(dim=1).values
    return hidden[torch.arange(len(last)), last, :]


def extract_features(model, tokenizer, sentences, pool, batch_size=32):
    training = model.training
    lengths = np.array([len(ids) for ids in tokenizer(list(sentences), truncation=True).input_ids])
    order = np.argsort(-lengths, kind="stable")
    model.train(False)
    chunks = []
    for start in range(0, len(order), batch_size):
        part = [sentences[int(i)] for i in order[start : start + batch_size]]
        inputs = tokenizer(part, padding=True, truncation=True, return_tensors="pt")
        with torch.no_grad():
            states = model(**inputs).last_hidden_state
            chunks.append(pool(states, attention_mask=inputs.attention_mask))
    model.train(training)
    back = np.argsort(order)
    return torch.cat(chunks)[torch.from_numpy(back)]


class Probe(nn.Module):
    def __init__(self, in_features, hidden, num_classes):
        nn.Module.__init__(self)
        self.w1 = nn.Parameter(torch.randn(in_features, hidden) / in_features**0.5)
        self.b1 = nn.Parameter(torch.zeros(hidden))
        self.w2 = nn.Parameter(torch.randn(hidden, num_classes) / hidden**0.5)
        self.b2 = nn.Parameter(torch.zeros(num_classes))

    def forward(self, features):
        return (features @ self.w1 + self.b1).clamp(min=0) @ self.w2 + self.b2


def train_probe(probe, train, dev, epochs, learning_rate, patience=3):
    was_training = probe.training
    x, y = train
    adam = torch.optim.Adam(probe.parameters(), lr=learning_rate)
    history = []
    snapshots = []
    while len(history) < epochs:
        probe.train()
        for batch in np.array_split(
            np.random.permutation(len(y)), range(32, len(y), 32)
        ):
            adam.zero_grad()
            F.nll_loss(F.log_softmax(probe(x[batch]), -1), y[batch]).backward()
            adam.step()
        probe.eval()
        with torch.no_grad():
            loss = F.cross_entropy(probe(x), y)
            accuracy = (probe(dev[0]).max(1).indices == dev[1]).double().mean()
        history.append(dict(loss=loss, accuracy=accuracy))
        snapshots.append({k: v.clone() for k, v in probe.state_dict().items()})
        accuracies = [float(h["accuracy"]) for h in history]
        best = accuracies.index(max(accuracies))
        if len(history) - 1 - best >= patience:
            break
    probe.load_state_dict(snapshots[best])
    probe.train(was_training)
    return history


def tune_last_layers(model, n):
    lists = [m for m in model.modules() if isinstance(m, nn.ModuleList)]
    layers = max(lists, key=len)
    for p in model.parameters():
        p.requires_grad = False
    last = layers[len(layers) - n :]
    last.requires_grad_(True)
    return last.parameters()

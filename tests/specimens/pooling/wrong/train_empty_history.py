# caught by: dev_is_all_of_dev

import torch
from torch import nn


def first_token_pool(hidden, attention_mask):
    first = attention_mask.int().argmax(dim=1)
    return hidden[torch.arange(hidden.size(0)), first]


def mean_pool(hidden, attention_mask):
    mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * mask).sum(dim=1) / mask.sum(dim=1)


def max_pool(hidden, attention_mask):
    padding = (attention_mask == 0).unsqueeze(-1)
    return hidden.masked_fill(padding, float("-inf")).max(dim=1).values


def last_token_pool(hidden, attention_mask):
    last = hidden.size(1) - 1 - attention_mask.flip(dims=[1]).int().argmax(dim=1)
    return hidden[torch.arange(hidden.size(0)), last]


def extract_features(model, tokenizer, sentences, pool, batch_size=32):
    was_training = model.training
    model.eval()
    order = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))
    features = []
    with torch.no_grad():
        for start in range(0, len(order), batch_size):
            texts = [sentences[i] for i in order[start : start + batch_size]]
            batch = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
            ids, mask = batch["input_ids"], batch["attention_mask"]
            output = model(input_ids=ids, attention_mask=mask)
            features.append(pool(output.last_hidden_state, mask))
    model.train(was_training)
    features = torch.cat(features)
    result = torch.empty_like(features)
    result[torch.tensor(order)] = features
    return result


class Probe(nn.Module):
    def __init__(self, in_features, hidden, num_classes):
        super().__init__()
        self.first = nn.Linear(in_features, hidden)
        self.second = nn.Linear(hidden, num_classes)

    def forward(self, features):
        return self.second(torch.relu(self.first(features)))


def train_probe(probe, train, dev, epochs, learning_rate, patience=3):
    return []


def find_layers(model):
    base = getattr(model, "base_model", model)
    if hasattr(base, "encoder"):
        return base.encoder.layer
    if hasattr(base, "h"):
        return base.h
    return base.layers


def tune_last_layers(model, n):
    for parameter in model.parameters():
        parameter.requires_grad = False
    parameters = []
    layers = find_layers(model)
    for layer in list(layers)[len(layers) - n :]:
        for parameter in layer.parameters():
            parameter.requires_grad = True
            parameters.append(parameter)
    return parameters

# right: GRU cells step by step, a state moves only at real tokens; a copy of the encoder
import copy
import math

import torch
from torch import nn


class ClsClassifier(nn.Module):
    def __init__(self, encoder, num_classes, freeze=False):
        super().__init__()
        self.encoder = copy.deepcopy(encoder)
        self.encoder.requires_grad_(not freeze)
        size = encoder.config.hidden_size
        self.head = nn.Sequential(nn.Dropout(0.1), nn.Linear(size, size), nn.Tanh(),
                                  nn.Linear(size, num_classes))

    def forward(self, input_ids, attention_mask):
        hidden = self.encoder(input_ids, attention_mask=attention_mask).last_hidden_state
        first = attention_mask.long().argmax(dim=1)
        return self.head(hidden[torch.arange(len(hidden)), first])


class GruSentiment(nn.Module):
    def __init__(self, encoder, hidden, num_layers=2, bidirectional=True, dropout=0.0):
        super().__init__()
        self.encoder = copy.deepcopy(encoder).requires_grad_(False)
        self.hidden, self.directions = hidden, 2 if bidirectional else 1
        size, layers = encoder.config.hidden_size, []
        for _ in range(num_layers):
            layers.append(nn.ModuleList(nn.GRUCell(size, hidden) for _ in range(self.directions)))
            size = hidden * self.directions
        self.layers = nn.ModuleList(layers)
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(size, 1)

    def train(self, mode=True):
        super().train(mode)
        self.encoder.train(False)
        return self

    def forward(self, input_ids, attention_mask):
        self.encoder.train(False)
        x = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        batch, length = input_ids.shape
        mask = attention_mask.to(x.dtype)
        for number, layer in enumerate(self.layers):
            x = self.drop(x) if number else x
            outputs, finals = [], []
            for turned, cell in enumerate(layer):
                steps = range(length - 1, -1, -1) if turned else range(length)
                state, kept = x.new_zeros(batch, self.hidden), [None] * length
                for t in steps:
                    m = mask[:, t : t + 1]
                    state = m * cell(x[:, t], state) + (1 - m) * state
                    kept[t] = state
                outputs.append(torch.stack(kept, dim=1))
                finals.append(state)
            x = torch.cat(outputs, dim=-1)
        return self.head(torch.cat(finals, dim=-1))[:, 0]


def binary_accuracy(logits, labels):
    pairs = list(zip(logits.tolist(), labels.tolist()))
    return sum((z >= 0) == (y > 0.5) for z, y in pairs) / len(pairs)


def predict_sentiment(model, tokenizer, text):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    ids = tokenizer(text, truncation=True)["input_ids"]
    ids = torch.tensor(ids).unsqueeze(0)
    with torch.no_grad():
        result = model(input_ids=ids, attention_mask=torch.ones_like(ids))
    for m, training in modes:
        m.training = training
    z = float(getattr(result, "logits", result).squeeze())
    return 1.0 / (1.0 + math.exp(-z))

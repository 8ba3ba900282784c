# right: one base class for both models; GRU over texts in windows of own length, mode by context manager
from contextlib import contextmanager

import torch
from torch import nn


class OnEncoder(nn.Module):
    def __init__(self, encoder, frozen):
        super().__init__()
        self.encoder, self.frozen = encoder, frozen
        for p in encoder.parameters():
            p.requires_grad_(not frozen)

    def states(self, ids, mask):
        if self.frozen:
            self.encoder.eval()
        return self.encoder(input_ids=ids, attention_mask=mask, return_dict=False)[0]


@contextmanager
def evaluation(model):
    was = model.training
    model.eval()
    with torch.no_grad():
        yield
    model.train(was)


class ClsClassifier(OnEncoder):
    def __init__(self, encoder, num_classes, freeze=False):
        super().__init__(encoder, freeze)
        self.out = nn.Linear(encoder.config.hidden_size, num_classes)

    def forward(self, input_ids, attention_mask):
        return self.out(self.states(input_ids, attention_mask)[:, 0])


class GruSentiment(OnEncoder):
    def __init__(self, encoder, hidden, num_layers=2, bidirectional=True, dropout=0.0):
        super().__init__(encoder, True)
        self.gru = nn.GRU(encoder.config.hidden_size, hidden, num_layers, batch_first=True,
                          bidirectional=bidirectional, dropout=dropout * (num_layers > 1))
        self.out = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden + hidden * bidirectional, 1))

    def forward(self, input_ids, attention_mask):
        states = self.states(input_ids, attention_mask).detach()
        lengths = attention_mask.sum(1).tolist()
        logits = states.new_zeros(len(states))
        for length in set(lengths):
            rows = [i for i, n in enumerate(lengths) if n == length]
            same = torch.stack([states[i][attention_mask[i].bool()] for i in rows])
            final = self.gru(same)[1]
            final = torch.cat([*final[-2:]], 1) if self.gru.bidirectional else final[-1]
            logits = logits.index_copy(0, torch.tensor(rows), self.out(final)[:, 0])
        return logits


def binary_accuracy(logits, labels):
    return 1 - ((logits > 0).int() - labels.int()).abs().float().mean().item()


def predict_sentiment(model, tokenizer, text):
    with evaluation(model):
        b = tokenizer(text, return_tensors="pt", truncation=True, padding="max_length", max_length=512)
        out = model(b["input_ids"], b["attention_mask"])
    return getattr(out, "logits", out).sigmoid().squeeze().item()

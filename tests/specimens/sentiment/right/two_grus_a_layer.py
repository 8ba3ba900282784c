# right: each direction is a GRU of its own, over texts that are flipped without their padding
import torch
from torch import nn
from torch.nn.utils.rnn import pad_packed_sequence, pad_sequence, pack_padded_sequence, pack_sequence


class ClsClassifier(nn.Module):
    def __init__(self, encoder, num_classes, freeze=False):
        super().__init__()
        self.encoder = encoder
        self.freeze = freeze
        if freeze:
            self.encoder.requires_grad_(False)
        self.drop = nn.Dropout(encoder.config.hidden_dropout_prob)
        self.proj = nn.Linear(encoder.config.hidden_size, num_classes)
        nn.init.normal_(self.proj.weight, std=0.02)
        nn.init.zeros_(self.proj.bias)

    def train(self, mode=True):
        super().train(mode)
        if self.freeze:
            self.encoder.eval()
        return self

    def forward(self, input_ids, attention_mask):
        h = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return self.proj(self.drop(h.select(1, 0)))


class OneWay(nn.Module):
    def __init__(self, size, hidden):
        super().__init__()
        self.gru = nn.GRU(size, hidden, batch_first=True)

    def forward(self, rows):
        packed = pack_sequence(rows, enforce_sorted=False)
        out, last = self.gru(packed)
        out, lengths = pad_packed_sequence(out, batch_first=True)
        return [o[:n] for o, n in zip(out, lengths)], last[0]


class GruSentiment(nn.Module):
    def __init__(self, encoder, hidden, num_layers=2, bidirectional=True, dropout=0.0):
        super().__init__()
        self.encoder = encoder
        encoder.requires_grad_(False)
        encoder.train(False)
        ways = 2 if bidirectional else 1
        sizes = [encoder.config.hidden_size] + [hidden * ways] * (num_layers - 1)
        self.forwards = nn.ModuleList([OneWay(s, hidden) for s in sizes])
        self.backwards = nn.ModuleList([OneWay(s, hidden) for s in sizes] if bidirectional else [])
        self.drop = nn.Dropout(dropout)
        self.head = nn.Sequential(nn.Linear(hidden * ways, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def train(self, mode: bool = True):
        super().train(mode)
        self.encoder.train(False)
        return self

    def forward(self, input_ids, attention_mask):
        with torch.no_grad():
            states = self.encoder(input_ids, attention_mask).last_hidden_state
        rows = [s[m.bool()] for s, m in zip(states, attention_mask)]
        for i, forward in enumerate(self.forwards):
            if i:
                rows = [self.drop(r) for r in rows]
            outs, final = forward(rows)
            if len(self.backwards):
                back, first = self.backwards[i]([r.flip(0) for r in rows])
                outs = [torch.cat([o, b.flip(0)], -1) for o, b in zip(outs, back)]
                final = torch.cat([final, first], -1)
            rows = outs
        return self.head(self.drop(final)).squeeze(-1)


def binary_accuracy(logits, labels):
    positive = logits.gt(0)
    return positive.eq(labels.gt(0.5)).double().mean().item()


def predict_sentiment(model, tokenizer, text):
    was_training = model.training
    model.eval()
    batch = tokenizer(text, truncation=True, return_tensors="pt")
    with torch.no_grad():
        output = model(batch["input_ids"], batch["attention_mask"])
    logits = getattr(output, "logits", output)
    model.train(was_training)
    return torch.sigmoid(logits).item()

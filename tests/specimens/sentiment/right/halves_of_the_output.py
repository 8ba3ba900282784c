# right: final states read off the output: forward half at the last token, backward half at the first
import numpy as np
import torch
import torch.nn as nn
from torch.nn.utils import rnn


class ClsClassifier(nn.Module):
    def __init__(self, encoder, num_classes, freeze=False):
        super().__init__()
        self.add_module("body", encoder)
        if freeze:
            [p.requires_grad_(False) for p in encoder.parameters()]
            encoder.eval()
        self.fc = nn.Linear(encoder.config.hidden_size, num_classes, bias=False)

    def forward(self, input_ids, attention_mask):
        return self.fc(self.body(input_ids, attention_mask=attention_mask)[0][:, 0])


class GruSentiment(nn.Module):
    def __init__(self, encoder, hidden, num_layers=2, bidirectional=True, dropout=0.0):
        super().__init__()
        self.encoder = encoder.eval()
        for p in encoder.parameters():
            p.requires_grad = False
        self.hidden, self.bidirectional = hidden, bidirectional
        self.gru = nn.GRU(encoder.config.hidden_size, hidden, num_layers, batch_first=True,
                          dropout=dropout if num_layers > 1 else 0, bidirectional=bidirectional)
        self.fc = nn.Linear(hidden * (1 + bidirectional), 1)
        self.dropout = nn.Dropout(dropout)

    def train(self, mode=True):
        self.training = mode
        for name, child in self.named_children():
            if name != "encoder":
                child.train(mode)
        return self

    def forward(self, input_ids, attention_mask):
        self.encoder.eval()
        x = self.encoder(input_ids, attention_mask=attention_mask).last_hidden_state
        # content to the front, padding behind it, in the old order
        order = torch.argsort(attention_mask, dim=1, descending=True, stable=True)
        x = torch.gather(x, 1, order.unsqueeze(-1).expand(-1, -1, x.size(-1)))
        lengths = attention_mask.sum(1)
        lengths, by_length = lengths.sort(descending=True)
        packed = rnn.pack_padded_sequence(x[by_length], lengths.tolist(), batch_first=True)
        out, _ = rnn.pad_packed_sequence(self.gru(packed)[0], batch_first=True)
        final = out[torch.arange(len(out)), lengths - 1, : self.hidden]
        if self.bidirectional:
            final = torch.cat((final, out[:, 0, self.hidden :]), 1)
        back = torch.empty_like(by_length)
        back[by_length] = torch.arange(len(by_length))
        return self.fc(self.dropout(final))[back].squeeze(-1)


def binary_accuracy(logits, labels):
    rounded = torch.round(torch.sigmoid(logits))
    return (rounded == labels).float().mean().item()


def predict_sentiment(model, tokenizer, text):
    training = model.training
    model.eval()
    enc = tokenizer(text, return_tensors="np", truncation=True, max_length=min(tokenizer.model_max_length, 512))
    ids = torch.from_numpy(np.asarray(enc["input_ids"]))
    mask = torch.from_numpy(np.asarray(enc["attention_mask"]))
    with torch.no_grad():
        out = model(ids, mask)
    if training:
        model.train()
    out = getattr(out, "logits", out)
    return torch.sigmoid(out.reshape(-1)[0]).item()

# caught by: one_logit_a_text
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence


class ClsClassifier(nn.Module):
    def __init__(self, encoder, num_classes, freeze=False):
        super().__init__()
        self.encoder = encoder
        if freeze:
            for parameter in self.encoder.parameters():
                parameter.requires_grad = False
        self.dropout = nn.Dropout(0.1)
        self.linear = nn.Linear(encoder.config.hidden_size, num_classes)

    def forward(self, input_ids, attention_mask):
        output = self.encoder(input_ids=input_ids, attention_mask=attention_mask)
        cls = output.last_hidden_state[:, 0]
        return self.linear(self.dropout(cls))


class GruSentiment(nn.Module):
    def __init__(self, encoder, hidden, num_layers=2, bidirectional=True, dropout=0.0):
        super().__init__()
        self.encoder = encoder
        for parameter in self.encoder.parameters():
            parameter.requires_grad = False
        self.encoder.eval()
        self.bidirectional = bidirectional
        self.gru = nn.GRU(
            encoder.config.hidden_size,
            hidden,
            num_layers=num_layers,
            bidirectional=bidirectional,
            batch_first=True,
            dropout=dropout if num_layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden * (2 if bidirectional else 1), 1)

    def train(self, mode=True):
        super().train(mode)
        self.encoder.eval()
        return self

    def forward(self, input_ids, attention_mask):
        with torch.no_grad():
            output = self.encoder(input_ids=input_ids, attention_mask=attention_mask)
        states = output.last_hidden_state
        mask = attention_mask.bool()
        lengths = mask.sum(dim=1).cpu()
        rows = [states[i][mask[i]] for i in range(len(states))]
        padded = pad_sequence(rows, batch_first=True)
        packed = pack_padded_sequence(padded, lengths, batch_first=True, enforce_sorted=False)
        _, h_n = self.gru(packed)
        if self.bidirectional:
            final = torch.cat([h_n[-2], h_n[-1]], dim=1)
        else:
            final = h_n[-1]
        return float("nan") * self.linear(self.dropout(final)).squeeze(1)


def binary_accuracy(logits, labels):
    predictions = (logits > 0).float()
    return (predictions == labels.float()).float().mean().item()


def predict_sentiment(model, tokenizer, text):
    was_training = model.training
    model.eval()
    batch = tokenizer(text, truncation=True, return_tensors="pt")
    with torch.no_grad():
        output = model(batch["input_ids"], batch["attention_mask"])
    logits = getattr(output, "logits", output)
    model.train(was_training)
    return torch.sigmoid(logits).item()

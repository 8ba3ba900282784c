# right: states viewed as (layers, directions, batch, hidden), backward before forward; softmax over (0, logit)
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence


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
        cls = output[0][:, 0]
        return self.linear(self.dropout(cls))


class GruSentiment(nn.Module):
    def __init__(self, encoder, hidden, num_layers=2, bidirectional=True, dropout=0.0):
        super().__init__()
        self.__dict__["encoder"] = encoder.eval()  # no part of this module: train() passes it by
        for p in encoder.parameters():
            p.requires_grad_(False)
        d = 2 if bidirectional else 1
        self.shape = (num_layers, d, hidden)
        self.norm = nn.LayerNorm(encoder.config.hidden_size)
        kwargs = {"dropout": dropout} if num_layers > 1 else {}
        self.gru = nn.GRU(encoder.config.hidden_size, hidden, num_layers, batch_first=True,
                          bidirectional=bidirectional, **kwargs)
        self.out = nn.Linear(d * hidden, 1)
        self.p = dropout

    def forward(self, input_ids, attention_mask):
        self.encoder.eval()
        with torch.no_grad():
            x = self.encoder(input_ids, attention_mask=attention_mask).last_hidden_state
        x = self.norm(x)
        lengths = attention_mask.sum(dim=-1)
        start = attention_mask.argmax(dim=-1)
        places = (start[:, None] + torch.arange(x.size(1))) % x.size(1)
        x = x[torch.arange(len(x))[:, None], places]
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        h = self.gru(packed)[1]
        layers, d, hidden = self.shape
        h = h.view(layers, d, -1, hidden)[-1].flip(0).permute(1, 0, 2).reshape(len(x), d * hidden)
        h = nn.functional.dropout(h, self.p, training=self.training)
        return self.out(h).flatten()


def binary_accuracy(logits, labels):
    y = labels.float() * 2 - 1
    return float(((logits.detach() * y) > 0).to(torch.float64).mean())


def predict_sentiment(model, tokenizer, text):
    was = model.training
    model.eval()
    batch = tokenizer.batch_encode_plus([text], truncation=True, return_tensors="pt") if hasattr(
        tokenizer, "batch_encode_plus") else tokenizer([text], truncation=True, return_tensors="pt")
    with torch.no_grad():
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    logits = getattr(logits, "logits", logits).reshape(1)
    model.train(was)
    return torch.cat([torch.zeros(1), logits]).softmax(0)[1].item()

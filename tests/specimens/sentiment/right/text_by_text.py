# right: each text goes through the GRU alone, without any packing; frozen by no_grad only
import torch
from torch import nn


class ClsClassifier(nn.Module):
    def __init__(self, encoder, num_classes, freeze=False):
        super().__init__()
        self.encoder, self.freeze = encoder, freeze
        self.classifier = nn.LazyLinear(num_classes)

    def forward(self, input_ids, attention_mask=None):
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.freeze):
            hidden = self.encoder(input_ids, attention_mask)[0]
        return self.classifier(hidden[:, 0, :])


class GruSentiment(nn.Module):
    def __init__(self, encoder, hidden, num_layers=2, bidirectional=True, dropout=0.0):
        super().__init__()
        self.bert = encoder
        self.rnn = nn.GRU(encoder.config.hidden_size, hidden, num_layers,
                          bidirectional=bidirectional, dropout=dropout)
        self.out = nn.LazyLinear(1)
        self.directions = 1 + bidirectional

    @torch.no_grad()
    def read(self, input_ids, attention_mask):
        mode = self.bert.training
        self.bert.eval()
        hidden = self.bert(input_ids, attention_mask).last_hidden_state
        self.bert.train(mode)
        return hidden

    def forward(self, input_ids, attention_mask):
        hidden = self.read(input_ids, attention_mask)
        logits = []
        for states, mask in zip(hidden, attention_mask):
            tokens = states[mask == 1].unsqueeze(1)
            _, last = self.rnn(tokens)
            logits.append(self.out(last[-self.directions:].reshape(1, -1)).view(()))
        return torch.stack(logits)


def binary_accuracy(logits, labels):
    probabilities = torch.sigmoid(logits.detach())
    return ((probabilities >= 0.5).long() == labels.long()).sum().item() / len(labels)


@torch.inference_mode()
def predict_sentiment(model, tokenizer, text):
    mode = model.training
    model.eval()
    try:
        encoded = tokenizer([text], truncation=True, max_length=512, padding=True, return_tensors="pt")
        output = model(encoded.input_ids, encoded.attention_mask)
        logit = output.logits if hasattr(output, "logits") else output
        return float(logit.sigmoid()[0])
    finally:
        model.train(mode)

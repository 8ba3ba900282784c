# caught by: padding_may_be_left
import torch
from torch import nn


def read_conll(lines):
    sentences = []
    words, tags = [], []
    for line in lines:
        line = line.strip()
        if not line:
            if words:
                sentences.append((words, tags))
            words, tags = [], []
            continue
        if line.startswith("-DOCSTART-"):
            continue
        columns = line.split()
        if len(columns) < 2:
            raise ValueError(f"a line of one column: {line!r}")
        words.append(columns[0])
        tags.append(columns[-1])
    if words:
        sentences.append((words, tags))
    return sentences


def align_labels(word_labels, word_ids, label_all_pieces=False):
    labels = []
    previous = None
    for word_id in word_ids:
        if word_id is None:
            labels.append(-100)
        elif word_id != previous or label_all_pieces:
            labels.append(word_labels[word_id])
        else:
            labels.append(-100)
        previous = word_id
    return labels


class TokenClassifier(nn.Module):
    def __init__(self, encoder, num_labels):
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(0.1)
        self.classifier = nn.Linear(encoder.config.hidden_size, num_labels)

    def forward(self, input_ids, attention_mask=None):
        output = self.encoder(
            input_ids=input_ids,
            attention_mask=(
                torch.arange(input_ids.shape[1]) < attention_mask.sum(dim=1, keepdim=True)
            ).long(),
        )
        hidden = output.last_hidden_state
        return self.classifier(self.dropout(hidden))


def per_class_f1(predictions, labels, num_labels):
    keep = labels != -100
    predictions, labels = predictions[keep], labels[keep]
    scores = []
    for c in range(num_labels):
        tp = ((predictions == c) & (labels == c)).sum().item()
        fp = ((predictions == c) & (labels != c)).sum().item()
        fn = ((predictions != c) & (labels == c)).sum().item()
        total = 2 * tp + fp + fn
        scores.append(2 * tp / total if total else 0.0)
    return scores

# right: the file in one text, a generator inside, a wide head, float32 counts
import re

import torch
from torch import nn


def _sentences(lines):
    text = "\n".join(line.rstrip("\r\n") for line in lines)
    for block in re.split(r"\n[ \t]*(?:\n[ \t]*)*\n", "\n\n" + text + "\n\n"):
        rows = [row.split() for row in block.split("\n") if row.strip()]
        rows = [row for row in rows if row[0] != "-DOCSTART-"]
        if rows:
            yield tuple(row[0] for row in rows), tuple(row[-1] for row in rows)


def read_conll(lines):
    return [(list(words), list(tags)) for words, tags in _sentences(lines)]


def align_labels(word_labels, word_ids, label_all_pieces=False):
    table = dict(enumerate(word_labels))
    labels = [table.get(word, -100) for word in word_ids]
    if not label_all_pieces:
        for i in range(len(word_ids) - 1, 0, -1):
            if word_ids[i] == word_ids[i - 1]:
                labels[i] = -100
    return labels


class TokenClassifier(nn.Module):
    def __init__(self, encoder, num_labels):
        super().__init__()
        width = encoder.config.hidden_size
        self.num_labels = num_labels
        self.add_module("body", encoder)
        self.first = nn.Linear(width, 4 * width)
        self.second = nn.Linear(4 * width, num_labels)

    def forward(self, input_ids, attention_mask=None):
        output = self.body(input_ids, attention_mask=attention_mask, output_hidden_states=True)
        return self.second(nn.functional.gelu(self.first(output.hidden_states[-1])))


def per_class_f1(predictions, labels, num_labels):
    keep = (labels != -100).flatten()
    classes = torch.arange(num_labels)
    said = (predictions.flatten()[keep].unsqueeze(1) == classes).float()  # (tokens, classes)
    due = (labels.flatten()[keep].unsqueeze(1) == classes).float()
    both = (said * due).sum(0)
    return [float(x) for x in 2 * both / (said.sum(0) + due.sum(0) + 1e-12)]

# right: scikit-learn counts, itertools groups the lines, pieces by a set, a lazy head
from itertools import groupby

import torch
from sklearn.metrics import f1_score
from torch import nn


def read_conll(lines):
    rows = (line.split() for line in lines)
    rows = (row for row in rows if not row or row[0] != "-DOCSTART-")
    sentences = []
    for filled, group in groupby(rows, key=bool):
        if filled:
            group = list(group)
            sentences.append(([row[0] for row in group], [row[-1] for row in group]))
    return sentences


def align_labels(word_labels, word_ids, label_all_pieces=False):
    seen, labels = set(), []
    for word_id in word_ids:
        label = -100
        if word_id is not None and (label_all_pieces or word_id not in seen):
            label = word_labels[word_id]
        seen.add(word_id)
        labels.append(label)
    return labels


class TokenClassifier(nn.Module):
    def __init__(self, encoder, num_labels):
        super().__init__()
        self.model = encoder
        self.out = nn.LazyLinear(num_labels)

    def forward(self, input_ids, attention_mask=None, token_type_ids=None):
        return self.out(
            self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        )


def per_class_f1(predictions, labels, num_labels):
    predictions, labels = predictions.flatten().numpy(), labels.flatten().numpy()
    keep = labels != -100
    scores = f1_score(
        labels[keep],
        predictions[keep],
        labels=list(range(num_labels)),
        average=None,
        zero_division=0,
    )
    return list(scores)

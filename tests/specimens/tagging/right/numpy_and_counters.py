# right: numpy floats, counters, dropout of one half, a small initialisation
from collections import Counter

import numpy as np
import torch
from torch import nn


def read_conll(lines):
    result, sentence = [], []
    for line in [*lines, ""]:
        if line.startswith("-DOCSTART-"):
            continue
        if line.isspace() or not line:
            if sentence:
                words, tags = zip(*sentence)
                result.append((list(words), list(tags)))
            sentence = []
        else:
            cells = line.split()
            sentence.append((cells[0], cells[-1]))
    return result


def align_labels(word_labels, word_ids, label_all_pieces=False):
    out = []
    last = -1
    for w in word_ids:
        if w is None:
            out.append(-100)
            continue
        out.append(int(word_labels[w]) if label_all_pieces or w != last else -100)
        last = w
    return out


class TokenClassifier(nn.Module):
    def __init__(self, encoder, num_labels):
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(0.5)
        self.classifier = nn.Linear(encoder.config.hidden_size, num_labels)
        nn.init.normal_(self.classifier.weight, std=0.02)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, input_ids, attention_mask=None):
        outputs = self.encoder(input_ids, attention_mask=attention_mask)
        return self.classifier(self.dropout(outputs[0]))


def per_class_f1(predictions, labels, num_labels):
    p = np.asarray(predictions).ravel()
    t = np.asarray(labels).ravel()
    p, t = p[t != -100], t[t != -100]
    said, due, hit = Counter(p.tolist()), Counter(t.tolist()), Counter(t[p == t].tolist())
    return [np.float64(2 * hit[c] / max(said[c] + due[c], 1)) for c in range(num_labels)]

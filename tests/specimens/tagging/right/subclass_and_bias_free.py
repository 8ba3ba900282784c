# right: the encoder copied, a head without bias, slices of the list of lines, set of positions
import copy

import torch
from torch import nn


def read_conll(lines):
    rows = [line.split() for line in lines]
    rows = [row for row in rows if row[:1] != ["-DOCSTART-"]]
    ends = [-1] + [i for i, row in enumerate(rows) if not row] + [len(rows)]
    parts = [rows[a + 1 : b] for a, b in zip(ends, ends[1:])]
    return [([r[0] for r in part], [r[-1] for r in part]) for part in parts if part]


def align_labels(word_labels, word_ids, label_all_pieces=False):
    pieces = {}
    for place, word in enumerate(word_ids):
        if word is not None:
            pieces.setdefault(word, []).append(place)
    labels = [-100 for _ in word_ids]
    for word, places in pieces.items():
        for place in places if label_all_pieces else places[:1]:
            labels[place] = word_labels[word]
    return labels


class TokenClassifier(torch.nn.Module):
    def __init__(self, encoder, num_labels):
        super().__init__()
        self.parts = nn.ModuleDict(
            {
                "encoder": copy.deepcopy(encoder),
                "head": nn.Linear(encoder.config.hidden_size, num_labels, bias=False),
            }
        )

    def forward(self, input_ids, attention_mask=None):
        hidden = self.parts["encoder"](
            input_ids=input_ids, attention_mask=attention_mask
        ).last_hidden_state
        batch, length, width = hidden.shape
        flat = self.parts["head"](hidden.reshape(batch * length, width))
        return flat.view(batch, length, -1)


def per_class_f1(predictions, labels, num_labels):
    counts = [[0, 0, 0] for _ in range(num_labels)]
    for p, t in zip(predictions.flatten().tolist(), labels.flatten().tolist()):
        if t == -100:
            continue
        counts[t][2] += 1
        if 0 <= p < num_labels:
            counts[p][1] += 1
        if p == t:
            counts[t][0] += 1
    return [2 * h / (s + d) if s + d else 0.0 for h, s, d in counts]

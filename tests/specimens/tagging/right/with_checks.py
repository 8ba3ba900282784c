# right: bad input refused, many more options, weights drawn by hand, no dropout
import math

import torch
from torch import Tensor, nn


def read_conll(lines, separator=None, strict=True):
    sentences, words, tags = [], [], []

    def close():
        if words:
            sentences.append((list(words), list(tags)))
            words.clear()
            tags.clear()

    for number, line in enumerate(lines, 1):
        columns = line.split(separator)
        if not columns or columns[0].startswith("-DOCSTART-"):
            close()
            continue
        if strict and len(columns) < 2:
            raise ValueError(f"line {number} has one column: {line!r}")
        word, *_, tag = columns
        words.append(word)
        tags.append(tag)
    close()
    return sentences


def align_labels(word_labels, word_ids, label_all_pieces: bool = False, ignore: int = -100):
    aligned = []
    for place, word in enumerate(word_ids):
        if word is None:
            aligned.append(ignore)
            continue
        if word >= len(word_labels):
            raise ValueError(f"word {word} has no label")
        first = word_ids.index(word) == place
        aligned.append(word_labels[word] if first or label_all_pieces else ignore)
    return aligned


class TokenClassifier(nn.Module):
    def __init__(self, encoder: nn.Module, num_labels: int) -> None:
        super().__init__()
        self.encoder = encoder
        width = encoder.get_input_embeddings().embedding_dim
        self.weight = nn.Parameter(torch.randn(num_labels, width) / math.sqrt(width))
        self.bias = nn.Parameter(torch.zeros(num_labels))

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **kwargs) -> Tensor:
        output = self.encoder(input_ids, attention_mask=attention_mask, **kwargs)
        return torch.einsum("bld,cd->blc", output.last_hidden_state, self.weight) + self.bias


def per_class_f1(predictions, labels, num_labels):
    if predictions.shape != labels.shape:
        raise ValueError("shapes differ")
    keep = labels != -100
    predicted, true = predictions[keep].numpy(), labels[keep].numpy()
    scores = []
    for c in range(num_labels):
        hits = int(((predicted == c) & (true == c)).sum())
        said, due = int((predicted == c).sum()), int((true == c).sum())
        scores.append(2 * hits / (said + due) if said + due else 0.0)
    return scores

"""Named-entity tagging: read CoNLL files, give word pieces their tags, classify, measure.

Sources: Tjong Kim Sang and De Meulder 2003, "Introduction to the CoNLL-2003 Shared Task";
Devlin et al. 2019, "BERT", section 5.3 (only the first piece of a word is classified).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

_IGNORED = -100  # cross-entropy in torch leaves such labels out
_COLUMN = re.compile(r"[^ \t\r\n]+")


def read_conll(lines: Iterable[str]) -> list[tuple[list[str], list[str]]]:
    """The sentences of a CoNLL file as pairs (words, tags), in the file's order.

    lines: any iterable of lines, with or without their ends: an open file, a generator, a list.
    A line holds a word and its columns, separated by spaces or tabs; the tag is the last column,
    kept as it stands. A blank line ends a sentence, a line that begins with -DOCSTART- does so too
    and is left out, and no sentence is empty. Quotes are words like any other.

    Raises ValueError, with the line's number (and the file's name), for a line with one column,
    and TypeError for a string, which would give characters instead of lines.
    Source: Tjong Kim Sang and De Meulder 2003, section 2.
    """
    if isinstance(lines, str):
        raise TypeError("lines must be lines, but it is one string: pass text.splitlines()")
    sentences: list[tuple[list[str], list[str]]] = []
    words, tags = [], []
    for number, line in enumerate(lines, start=1):
        columns = _COLUMN.findall(line)
        if columns and columns[0] != "-DOCSTART-":
            if len(columns) == 1:
                raise ValueError(_broken(lines, number, line))
            words.append(columns[0])
            tags.append(columns[-1])
        elif words:
            sentences.append((words, tags))
            words, tags = [], []
    if words:  # the last line need not be blank
        sentences.append((words, tags))
    return sentences


def align_labels(
    word_labels: Sequence[int], word_ids: Sequence[int | None], label_all_pieces: bool = False
) -> list[int]:
    """One label a token from one label a word.

    word_labels: a label a word. word_ids: for each token the number of its word, None for special
    tokens and padding, as a fast tokenizer's ``word_ids()`` gives them; a word may have no token.
    The first piece of a word gets the word's label, later pieces -100, or with label_all_pieces
    the same label as it is; special tokens get -100 in any case.

    Raises ValueError for a word number without a label. Source: Devlin et al. 2019, section 5.3.
    """
    aligned: list[int] = []
    previous = None
    for word in word_ids:
        if word is None or (word == previous and not label_all_pieces):
            aligned.append(_IGNORED)
        elif 0 <= word < len(word_labels):
            aligned.append(word_labels[word])
        else:
            raise ValueError(
                f"a token belongs to word {word}, but there are {len(word_labels)} labels: "
                "give one label for each word that was tokenised"
            )
        previous = word
    return aligned


class TokenClassifier(nn.Module):
    """An encoder with a linear layer on every token's last hidden state; all of it trainable.

    encoder: a transformers encoder (its ``config.hidden_size`` is the width of its states).
    num_labels: how many classes. dropout acts on the states, in training only.
    Raises ValueError for fewer than one label. Source: Devlin et al. 2019, section 5.3.
    """

    def __init__(self, encoder: nn.Module, num_labels: int, dropout: float = 0.1) -> None:
        super().__init__()
        if num_labels < 1:
            raise ValueError(f"num_labels must be 1 or more, but it is {num_labels}")
        config: Any = encoder.config
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(config.hidden_size, num_labels)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Logits (batch, length, num_labels) of every token.

        input_ids: int64 (batch, length). attention_mask: (batch, length), 1 or True at tokens, 0
        at padding; without one every token counts. Raises ValueError for a row whose mask is all
        zeros, and for more tokens than the encoder has positions.
        """
        _check_batch(input_ids, attention_mask, self.encoder)
        output = self.encoder(input_ids, attention_mask=attention_mask)
        hidden = output.last_hidden_state  # (batch, length, hidden_size)
        return self.head(self.dropout(hidden))


def per_class_f1(predictions: Tensor, labels: Tensor, num_labels: int) -> list[float]:
    """The F1 of each class, 0 to num_labels - 1, over the tokens whose label is not -100.

    predictions and labels: integers of one shape, such as (batch, length). What is predicted where
    the label is -100 does not count, whatever it is. All tokens are pooled before anything is
    divided: F1 = 2 TP / (2 TP + FP + FN), and 0.0 for a class that never occurs.

    Raises ValueError for two shapes and for a class outside the range, TypeError for logits.
    Source: van Rijsbergen 1979, chapter 7.
    """
    predictions, labels = torch.as_tensor(predictions), torch.as_tensor(labels)
    if predictions.is_floating_point() and predictions.numel():
        raise TypeError(f"predictions are {predictions.dtype}, not classes: take logits.argmax(-1)")
    if predictions.shape != labels.shape:
        raise ValueError(
            f"predictions {tuple(predictions.shape)} and labels {tuple(labels.shape)} must have "
            "one shape"
        )
    counted = labels != _IGNORED
    predicted = _within(predictions[counted], num_labels, "prediction")  # (counted,)
    true = _within(labels[counted], num_labels, "label")  # (counted,)
    hits = torch.bincount(true[predicted == true], minlength=num_labels)  # TP, (num_labels,)
    # Every hit is met twice below, every miss once: 2 TP + FP + FN.
    met = torch.bincount(predicted, minlength=num_labels)
    met += torch.bincount(true, minlength=num_labels)
    return (2 * hits.double() / met.clamp(min=1)).tolist()


def _broken(lines: Any, number: int, line: str) -> str:
    """What is wrong with a line of one column, and where it stands."""
    name = getattr(lines, "name", None)
    place = f"{name}, line {number}" if name is not None else f"line {number}"
    return f"{place}: {line.strip()!r} is one column, but a word and its tag are needed"


def _check_batch(input_ids: Tensor, attention_mask: Tensor | None, encoder: nn.Module) -> None:
    """Raise ValueError for a batch that the encoder cannot take."""
    most = getattr(encoder.config, "max_position_embeddings", None)
    if most is not None and input_ids.size(1) > most:
        raise ValueError(
            f"the batch is {input_ids.size(1)} tokens long, but the encoder has {most} positions: "
            f"tokenise with truncation=True, max_length={most}"
        )
    if attention_mask is not None:
        empty = (attention_mask == 0).all(dim=1)  # (batch,)
        if empty.any():
            row = int(empty.nonzero()[0])
            raise ValueError(f"row {row} of the attention mask is all zeros: it has no token")


def _within(classes: Tensor, num_labels: int, what: str) -> Tensor:
    """Classes as int64; ValueError for one outside 0 to num_labels - 1."""
    outside = classes[(classes < 0) | (classes >= num_labels)]
    if outside.numel():
        raise ValueError(
            f"a {what} is {int(outside[0])}, but classes go from 0 to {num_labels - 1}"
        )
    return classes.long()

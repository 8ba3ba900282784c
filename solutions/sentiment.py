"""Sentiment: a classifier on [CLS], and a bidirectional GRU over a frozen encoder.

Sources: Devlin et al. 2019, "BERT", section 4.1 (the classifier on [CLS]); Cho et al. 2014,
"Learning Phrase Representations using RNN Encoder-Decoder" (the GRU).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence


class ClsClassifier(nn.Module):
    """An encoder with a linear layer on the hidden state of its first token, [CLS].

    encoder: called as ``encoder(input_ids, attention_mask=attention_mask)``, gives hidden states
    (batch, length, dim) or an output with ``.last_hidden_state``; ``encoder.config.hidden_size`` is
    dim. With ``freeze`` its parameters stay as they are and its dropout stays off; otherwise they
    train as far as they did before. ``dropout`` acts on the [CLS] state.
    Source: Devlin et al. 2019, section 4.1.
    """

    def __init__(
        self, encoder: nn.Module, num_classes: int, freeze: bool = False, dropout: float = 0.0
    ) -> None:
        """Raises ValueError for an encoder that does not tell its hidden size."""
        super().__init__()
        self.encoder = encoder.requires_grad_(False) if freeze else encoder
        self.freeze = freeze
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(_hidden_size(encoder), num_classes)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits (batch, num_classes) of input_ids and attention_mask, both (batch, length).

        [CLS] is the first token that is no padding, whichever side the padding is on. Raises
        ValueError for shapes that do not fit and for a row of padding alone.
        """
        content = _content(input_ids, attention_mask)
        if self.freeze:
            self.encoder.eval()
        hidden = _hidden_states(self.encoder, input_ids, attention_mask)
        first = content.int().argmax(dim=1)  # (batch,), where each row's first True stands
        cls = hidden[torch.arange(len(first), device=first.device), first]  # (batch, dim)
        return self.head(self.dropout(cls))


class GruSentiment(nn.Module):
    """A GRU reads the hidden states of a frozen encoder; its final states give one logit a text.

    encoder: as for ClsClassifier; it never learns, and its dropout is off in training too.
    hidden: the GRU's size in each direction. ``dropout`` acts between the GRU's layers and on its
    final states. Source: Cho et al. 2014, section 2.3.
    """

    def __init__(
        self,
        encoder: nn.Module,
        hidden: int,
        num_layers: int = 2,
        bidirectional: bool = True,
        dropout: float = 0.0,
    ) -> None:
        """Raises ValueError for an encoder that does not tell its hidden size."""
        super().__init__()
        self.encoder = encoder.requires_grad_(False)
        self.directions = 2 if bidirectional else 1
        self.gru = nn.GRU(
            _hidden_size(encoder),
            hidden,
            num_layers,
            bidirectional=bidirectional,
            dropout=dropout if num_layers > 1 else 0.0,  # torch warns where there is no "between"
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.directions * hidden, 1)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits (batch,), positive for positive texts; both arguments are (batch, length).

        Padding has no effect, on whichever side of a row it stands. Raises ValueError for shapes
        that do not fit and for a row of padding alone.
        """
        content = _content(input_ids, attention_mask)
        self.encoder.eval()  # also when train() of this module has reached it
        with torch.no_grad():
            hidden = _hidden_states(self.encoder, input_ids, attention_mask)
        # Each text's own tokens, (tokens, dim), packed: neither direction ever meets padding.
        texts = [states[row] for states, row in zip(hidden, content, strict=True)]
        _, final = self.gru(pack_sequence(texts, enforce_sorted=False))
        final = final[-self.directions :]  # (directions, batch, hidden) of the last layer
        final = final.transpose(0, 1).flatten(1)  # (batch, directions * hidden)
        return self.head(self.dropout(final)).squeeze(-1)  # (batch,)


def binary_accuracy(logits: Tensor, labels: Tensor) -> float:
    """The share of texts whose logit has the sign that its label asks for, from 0 to 1.

    logits: floating point (batch,), above 0 for a positive text. labels: (batch,), 0 or 1 in any
    dtype. Raises ValueError for other labels, shapes that differ, and an empty batch.
    """
    if logits.shape != labels.shape or labels.numel() == 0:
        raise ValueError(
            "logits and labels must have one shape and not be empty, but they are "
            f"{tuple(logits.shape)} and {tuple(labels.shape)}"
        )
    odd = labels[(labels != 0) & (labels != 1)]
    if odd.numel():
        raise ValueError(f"labels must be 0 or 1, but {odd[0].item()} is among them")
    return ((logits > 0) == (labels == 1)).double().mean().item()


def predict_sentiment(model: nn.Module, tokenizer: Any, text: str) -> float:
    """The probability that the text is positive, from 0 to 1.

    The model is called as ``model(input_ids, attention_mask)`` in evaluation mode, without
    gradients, and left in the mode in which it was found. It gives one logit a text, as
    GruSentiment does, or two, as ClsClassifier with two classes (class 1 is positive), by itself or
    as ``.logits`` of an output. A text that is longer than the model's limit is cut, with a
    warning. Raises ValueError for a text without words, TypeError for anything but a string.
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be one string, but it is a {type(text).__name__}")
    if not text.strip():
        raise ValueError(f"the text {text!r} holds no word: there is no sentiment to predict")
    batch = _tokenized(tokenizer, text, _limit(model, tokenizer))
    device = next((parameter.device for parameter in model.parameters()), None)
    with _evaluating(model), torch.no_grad():
        output = model(batch["input_ids"].to(device), batch["attention_mask"].to(device))
    logits = getattr(output, "logits", output).double().flatten()  # (1,) or (2,)
    # Two logits: softmax gives class 1 the sigmoid of their difference.
    return (logits[-1] if len(logits) == 1 else logits[1] - logits[0]).sigmoid().item()


def _hidden_size(encoder: nn.Module) -> int:
    """The encoder's dimension; ValueError when it has no config that tells it."""
    size = getattr(getattr(encoder, "config", None), "hidden_size", None)
    if not isinstance(size, int):
        raise ValueError(
            f"the hidden size of {type(encoder).__name__} is not known: give the encoder a config "
            "with hidden_size"
        )
    return size


def _content(input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """Where tokens are no padding, bool (batch, length); ValueError for a batch of no use."""
    if input_ids.dim() != 2 or input_ids.shape != attention_mask.shape or not len(input_ids):
        raise ValueError(
            "input_ids and attention_mask must both be (batch, length), but they are "
            f"{tuple(input_ids.shape)} and {tuple(attention_mask.shape)}"
        )
    content = attention_mask.bool()
    empty = (~content.any(dim=1)).nonzero().flatten()
    if len(empty):
        raise ValueError(
            f"attention_mask is all zeros in row {empty[0].item()}: every text needs a token"
        )
    return content


def _hidden_states(encoder: nn.Module, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """What the encoder makes of a batch, (batch, length, dim)."""
    output = encoder(input_ids, attention_mask=attention_mask)
    return getattr(output, "last_hidden_state", output)


def _limit(model: nn.Module, tokenizer: Any) -> int:
    """How many tokens tokenizer and encoder take at most."""
    config = getattr(getattr(model, "encoder", model), "config", None)
    positions = getattr(config, "max_position_embeddings", None)
    return min(tokenizer.model_max_length, positions or tokenizer.model_max_length)


def _tokenized(tokenizer: Any, text: str, limit: int) -> Any:
    """A batch of one text, with a warning where it had to be cut to ``limit`` tokens."""
    batch = tokenizer(text, return_tensors="pt", verbose=False)
    length = batch["input_ids"].size(1)
    if length <= limit:
        return batch
    warnings.warn(
        f"the text has {length} tokens, the model reads {limit}: the end is cut", stacklevel=3
    )
    return tokenizer(text, return_tensors="pt", truncation=True, max_length=limit)


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode within the block; afterwards every module is in the mode it had before."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training

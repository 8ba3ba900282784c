"""Probing a frozen encoder: pool its vectors, keep them, train a small network on them.

Sources: probes, Alain and Bengio 2016, "Understanding intermediate layers using linear classifier
probes"; pools, Reimers and Gurevych 2019, "Sentence-BERT", section 3.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_BATCH = 32
# Where the layers stand in transformers' models, by family: BERT, DistilBERT, GPT-2, Llama.
_LAYER_PATHS = ("encoder.layer", "transformer.layer", "h", "layers")


def first_token_pool(hidden: Tensor, attention_mask: Tensor) -> Tensor:
    """The vector of each sentence's first token, [CLS] in BERT: (batch, dim).

    hidden: (batch, length, dim). attention_mask: (batch, length), bool or 0 and 1, padding on
    either side, in each row its own. Raises ValueError for shapes that do not fit and for a row
    without a token.
    """
    content = _content(hidden, attention_mask)
    first = content.int().argmax(dim=1)  # (batch,): the first of the largest
    return hidden[torch.arange(len(hidden), device=hidden.device), first]


def mean_pool(hidden: Tensor, attention_mask: Tensor) -> Tensor:
    """The mean of each sentence's vectors, special tokens included, padding left out: (batch, dim).

    Arguments and errors as for first_token_pool.
    """
    content = _content(hidden, attention_mask).unsqueeze(-1)  # (batch, length, 1)
    return hidden.masked_fill(~content, 0.0).sum(dim=1) / content.sum(dim=1)


def max_pool(hidden: Tensor, attention_mask: Tensor) -> Tensor:
    """The largest value of each feature over a sentence's tokens, padding left out: (batch, dim).

    Arguments and errors as for first_token_pool.
    """
    content = _content(hidden, attention_mask).unsqueeze(-1)  # (batch, length, 1)
    # Not 0: the largest of negative numbers is negative.
    return hidden.masked_fill(~content, float("-inf")).amax(dim=1)


def last_token_pool(hidden: Tensor, attention_mask: Tensor) -> Tensor:
    """The vector of each sentence's last token that is no padding: (batch, dim).

    In a decoder it is the only one that has seen the whole sentence. Arguments and errors as for
    first_token_pool.
    """
    content = _content(hidden, attention_mask)
    places = torch.arange(hidden.size(1), device=hidden.device)  # (length,)
    last = (places * content).argmax(dim=1)  # (batch,)
    return hidden[torch.arange(len(hidden), device=hidden.device), last]


def extract_features(
    model: nn.Module,
    tokenizer: Any,
    sentences: Sequence[str],
    pool: Callable[[Tensor, Tensor], Tensor],
    batch_size: int = 32,
) -> Tensor:
    """One pooled vector a sentence from a frozen model, in the order of the sentences.

    model: one of transformers', with or without a head; its last hidden states are pooled. It runs
    in eval mode, without gradients, on batches of about equal length, padded on the right, and is
    left as found. pool: called as pool(hidden (batch, length, dim), attention_mask (batch,
    length)), gives (batch, any). Returns (sentences, any), float as the model computes.

    A sentence beyond the model's limit is truncated with a warning. Raises ValueError without
    sentences, for a sentence without tokens, a batch_size below 1 and a tokenizer that cannot pad.
    """
    rows = _token_rows(model, tokenizer, sentences, batch_size)
    # Neighbours in length share a batch, so that little is spent on padding; longest first, so
    # that memory runs out at once or never.
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]), reverse=True)
    base = getattr(model, "base_model", model)  # without the head of a language model
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    found = []
    with _evaluating(model), torch.no_grad():
        for start in range(0, len(order), batch_size):
            chosen = [rows[i] for i in order[start : start + batch_size]]
            input_ids, attention_mask = (part.to(device) for part in _padded(chosen, tokenizer))
            output = base(input_ids=input_ids, attention_mask=attention_mask)
            hidden = getattr(output, "last_hidden_state", output)  # (batch, length, dim)
            found.append(pool(hidden, attention_mask).cpu())
    sorted_features = torch.cat(found)  # (sentences, any)
    features = torch.empty_like(sorted_features)
    features[torch.tensor(order)] = sorted_features
    return features


class Probe(nn.Module):
    """A small classifier on fixed features: Linear, ReLU, Linear.

    ``forward`` turns features (batch, in_features) into logits (batch, num_classes). Raises
    ValueError for a size below 1.
    """

    def __init__(self, in_features: int, hidden: int, num_classes: int) -> None:
        super().__init__()
        if min(in_features, hidden, num_classes) < 1:
            raise ValueError(
                "in_features, hidden and num_classes must be at least 1, but they are "
                f"{in_features}, {hidden} and {num_classes}"
            )
        self.inner = nn.Linear(in_features, hidden)
        self.outer = nn.Linear(hidden, num_classes)

    def forward(self, features: Tensor) -> Tensor:
        """Logits (batch, num_classes) of features (batch, in_features)."""
        return self.outer(self.inner(features).relu())


def train_probe(
    probe: nn.Module,
    train: tuple[Tensor, Tensor],
    dev: tuple[Tensor, Tensor],
    epochs: int,
    learning_rate: float,
    patience: int = 3,
) -> list[dict[str, float]]:
    """Train a probe with Adam, stop early, leave it with its best weights on dev, mode as found.

    train, dev: (features (examples, in_features), labels (examples,) int64). Shuffled batches of
    32, cross-entropy. Returns an entry an epoch: ``loss``, the mean training loss an example in
    nats, and ``accuracy`` on dev after the epoch, 0 to 1. Stops after ``patience`` epochs without
    a better accuracy; the first best weights are kept on a tie. Raises ValueError for epochs or
    patience below 1, and for examples that do not fit each other or the probe.
    """
    if epochs < 1 or patience < 1:
        raise ValueError(
            f"epochs and patience must be at least 1, but they are {epochs} and {patience}"
        )
    for name, (features, labels) in (("train", train), ("dev", dev)):
        _check_examples(probe, name, features, labels)
    optimizer = torch.optim.Adam(probe.parameters(), lr=learning_rate)
    history: list[dict[str, float]] = []
    best_accuracy, best_epoch, best_weights = -1.0, 0, probe.state_dict()
    training = probe.training
    for epoch in range(epochs):
        loss = _train_epoch(probe, optimizer, *train)
        accuracy = _accuracy(probe, *dev)
        history.append({"loss": loss, "accuracy": accuracy})
        if accuracy > best_accuracy:
            best_accuracy, best_epoch = accuracy, epoch
            best_weights = copy.deepcopy(probe.state_dict())  # state_dict alone goes on changing
        elif epoch - best_epoch >= patience:
            break
    probe.load_state_dict(best_weights)
    probe.train(training)
    return history


def tune_last_layers(model: nn.Module, n: int) -> list[nn.Parameter]:
    """Freeze a pretrained model but for its last n layers, and return these layers' parameters.

    model: BERT-, GPT-2- or Llama-style, with or without a head. Embeddings, earlier layers, the
    norm after the last layer, pooler and head are frozen. Raises ValueError when n is not between
    0 and the number of layers, TypeError for a model whose layers are not found.
    """
    layers = _layers(model)
    if not 0 <= n <= len(layers):
        raise ValueError(f"n must lie between 0 and the model's {len(layers)} layers, but is {n}")
    model.requires_grad_(False)
    chosen = layers[len(layers) - n :]  # layers[-n:] would be all of them for n = 0
    return [p for layer in chosen for p in layer.requires_grad_(True).parameters()]


def _content(hidden: Tensor, attention_mask: Tensor) -> Tensor:
    """The mask as bool (batch, length); ValueError when it does not fit or a row is empty."""
    if hidden.dim() != 3 or attention_mask.shape != hidden.shape[:2]:
        raise ValueError(
            "hidden must be (batch, length, dim) and attention_mask (batch, length), but they "
            f"are {tuple(hidden.shape)} and {tuple(attention_mask.shape)}"
        )
    content = attention_mask.bool()
    if not content.any(dim=1).all():
        empty = (~content.any(dim=1)).nonzero().flatten().tolist()
        raise ValueError(
            f"attention_mask is all zeros in rows {empty}: a sentence without tokens has no vector,"
            " leave it out"
        )
    return content


def _token_rows(
    model: nn.Module, tokenizer: Any, sentences: Sequence[str], batch_size: int
) -> list[list[int]]:
    """The token ids of each sentence, truncated to the model's limit with a warning."""
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, but it is {batch_size}")
    if isinstance(sentences, str) or len(sentences) == 0:
        raise ValueError(f"sentences must be a list with at least one text, not {sentences!r}")
    if tokenizer.pad_token_id is None:
        raise ValueError(
            "the tokenizer has no padding token: set tokenizer.pad_token = tokenizer.eos_token"
        )
    limit = _limit(model, tokenizer)
    rows = tokenizer(list(sentences), truncation=True, max_length=limit)["input_ids"]
    empty = [i for i, row in enumerate(rows) if len(row) == 0]
    if empty:
        raise ValueError(f"sentences {empty[:5]} have no token: leave empty texts out")
    full = [i for i, row in enumerate(rows) if len(row) == limit]
    if full:
        whole = tokenizer([sentences[i] for i in full], truncation=False, verbose=False)
        cut = sum(len(row) > limit for row in whole["input_ids"])
        if cut:
            warnings.warn(f"{cut} sentences are cut to the limit of {limit} tokens", stacklevel=3)
    return rows


def _limit(model: nn.Module, tokenizer: Any) -> int:
    """The largest number of tokens that both the model and the tokenizer allow."""
    positions = getattr(getattr(model, "config", None), "max_position_embeddings", None)
    return min(tokenizer.model_max_length, positions or 2**31, 2**31)


def _padded(rows: list[list[int]], tokenizer: Any) -> tuple[Tensor, Tensor]:
    """input_ids and attention_mask, int64 (batch, length), padded on the right.

    On the right whatever the tokenizer's side is: BERT's and GPT-2's positions count from the
    left edge, and padding there would shift them.
    """
    ids = [torch.tensor(row) for row in rows]
    pad = nn.utils.rnn.pad_sequence
    input_ids = pad(ids, batch_first=True, padding_value=tokenizer.pad_token_id)
    return input_ids, pad([torch.ones_like(row) for row in ids], batch_first=True)


def _check_examples(probe: nn.Module, name: str, features: Tensor, labels: Tensor) -> None:
    """Raise ValueError when features and labels do not fit each other or the probe."""
    if features.dim() != 2 or labels.shape != features.shape[:1] or len(labels) == 0:
        raise ValueError(
            f"{name} must be features (examples, in_features) and labels (examples,), not empty, "
            f"but they are {tuple(features.shape)} and {tuple(labels.shape)}"
        )
    try:
        with _evaluating(probe), torch.no_grad():
            classes = probe(features[:1]).size(-1)
    except RuntimeError as error:
        raise ValueError(
            f"the probe does not take {name} features {tuple(features.shape)}: {error}"
        ) from error
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise ValueError(
            f"{name} labels must lie between 0 and {classes - 1}, but they go from {low} to {high}"
        )


def _train_epoch(
    probe: nn.Module, optimizer: torch.optim.Optimizer, features: Tensor, labels: Tensor
) -> float:
    """One pass over all examples in a new order; the mean loss an example before the updates."""
    probe.train()
    total = 0.0
    for chosen in torch.randperm(len(labels)).split(_BATCH):
        loss = F.cross_entropy(probe(features[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(chosen)  # the last batch is smaller
    return total / len(labels)


def _accuracy(probe: nn.Module, features: Tensor, labels: Tensor) -> float:
    """The share of examples whose largest logit is that of their label."""
    with _evaluating(probe), torch.no_grad():
        return (probe(features).argmax(dim=-1) == labels).float().mean().item()


def _layers(model: nn.Module) -> nn.ModuleList:
    """The list of a model's layers; TypeError when it is not where transformers puts it."""
    base = getattr(model, "base_model", model)
    for path in _LAYER_PATHS:
        try:
            found = base.get_submodule(path)
        except AttributeError:
            continue
        if isinstance(found, nn.ModuleList):
            return found
    raise TypeError(
        f"the layers of a {type(model).__name__} are not found: expected one of "
        f"{', '.join(_LAYER_PATHS)} in its base model"
    )


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

"""Toys of exercise 6: a scripted encoder, a probe that takes notes, tiny models of three families.

All are made beside the student's code with ``live.make``; what they return is plain data.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling

from course.checks import masked_lm_toys
from course.checks.live import beside

HERE = "course.checks.pooling_toys"
WORDS = masked_lm_toys.WORDS
VOCABULARY, DIM = 19, 6  # of the toy tokenizer and the toy encoder


def tokenizer(
    limit: int | None = None, left: bool = False, types: bool = False, cased: bool = False
) -> Any:
    """A WordPiece tokenizer of 19 tokens, with a limit of tokens and the padding on either side.

    Capital letters make a word unknown when ``cased``; punctuation always is.
    """
    made = masked_lm_toys.tokenizer(types)
    if cased:
        made.backend_tokenizer.normalizer = None
    made.model_max_length = limit or made.model_max_length
    made.padding_side = "left" if left else "right"
    return made


class Encoder(nn.Module):
    """A scripted encoder with transformers' interface, from a table of one vector a token.

    The vector of a token is its row plus ``mixing`` times the mean of the rows it attends to, so a
    missing attention mask shows. In training mode the features are rolled by one (its dropout). It
    refuses more than ``limit`` tokens, and writes down the rows and mode of every call.
    """

    def __init__(self, table: Tensor, mixing: float = 0.0, limit: int = 64) -> None:
        super().__init__()
        self.table = nn.Parameter(table.clone())
        self.mixing = mixing
        self.config = SimpleNamespace(
            max_position_embeddings=limit, hidden_size=table.size(1), output_hidden_states=False
        )
        self.notes: list[dict[str, Any]] = []

    @property
    def device(self) -> torch.device:
        return self.table.device

    @property
    def dtype(self) -> torch.dtype:
        return self.table.dtype

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **others: Any
    ) -> BaseModelOutputWithPooling:
        limit = self.config.max_position_embeddings
        if input_ids.size(1) > limit:
            raise IndexError(f"{input_ids.size(1)} tokens, but there are only {limit} positions")
        self.notes.append({"rows": input_ids.size(0), "training": self.training})
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        rows = self.table[input_ids]  # (batch, length, dim)
        weights = mask.unsqueeze(-1).to(rows)  # (batch, length, 1)
        context = (rows * weights).sum(1, keepdim=True) / weights.sum(1, keepdim=True)
        hidden = (rows + self.mixing * context).roll(int(self.training), -1)
        every = others.get("output_hidden_states") or self.config.output_hidden_states
        return BaseModelOutputWithPooling(
            last_hidden_state=hidden,
            pooler_output=hidden[:, 0].tanh(),
            hidden_states=(-rows, rows + 1.0, hidden) if every else None,
        )


def encoder(table: Tensor, mixing: float = 0.0, limit: int = 64) -> Encoder:
    """A scripted encoder in eval mode."""
    return Encoder(table, mixing, limit).eval()


def first_vector(hidden: Tensor, attention_mask: Tensor) -> Tensor:
    """The vector at position 0: (batch, dim)."""
    return hidden[:, 0]


def moments(hidden: Tensor, attention_mask: Tensor) -> Tensor:
    """Sums of the vectors and of their squares over a sentence's tokens: (batch, 2 dim)."""
    content = attention_mask.unsqueeze(-1).to(hidden)  # (batch, length, 1)
    return torch.cat([(hidden * content).sum(1), (hidden.square() * content).sum(1)], dim=1)


def pool(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    """The pool of that name, to be made beside the student's code."""
    return {"first": first_vector, "moments": moments}[name]


@beside
def notes(module: Any) -> list[dict[str, Any]]:
    """What a toy wrote down."""
    return module.notes


@beside
def trainable(module: nn.Module) -> list[str]:
    """The names of the parameters that require a gradient."""
    return [name for name, p in module.named_parameters() if p.requires_grad]


@beside
def freeze(module: nn.Module) -> None:
    """Let no parameter require a gradient."""
    module.requires_grad_(False)


class Noting(nn.Module):
    """A linear probe that takes notes, and whose dev accuracy follows a script.

    Features are (example's number, 1 for dev, x...). For a training example the logits are those
    of the linear layer. For a dev example they say the right label when its number is below
    ``script[epoch - 1]``; the epoch follows from the number of training examples seen with
    gradients. Before the first epoch everything is wrong.
    """

    def __init__(self, weight: Tensor, size: int, dev_labels: Tensor, script: list[int]) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.clone())
        self.size, self.dev_labels, self.script = size, dev_labels, script
        self.seen = 0
        self.notes: list[dict[str, Any]] = []

    def forward(self, features: Tensor) -> Tensor:
        numbers, dev = features[:, 0].long(), features[:, 1] > 0.5
        logits = features[:, 2:] @ self.weight.t()  # (batch, classes)
        learning = torch.is_grad_enabled() and not bool(dev.all())
        if learning:
            self.seen += int((~dev).sum())
        epoch = min(-(-self.seen // self.size), len(self.script))
        self.notes.append(
            {
                "numbers": numbers.clone(),
                "dev": dev.clone(),
                "learning": learning,
                "training": self.training,
                "epoch": epoch,
                "logits": logits.detach().clone(),
                "weight": self.weight.detach().clone(),
            }
        )
        if not bool(dev.any()):
            return logits
        right = numbers < (self.script[epoch - 1] if epoch else 0)
        classes = self.weight.size(0)
        told = torch.where(dev, self.dev_labels[numbers % len(self.dev_labels)], 0)
        told = (told + (~right).long()) % classes
        said = 5.0 * nn.functional.one_hot(told, classes) + 0.0 * logits
        return torch.where(dev.unsqueeze(1), said, logits)


def noting(weight: Tensor, size: int, dev_labels: Tensor, script: list[int]) -> Noting:
    """A probe that takes notes, in eval mode."""
    return Noting(weight, size, dev_labels, script).eval()


def small_probe(in_features: int, num_classes: int, hidden: int = 0) -> nn.Module:
    """A classifier for real training, in training mode: linear, or with a hidden layer."""
    if hidden == 0:
        return nn.Linear(in_features, num_classes)
    return nn.Sequential(nn.Linear(in_features, hidden), nn.ReLU(), nn.Linear(hidden, num_classes))


@beside
def train_on_features(function: Callable[..., Tensor], args: Sequence[Any]) -> bool:
    """Whether a layer on extracted features gets a gradient."""
    features = function(*args)
    weight = torch.ones(features.size(1), requires_grad=True)
    (features @ weight).sum().backward()
    return weight.grad is not None


FAMILIES = ("bert", "gpt2", "llama")


def tiny(family: str, layers: int = 3, head: bool = False) -> nn.Module:
    """A tiny random model of a family, in eval mode; ``head`` keeps a decoder's language model."""
    return copy.deepcopy(_tiny(family, layers, head))  # five times as fast as to make one


@functools.cache
def _tiny(family: str, layers: int, head: bool) -> nn.Module:
    made: Any
    if family == "bert":
        made = BertModel(
            BertConfig(
                vocab_size=VOCABULARY,
                hidden_size=8,
                num_hidden_layers=layers,
                num_attention_heads=2,
                intermediate_size=8,
                max_position_embeddings=16,
            )
        )
    elif family == "gpt2":
        made = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=VOCABULARY,
                n_embd=8,
                n_layer=layers,
                n_head=2,
                n_positions=16,
                bos_token_id=1,
                eos_token_id=1,
            )
        )
    else:
        made = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=VOCABULARY,
                hidden_size=8,
                num_hidden_layers=layers,
                num_attention_heads=2,
                num_key_value_heads=1,
                intermediate_size=8,
                max_position_embeddings=16,
            )
        )
    return (made if head or family == "bert" else made.base_model).eval()


@beside
def chosen(function: Callable[..., Any], model: nn.Module, n: int) -> dict[str, Any]:
    """What tune_last_layers does: names of all, trainable and returned parameters.

    A returned object that is no parameter of the model has the name of its type.
    """
    names = {id(p): name for name, p in model.named_parameters()}
    result = function(model, n)
    returned = list(result) if isinstance(result, Iterable) else [result]
    return {
        "all": list(names.values()),
        "trainable": trainable(model),
        "returned": [names.get(id(p), f"({type(p).__name__})") for p in returned],
    }


@beside
def changed_by_training(function: Callable[..., Any], model: nn.Module, n: int) -> list[str]:
    """The names of the parameters that one step of an optimizer on the returned ones changes."""
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.SGD(list(function(model, n)), lr=1.0)
    output = model(input_ids=torch.tensor([[1, 5, 2, 8]]))
    result = getattr(output, "last_hidden_state", None)
    result = output.logits if result is None else result
    (result * torch.arange(result.size(-1))).sum().backward()
    optimizer.step()
    return [n for n, p in model.named_parameters() if not torch.equal(p.detach(), before[n])]


@beside
def gradients_stay_on(function: Callable[..., Any], args: Sequence[Any]) -> bool:
    """Whether gradients are still recorded after a call; they are on again afterwards."""
    torch.set_grad_enabled(True)
    function(*args)
    on = torch.is_grad_enabled()
    torch.set_grad_enabled(True)
    return on

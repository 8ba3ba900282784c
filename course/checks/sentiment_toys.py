"""Scripted encoders, models and a tokenizer that the checks of `sentiment` share.

The encoders look like Hugging Face's from outside and write down how they are called. What they
compute is known: the hidden state of a token follows from its id, and, if ``context`` is not 0,
from the mean over all tokens that the attention mask lets through.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertConfig, BertTokenizer
from transformers.modeling_outputs import BaseModelOutputWithPooling

from course.checks import live
from course.checks.base import Draw, as_tensor, expect
from course.checks.live import beside

HERE = "course.checks.sentiment_toys"
WORDS, DIM = 12, 6  # the scripted encoders' vocabulary and hidden size
LIMIT = 512  # tokens that the tokenizer and the scripted model take
_calls: list[dict[str, Any]] = []  # what the scripted modules of this process were called with


def write_down(training: bool, **tensors: Tensor | None) -> None:
    """Note one call: copies of its tensors, the mode, whether gradients are recorded."""
    copies = {n: None if t is None else t.detach().clone() for n, t in tensors.items()}
    _calls.append(copies | {"training": training, "gradients": torch.is_grad_enabled()})
    del _calls[:-50]


@beside
def calls(near: Any) -> list[dict[str, Any]]:
    """The notes since the last question, oldest first; they are forgotten then."""
    found = list(_calls)
    _calls.clear()
    return found


class Layer(nn.Module):
    """Adds to each token a share of the mean of all tokens that the mask lets through."""

    def __init__(self, context: float) -> None:
        super().__init__()
        self.dense = nn.Linear(DIM, DIM)
        self.context = context

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        weights = mask.to(x.dtype)[..., None]  # (batch, length, 1)
        mean = (x * weights).sum(1, keepdim=True) / weights.sum(1, keepdim=True).clamp(min=1)
        return self.dense(x + self.context * mean)


class Stack(nn.Module):
    """The layers of a scripted encoder, named as in Hugging Face's BERT."""

    def __init__(self, context: float) -> None:
        super().__init__()
        self.layer = nn.ModuleList([Layer(context)])


class ScriptedEncoder(nn.Module):
    """Hidden states from a table; the interface of Hugging Face's encoders, without a pooler."""

    def __init__(self, table: Tensor, context: float = 0.0, rate: float = 0.0) -> None:
        super().__init__()
        self.config = BertConfig(
            vocab_size=len(table), hidden_size=table.size(1), max_position_embeddings=LIMIT
        )
        self.embeddings = nn.Embedding.from_pretrained(table.clone(), freeze=False)
        self.dropout = nn.Dropout(rate)
        self.encoder = Stack(context)

    @property
    def device(self) -> torch.device:
        return self.embeddings.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.embeddings.weight.dtype

    def get_input_embeddings(self) -> nn.Module:
        """The word embeddings, as Hugging Face's models offer them."""
        return self.embeddings

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        output_hidden_states: bool = False,
        return_dict: bool = True,
        **others: Any,
    ) -> Any:
        write_down(self.dropout.training, input_ids=input_ids, attention_mask=attention_mask)
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        first = self.dropout(self.embeddings(input_ids))  # (batch, length, dim)
        last = self.encoder.layer[0](first, mask)
        output = BaseModelOutputWithPooling(
            last_hidden_state=last, hidden_states=(first, last) if output_hidden_states else None
        )
        return output if return_dict else output.to_tuple()


class ScriptedModel(nn.Module):
    """One logit a text: the sum of its tokens' values, and 5 more where dropout is on."""

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.values = nn.Parameter(values.clone())
        self.dropout = nn.Dropout(0.5)
        self.config = BertConfig(vocab_size=len(values), max_position_embeddings=LIMIT)

    @property
    def device(self) -> torch.device:
        return self.values.device

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        write_down(self.dropout.training, input_ids=input_ids, attention_mask=attention_mask)
        if input_ids.dim() != 2:
            raise ValueError(f"input_ids must be (batch, length), not {tuple(input_ids.shape)}")
        if input_ids.size(1) > LIMIT:
            raise IndexError(f"{input_ids.size(1)} tokens, but there are only {LIMIT} positions")
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        return (self.values[input_ids] * mask).sum(1) + 5.0 * self.dropout.training  # (batch,)


def scripted_encoder(
    table: Tensor, weight: Tensor, bias: Tensor, context: float = 0.0, rate: float = 0.0
) -> ScriptedEncoder:
    """A scripted encoder in eval mode, as from_pretrained gives one; all arguments are values."""
    encoder = ScriptedEncoder(table, context, rate)
    layer = encoder.encoder.layer[0]
    assert isinstance(layer, Layer)
    with torch.no_grad():
        layer.dense.weight.copy_(weight)
        layer.dense.bias.copy_(bias)
    return encoder.eval()


def scripted_model(values: Tensor) -> ScriptedModel:
    """A scripted sentiment model in eval mode, with a value a token of the toy tokenizer."""
    return ScriptedModel(values).eval()


PLAIN = ["good", "bad", "film", "not", "a", "dull", "fine", "plot"]
VOCABULARY = ["[PAD]", *PLAIN[:2], "[CLS]", "[SEP]", *PLAIN[2:6], "[UNK]", *PLAIN[6:], "[MASK]"]


def tokenizer(types: bool = True) -> BertTokenizer:
    """A WordPiece tokenizer for texts of up to 512 tokens; it gives token_type_ids as BERT's."""
    names = ["input_ids", *["token_type_ids"] * types, "attention_mask"]
    ids = {token: place for place, token in enumerate(VOCABULARY)}
    return BertTokenizer(vocab=ids, model_input_names=names, model_max_length=LIMIT)


def token_ids(text: str) -> list[int]:
    """The ids of a text of whole words from VOCABULARY, with [CLS] and [SEP]."""
    return [VOCABULARY.index(token) for token in ("[CLS]", *text.split(), "[SEP]")]


def an_encoder(
    near: Any, draw: Draw, context: float = 0.0, rate: float = 0.0, blind: bool = False
) -> Any:
    """A scripted encoder beside ``near`` with random weights.

    ``blind``: its last hidden states are the same for every token, its embeddings are not.
    """
    weight = torch.linalg.qr(draw.normal(DIM, DIM))[0] * (not blind)  # a rotation loses no token
    table, bias = 1.5 * draw.normal(WORDS, DIM), 0.3 * draw.normal(DIM)
    path = f"{HERE}:scripted_encoder"
    return live.make(near, path, table, weight, bias, context=context, rate=rate)


def over(student: Any, encoder: Any, draw: Draw, *sizes: Any, **options: Any) -> Any:
    """A seeded model of the student's over an encoder, in training mode, called once already.

    The first call fills parameters that a student may have made lazily.
    """
    live.seed(student, draw.integer(0, 2**31))
    model = student(encoder, *sizes, **options)
    live.set_mode(model, True)
    ids, mask = a_batch(draw, [3, 2])
    logits = model(ids, mask)
    # What is no tensor fails by itself; these agree with themselves whatever a check asks.
    expect(
        not isinstance(logits, Tensor) or bool((logits.isfinite() & (logits != 0)).any()),
        "The result is empty, or all zeros, or NaN: compute the logits from the hidden states.",
    )
    expect(
        not isinstance(logits, Tensor) or not torch.equal(logits, ids),
        "The result is input_ids as they are: compute the logits from the hidden states.",
    )
    calls(student)
    return model


def build(
    student: Any,
    draw: Draw,
    *sizes: Any,
    training: bool = False,
    context: float = 0.0,
    rate: float = 0.0,
    **options: Any,
) -> Any:
    """A model of the student's over a scripted encoder, in the mode that is asked for."""
    model = over(student, an_encoder(student, draw, context, rate), draw, *sizes, **options)
    live.set_mode(model, training)
    return model


def a_batch(draw: Draw, lengths: list[int], side: str = "right") -> tuple[Tensor, Tensor]:
    """Random input_ids (texts, longest) and their attention mask, int64, padded on one side."""
    longest = max(lengths)
    places = torch.arange(longest)
    rows = [places < n if side == "right" else places >= longest - n for n in lengths]
    return draw.integers(0, WORDS - 1, len(lengths), longest), torch.stack(rows).long()


def alone(model: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """The logits of each text by itself, without any padding, (batch,) or (batch, classes)."""
    found = []
    for row, content in zip(ids, mask.bool(), strict=True):
        text = row[content][None]  # (1, tokens)
        found.append(as_tensor(model(text, torch.ones_like(text)), "The logits").flatten())
    return torch.stack(found).squeeze(1)


def flat(model: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """GruSentiment's logits as (batch,), also where a student forgot to drop the last axis."""
    logits = as_tensor(model(ids, mask), "The result").flatten()
    expect(
        logits.numel() == len(ids),
        f"There are {logits.numel()} numbers for {len(ids)} texts: one logit a text is wanted.",
    )
    return logits


def rms(x: Tensor) -> float:
    """The root of the mean square."""
    return float(x.double().pow(2).mean().sqrt())


@beside
def encoder_names(model: nn.Module, likeness: nn.Module) -> list[str]:
    """The names of a model's parameters that are (copies of) those of a scripted encoder."""
    theirs = [p.detach() for p in likeness.parameters()]
    return [
        name
        for name, p in model.named_parameters()
        if any(p.shape == t.shape and torch.equal(p.detach(), t) for t in theirs)
    ]


@beside
def sizes(model: nn.Module) -> dict[str, int]:
    """How many numbers each parameter of a module holds."""
    return {name: parameter.numel() for name, parameter in model.named_parameters()}


@beside
def slopes(model: nn.Module, ids: Tensor, mask: Tensor) -> dict[str, float]:
    """The largest slope of the summed squares of the logits by each parameter; 0 without any."""
    named = dict(model.named_parameters())
    total = model(ids, mask).square().sum()
    if not total.requires_grad:
        return dict.fromkeys(named, 0.0)
    learning = {name: p for name, p in named.items() if p.requires_grad}
    found = torch.autograd.grad(total, [*learning.values()], allow_unused=True)
    reached = {n: g for n, g in zip(learning, found, strict=True) if g is not None}
    return {name: float(reached[name].abs().max()) if name in reached else 0.0 for name in named}


@beside
def learn(
    model: nn.Module, ids: Tensor, mask: Tensor, labels: Tensor, batch: int, rate: float
) -> float:
    """Train with AdamW on all parameters, a pass over the texts; returns the last loss.

    labels: float for one logit a text, int64 for one logit a class. Clips gradients as usual.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    loss = torch.zeros(())
    for start in range(0, len(ids), batch):
        part = slice(start, start + batch)
        longest = int(mask[part].sum(1).max())
        logits = model(ids[part, :longest], mask[part, :longest])
        if labels.is_floating_point():
            loss = F.binary_cross_entropy_with_logits(logits.flatten(), labels[part])
        else:
            loss = F.cross_entropy(logits, labels[part])
        if not loss.requires_grad:
            break
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    optimizer.zero_grad()
    return loss.item()


class Trained(NamedTuple):
    """Names of parameters after some steps of training: the encoder's and the model's own."""

    encoder_moved: list[str]
    encoder_still: list[str]
    own_moved: list[str]
    own_still: list[str]


def trained(model: Any, encoder: Any, draw: Draw, labels: Tensor) -> Trained:
    """Train a model a little, all of its parameters, and see which ones move.

    A student may have copied the encoder: it is known by its values. One that is no part of the
    model counts as well.
    """
    theirs = set(encoder_names(model, encoder))
    before, beside_it = live.parameters(model), live.parameters(encoder)
    live.set_mode(model, True)
    learn(model, *a_batch(draw, [6] * len(labels)), labels, 4, 0.1)
    after, now = live.parameters(model), live.parameters(encoder)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    outside = [] if theirs else [n for n in now if not torch.equal(beside_it[n], now[n])]
    return Trained(
        sorted(moved & theirs) + outside,
        sorted(theirs - moved) + ([] if theirs else sorted({*now} - {*outside})),
        sorted(moved - theirs),
        sorted({*before} - moved - theirs),
    )


@beside
def fresh_logits(
    student: Callable[..., nn.Module], make: list[Any], ids: Tensor, mask: Tensor, count: int
) -> Tensor:
    """Logits (count, batch) of fresh models, whose own parameters are made 1000 times larger.

    make: the encoder and the further arguments of the student's class.
    """
    found = []
    for number in range(count):
        torch.manual_seed(number)
        model = student(*make)
        model.eval()
        model(ids, mask)  # fills parameters that were made lazily
        theirs = set(encoder_names(model, make[0]))
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name not in theirs:
                    parameter.mul_(1000.0)
            found.append(model(ids, mask).flatten())
    return torch.stack(found)


@beside
def modes_return_it(model: nn.Module) -> bool:
    """Whether train() and eval() return the model, as every module's do."""
    return model.train() is model and model.eval() is model


@beside
def accuracy_with_gradients(function: Callable[..., Any], logits: Tensor, labels: Tensor) -> Any:
    """The result for logits as a model in training gives them: they require gradients."""
    return function(logits.clone().requires_grad_() * 1.0, labels)


@beside
def gradients_stay_on(function: Callable[..., Any], args: list[Any]) -> bool:
    """Whether gradients are still recorded after a call; they are on again afterwards."""
    torch.set_grad_enabled(True)
    function(*args)
    on = torch.is_grad_enabled()
    torch.set_grad_enabled(True)
    return on


def as_probability(value: Any) -> float:
    """predict_sentiment's answer, which must be a float from 0 to 1."""
    expect(
        isinstance(value, float),
        f"The probability must be a Python float, but it is a {type(value).__name__}: use .item().",
    )
    expect(
        0.0 <= value <= 1.0,
        f"The result is {value:.3f}, which is no probability: take the sigmoid of the logit.",
    )
    return float(value)


def sigmoid(x: float) -> float:
    """1 / (1 + e^-x)."""
    return 1 / (1 + math.exp(-x))

"""Toys of exercise 10: language models whose next-token table is known, two small tokenizers.

Models and tokenizers are made beside the student's code with ``live.make``; the checks recompute
every probability from the same table in double precision.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast
from transformers.modeling_outputs import CausalLMOutput

from course.checks.base import Draw, close, expect, suspect
from course.checks.live import beside, make

HERE = "course.checks.finetuning_toys"
WORDS = ["the", "a", "cat", "dog", "bird", "king", "queen", "sat", "ran", "sang", "old", "red"]
END = "<|endoftext|>"
STATES = 97
Pair = tuple[str, str]


def vocabulary() -> list[str]:
    """The toy tokenizer's tokens by id: each word alone, and with its leading space as Ġword."""
    return [END, ".", "!", "?", *WORDS, *(f"Ġ{word}" for word in WORDS)]


def tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer of 28 whole words that keep their leading space, as GPT-2's do."""
    ids = {token: place for place, token in enumerate(vocabulary())}
    backend = Tokenizer(WordLevel(ids, unk_token=END))
    backend.pre_tokenizer = ByteLevel(add_prefix_space=False)
    backend.decoder = ByteLevelDecoder()
    return _fast(tokenizer_object=backend)


def real_tokenizer() -> PreTrainedTokenizerFast:
    """The byte-level BPE of the course's small GPT-2, 4,096 pieces."""
    path = Path(__file__).resolve().parent.parent / "assets" / "small_gpt2" / "tokenizer.json"
    return _fast(tokenizer_file=str(path))


def _fast(**source: Any) -> PreTrainedTokenizerFast:
    special = {f"{name}_token": END for name in ("bos", "eos", "unk", "pad")}
    names = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(**source, **special, model_input_names=names)


@functools.cache
def _known(real: bool) -> PreTrainedTokenizerFast:
    """The judge's own copy of a tokenizer."""
    return real_tokenizer() if real else tokenizer()


def ids_of(text: str, real: bool = False) -> list[int]:
    """The ids of a text, without special tokens."""
    return list(_known(real)(text, add_special_tokens=False)["input_ids"])


@dataclass
class Table:
    """A language model on paper: logits of the next token from the last one and all before it.

    They are ``after[last token] + given[state]``, where the state is the sum of ``weight`` over all
    tokens so far, modulo 97. The end-of-text token weighs nothing.
    """

    after: Tensor  # (vocab, vocab)
    given: Tensor  # (states, vocab)
    weight: Tensor  # (vocab,)

    def rows(self, ids: Sequence[int]) -> Tensor:
        """log p of every token that may follow each place, (length, vocab)."""
        row = torch.tensor(ids)
        state = self.weight[row].cumsum(0) % STATES
        logits = self.after.double()[row] + self.given.double()[state]  # (length, vocab)
        return logits.log_softmax(dim=-1)

    def log_p(self, ids: Sequence[int]) -> list[float]:
        """log p of each token but the first, given all before it."""
        return self.rows(ids)[torch.arange(len(ids) - 1), torch.tensor(ids[1:])].tolist()

    def target(self, pair: Pair, space: str = " ") -> list[float]:
        """log p of each token of the second sentence, given the first."""
        second = ids_of(space + pair[1])
        return self.log_p(ids_of(pair[0]) + second)[-len(second) :]

    def everything(self, pair: Pair) -> list[float]:
        """log p of each token of the pair but the very first."""
        return self.log_p(ids_of(pair[0]) + ids_of(" " + pair[1]))

    def perplexity(self, pairs: Sequence[Pair]) -> float:
        """What is to be measured: over all target tokens of the corpus."""
        return exp_mean([value for pair in pairs for value in self.target(pair)])


def a_table(draw: Draw, spread: float = 2.0) -> Table:
    """A random table."""
    size = len(vocabulary())
    weight = draw.integers(1, STATES - 1, size)
    weight[0] = 0
    return Table(spread * draw.normal(size, size), spread * draw.normal(STATES, size), weight)


def exp_mean(log_p: Sequence[float]) -> float:
    """The perplexity of tokens with these log-probabilities."""
    return math.exp(-sum(log_p) / len(log_p))


class Scripted(nn.Module):
    """A table as a model; the interface of our GPT, which refuses more than 1,024 tokens.

    In training mode its logits are rolled along the vocabulary (its dropout, so to say). It writes
    down, at each call, its mode and whether gradients were recorded.
    """

    block_size = 1024

    def __init__(self, after: Tensor, given: Tensor, weight: Tensor) -> None:
        super().__init__()
        self.after, self.given = nn.Parameter(after.clone()), nn.Parameter(given.clone())
        self.register_buffer("weight", weight.clone())
        self.notes: list[dict[str, bool]] = []

    def logits(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        if input_ids.dim() != 2:
            raise ValueError(f"input_ids must be (batch, length), not {tuple(input_ids.shape)}")
        if not 1 <= input_ids.size(1) <= self.block_size:
            raise ValueError(f"{input_ids.size(1)} tokens, expected 1 to {self.block_size}")
        self.notes.append({"training": self.training, "gradients": torch.is_grad_enabled()})
        assert isinstance(self.weight, Tensor)
        weight = self.weight[input_ids]  # (batch, length)
        if attention_mask is not None:
            weight = weight * attention_mask.long()
        rows = self.after[input_ids] + self.given[weight.cumsum(1) % STATES]
        return rows.roll(7, -1) if self.training else rows  # (batch, length, vocab)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Any:
        return self.logits(input_ids, attention_mask)


class ScriptedHuggingFace(Scripted):
    """The same with Hugging Face's interface: keywords at will, an output with ``.logits``."""

    config = SimpleNamespace(max_position_embeddings=1024, n_positions=1024, pad_token_id=0)

    @property
    def device(self) -> torch.device:
        return self.after.device

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        **others: Any,
    ) -> Any:
        logits, loss = self.logits(input_ids, attention_mask), None
        if labels is not None:  # shifted in here, as Hugging Face does
            loss = nn.functional.cross_entropy(logits[:, :-1].transpose(1, 2), labels[:, 1:])
        return CausalLMOutput(loss=loss, logits=logits)


def scripted(after: Tensor, given: Tensor, weight: Tensor, wrapped: bool = False) -> Scripted:
    """A scripted model in eval mode."""
    return (ScriptedHuggingFace if wrapped else Scripted)(after, given, weight).eval()


def tiny_gpt2(seed: int) -> GPT2LMHeadModel:
    """A real GPT-2 of one small layer with large random weights, in eval mode."""
    shape: dict[str, Any] = {
        "n_positions": 96,
        "n_embd": 8,
        "n_layer": 1,
        "n_head": 2,
        "n_inner": 8,
    }
    model = GPT2LMHeadModel(GPT2Config(vocab_size=4096, bos_token_id=0, eos_token_id=0, **shape))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(0.7 * torch.randn(weight.shape, generator=generator))
    model.loss_type = "ForCausalLM"  # the class name hides it: a warning at the first loss
    return model.eval()


def tiny_log_p(model: GPT2LMHeadModel, first: Sequence[int], second: Sequence[int]) -> Tensor:
    """log p of each token of ``second`` after ``first``, in double precision."""
    row = torch.tensor([[*first, *second]])
    with torch.no_grad():
        log_p = model(row).logits[0].double().log_softmax(dim=-1)[len(first) - 1 : -1]
    return log_p[torch.arange(len(second)), row[0, len(first) :]]


def a_chain(draw: Draw) -> tuple[Pair, list[int]]:
    """A pair of 4 and 4 tokens that all differ, and its ids."""
    words = [WORDS[i] for i in draw.permutation(len(WORDS))[:6].tolist()]
    pair = (" ".join(words[:3]) + ".", " ".join(words[3:]) + "!")
    return pair, ids_of(pair[0]) + ids_of(" " + pair[1])


def sure_table(ids: Sequence[int], doubts: dict[int, float]) -> Table:
    """A table that says each of the ids after the one before it, for certain.

    ``doubts`` gives the probability of the ids at some places instead.
    """
    size = len(vocabulary())
    after = torch.zeros(size, size)
    for place in range(1, len(ids)):
        p = doubts.get(place)
        # One logit against size - 1 of zero.
        logit = 60.0 if p is None else math.log((size - 1) * p / (1 - p))
        after[ids[place - 1], ids[place]] = logit
    return Table(after, torch.zeros(STATES, size), torch.zeros(size, dtype=torch.int64))


@beside
def notes(model: Scripted) -> list[dict[str, bool]]:
    """What a scripted model wrote down at each call."""
    return model.notes


@beside
def gradients_stay_on(function: Callable[..., Any], args: list[Any]) -> bool:
    """Whether gradients are still recorded after a call; they are on again afterwards."""
    torch.set_grad_enabled(True)
    function(*args)
    on = torch.is_grad_enabled()
    torch.set_grad_enabled(True)
    return on


def model_of(student: Any, table: Table, wrapped: bool = False) -> Any:
    """A scripted model beside the student's code."""
    path = f"{HERE}:scripted"
    return make(student, path, table.after, table.given, table.weight, wrapped=wrapped)


def measure(student: Any, table: Table, pairs: list[Pair], wrapped: bool = False) -> float:
    """perplexity's answer with a scripted model and the toy tokenizer."""
    model = model_of(student, table, wrapped)
    return as_perplexity(student(model, make(student, f"{HERE}:tokenizer"), pairs))


def as_perplexity(value: Any) -> float:
    """perplexity's answer as a float; fails the check for a number that no perplexity can be."""
    got = as_number(value, "perplexity")
    suspect(
        got > 1 - 1e-3,
        f"The perplexity is {got:g}, but exp of a mean of -log p is never below 1: compute it from "
        "the model's probabilities.",
    )
    return got


def judge(got: float, wanted: float, mistakes: dict[str, float], otherwise: str) -> None:
    """Fail unless ``got`` is ``wanted``: with the words of the mistake that gives that number."""
    if same(got, wanted):
        return
    for message, value in mistakes.items():
        expect(not same(got, value), message)
    expect(False, otherwise)


def as_number(value: Any, name: str) -> float:
    """``value`` as a float; fails the check when it is not one number."""
    single = not isinstance(value, (str, bytes, list, tuple, dict, bool)) and value is not None
    if single and isinstance(value, Tensor):
        single = value.numel() == 1
    expect(single, f"{name} must return one float, but it returns a {type(value).__name__}.")
    return float(value)


def same(got: float, wanted: float, tolerance: float = 1e-3) -> bool:
    """Whether two numbers agree to a relative ``tolerance``."""
    scale = max(abs(wanted), 1e-6)
    return close(torch.tensor(got / scale), torch.tensor(wanted / scale), tolerance)


def a_sentence(draw: Draw, words: int, end: str = ".") -> str:
    """Random words of the toy vocabulary with a full stop."""
    return " ".join(draw.choice(WORDS) for _ in range(words)) + end


def a_pair(draw: Draw, first: int, second: int) -> Pair:
    """Two sentences of so many words."""
    return a_sentence(draw, first), a_sentence(draw, second, draw.choice(".!?"))

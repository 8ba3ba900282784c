"""Toys of exercise 11: models whose next-token tables are known, score rules, brute force.

Models and rules are made beside the student's code with ``live.make``; the check makes the same
ones for itself and knows the answer.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from course.checks.base import as_tensor, expect
from course.checks.live import beside

HERE = "course.checks.beam_search_toys"
KEYS = ("output_ids", "beam_scores", "token_scores")
UNREAL = -1e8  # beams that score less stand for no sequence at all
Rule = Callable[[Tensor, Tensor], Tensor]


class Scripted(nn.Module):
    """Logits from a table; our models' interface. It remembers what it said.

    A position's row of the table is the token there, or, with ``history``, a number made from all
    tokens up to there. In training mode the rows are rolled by one word: its dropout.
    """

    def __init__(self, table: Tensor, history: bool) -> None:
        super().__init__()
        self.table = nn.Parameter(table.clone())
        self.history = history
        self.said: list[tuple[Tensor, Tensor]] = []

    def logits(self, input_ids: Tensor) -> Tensor:
        if input_ids.dim() != 2:
            raise ValueError(f"input_ids must be (batch, length), not {tuple(input_ids.shape)}")
        rows = input_ids.long()  # (batch, length)
        if self.history:
            kept, number = [], torch.zeros_like(rows[:, 0])  # (batch,)
            for column in rows.unbind(dim=1):
                number = (number * 31 + column + 1) % len(self.table)
                kept.append(number)
            rows = torch.stack(kept, dim=1)  # (batch, length)
        logits = self.table[rows].roll(int(self.training), -1)  # (batch, length, vocab)
        self.said.append((logits, logits.detach().clone()))
        return logits

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Any:
        return self.logits(input_ids)


class ScriptedHuggingFace(Scripted):
    """The same with Hugging Face's interface: keywords at will, an output with ``.logits``."""

    @property
    def device(self) -> torch.device:
        return self.table.device

    def forward(self, input_ids: Tensor, attention_mask: Any = None, **others: Any) -> Any:
        return CausalLMOutputWithPast(logits=self.logits(input_ids))


def scripted(table: Tensor, history: bool = False, wrapped: bool = False) -> Scripted:
    """A scripted model in eval mode."""
    return (ScriptedHuggingFace if wrapped else Scripted)(table, history).eval()


def tiny_gpt2(seed: int, words: int = 11) -> GPT2LMHeadModel:
    """A GPT-2 of transformers, with a KV cache, random weights and strong opinions."""
    config = GPT2Config(
        vocab_size=words,
        n_positions=32,
        n_embd=16,
        n_layer=2,
        n_head=2,
        initializer_range=0.7,
        bos_token_id=None,
        eos_token_id=None,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return GPT2LMHeadModel(config).eval()


def chances(words: int, table: dict[int, dict[int, float]], rare: float = -20.0) -> Tensor:
    """Logits (words, words) from the chances of the next word after each word.

    Words that are not named are practically impossible. Each row gets a constant of its own, which
    a softmax does not see: logits are no log-probabilities.
    """
    logits = torch.full((words, words), rare)
    for last, row in table.items():
        for word, chance in row.items():
            logits[last, word] = torch.tensor(chance).log()
    return logits + 1.5 * torch.arange(words).unsqueeze(1) - 2.0


@dataclass
class Favour:
    """A rule: one word's score changes by ``by``."""

    word: int
    by: float

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        changed = scores.clone()
        changed[:, self.word] += self.by
        return changed


@dataclass
class Scale:
    """A rule: all scores are multiplied."""

    factor: float

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        return scores * self.factor


@dataclass
class After:
    """A rule: a row of the table, chosen by the last token and the prompt's first, is added."""

    table: Tensor

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        rows = (input_ids[:, -1] + 2 * input_ids[:, 0]) % len(self.table)  # (beams,)
        return scores + self.table[rows]


@dataclass
class NoEcho:
    """A rule: the last token does not come again at once."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        return scores.scatter(1, input_ids[:, -1:], -1e9)


@dataclass
class BlockAll:
    """A rule: from ``length`` tokens on everything is blocked."""

    length: int
    value: float

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if input_ids.size(1) < self.length:
            return scores.clone()
        return torch.full_like(scores, self.value)


class Notes:
    """A rule that changes nothing and writes down what it was called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[Tensor, Tensor]] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        self.calls.append((input_ids.detach().clone(), scores.detach().clone()))
        return scores.clone()


def rule(name: str, *args: Any) -> Any:
    """One of the rules above, by name."""
    known = {kind.__name__: kind for kind in (Favour, Scale, After, NoEcho, BlockAll, Notes)}
    return known[name](*args)


@beside
def calls(notes: Any) -> list[tuple[Tensor, Tensor]]:
    """The (input_ids, scores) of each call of a Notes rule."""
    return notes.calls


@beside
def said_and_kept(model: Any) -> tuple[list[Tensor], list[Tensor]]:
    """What a scripted model answered, as it is now and as it was; and its table last."""
    now = [logits.detach().clone() for logits, _ in model.said]
    return now, [before for _, before in model.said]


@beside
def records_gradients(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
    """Whether a tensor of the returned dict hangs on a graph."""
    return any(value.requires_grad for value in function(*args, **kwargs).values())


@dataclass(frozen=True)
class Found:
    """What a search returned, checked for keys, types and shapes."""

    ids: Tensor  # int64 (beams, length + new)
    scores: Tensor  # float64 (beams,)
    token_scores: Tensor  # float64 (beams, new)
    prompt: int  # its length

    @property
    def new(self) -> list[list[int]]:
        """The new tokens of each beam."""
        return self.ids[:, self.prompt :].tolist()

    def real(self) -> dict[tuple[int, ...], float]:
        """The sequences that stand for something, with their scores."""
        rows = zip(self.ids.tolist(), self.scores.tolist(), strict=True)
        return {tuple(ids): score for ids, score in rows if score > UNREAL}


def found(result: Any, prompt: Tensor) -> Found:
    """The result of a search as ``Found``; fails the check in words when its form is wrong."""
    expect(
        not isinstance(result, (tuple, list, Tensor)),
        f"beam_search must return a dict, but it returns a {type(result).__name__}.",
    )
    try:
        values = [result[key] for key in KEYS]
    except (KeyError, TypeError, AttributeError):
        names = list(result) if isinstance(result, dict) else type(result).__name__
        expect(False, f"beam_search must return a dict with the keys {list(KEYS)}, not {names}.")
    ids, scores, tokens = (as_tensor(v, key) for v, key in zip(values, KEYS, strict=True))
    expect(ids.dim() == 2, f"output_ids must be (beams, length), not {tuple(ids.shape)}.")
    beams, new = ids.size(0), ids.size(1) - prompt.size(1)
    expect(
        not ids.is_floating_point()
        and new > 0
        and bool((ids[:, : prompt.size(1)] == prompt).all()),
        f"output_ids of shape {tuple(ids.shape)} do not begin with the prompt of {prompt.size(1)} "
        "tokens: return prompt and new tokens together, as integers.",
    )
    as_tensor(scores, "beam_scores", (beams,))
    as_tensor(tokens, "token_scores", (beams, new))
    return Found(ids.long(), scores.double(), tokens.double(), prompt.size(1))


def next_log_p(model: nn.Module, ids: Tensor) -> Tensor:
    """Log-probabilities (rows, vocab), float64, of the token that follows ids (rows, length)."""
    with torch.no_grad():
        output = model(ids)
    return getattr(output, "logits", output)[:, -1].double().log_softmax(dim=-1)


def processed(model: nn.Module, ids: Tensor, rules: Sequence[Rule] = ()) -> Tensor:
    """What each word adds to the score of each row: log-probabilities after all rules."""
    scores = next_log_p(model, ids)
    for one in rules:
        scores = one(ids, scores)
    return scores


def rescored(
    model: nn.Module, ids: Tensor, prompt: int, rules: Sequence[Rule] = (), end: int | None = None
) -> Tensor:
    """The score of every new token of whole sequences (beams, new), computed one by one."""
    columns = []
    done = torch.zeros(len(ids), dtype=torch.bool)
    for place in range(prompt, ids.size(1)):
        token = ids[:, place]
        scores = processed(model, ids[:, :place], rules).gather(1, token.unsqueeze(1)).squeeze(1)
        columns.append(torch.where(done, 0.0, scores))
        done = done | (token == (-1 if end is None else end))
    return torch.stack(columns, dim=1)


def every_sequence(
    model: nn.Module, prompt: Tensor, words: int, steps: int
) -> tuple[Tensor, Tensor]:
    """All continuations: ids (words ** steps, length + steps), their scores; the best first."""
    tails = torch.tensor(list(itertools.product(range(words), repeat=steps)))
    ids = torch.cat([prompt.expand(len(tails), -1), tails], dim=1)
    scores = rescored(model, ids, prompt.size(1)).sum(dim=1)
    order = scores.argsort(descending=True)
    return ids[order], scores[order]

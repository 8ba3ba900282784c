"""Toys of exercise 9: a scripted language model, known weights for any GPT, small oracles.

The scripted model's next-token table is known, so a check can follow it step by step. A student's
GPT is given weights by the shapes of its parameters, never by their names.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import ByteLevel, WhitespaceSplit
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from transformers import PreTrainedTokenizerFast
from transformers.modeling_outputs import CausalLMOutput

from course.checks import live
from course.checks.base import Draw, as_pair, as_tensor, expect, suspect
from course.checks.encoder_toys import along_dim, is_gain
from course.checks.live import beside

HERE = "course.checks.gpt_toys"
# Sizes of which none is a multiple of another one, nor of three or four times the width.
WORDS, BLOCK, DIM, HEADS = 13, 11, 8, 2
WIDE = 4 * DIM
NOUNS = ["a", "cat", "dog", "king", "mill", "old", "owl", "sat", "sea", "the", "tower", "was"]


# ---- the scripted language model -------------------------------------------------------------


def row_of(window: Tensor, rows: int) -> Tensor:
    """Which row of the table follows each prefix of a window: all its tokens and places count."""
    weights = torch.arange(1, window.size(-1) + 1)
    return (window * weights).cumsum(dim=-1) % rows


class Chain(nn.Module):
    """A language model of our models' interface, whose logits are rows of a known table.

    In training mode (its dropout) the logits are rolled along the vocabulary, so that it shows.
    """

    def __init__(self, table: Tensor, block_size: int) -> None:
        super().__init__()
        self.table = nn.Parameter(table.clone())
        self.block_size = block_size

    def logits(self, input_ids: Tensor) -> Tensor:
        if input_ids.dim() != 2:
            raise ValueError(f"input_ids must be (batch, length), not {tuple(input_ids.shape)}")
        length = input_ids.size(1)
        if not 1 <= length <= self.limit():
            raise ValueError(f"{length} tokens do not fit the model's context of {self.limit()}")
        rows = self.table[row_of(input_ids, len(self.table))]  # (batch, length, vocab)
        return rows.roll(1, dims=-1) if self.training else rows

    def limit(self) -> int:
        return self.block_size

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Any:
        return self.logits(input_ids)


class HuggingFaceChain(Chain):
    """The same with Hugging Face's interface: a config, keywords at will, ``.logits``."""

    def __init__(self, table: Tensor, block_size: int) -> None:
        super().__init__(table, block_size)
        del self.block_size
        names = ("n_positions", "n_ctx", "max_position_embeddings")
        sizes = dict.fromkeys(names, block_size)
        self.config = SimpleNamespace(
            **sizes, vocab_size=table.size(1), model_type="gpt2", is_encoder_decoder=False
        )

    @property
    def device(self) -> torch.device:
        return self.table.device

    def limit(self) -> int:
        return int(self.config.n_positions)

    def forward(self, input_ids: Tensor, attention_mask: Any = None, **others: Any) -> Any:
        return CausalLMOutput(logits=self.logits(input_ids))


def chain(table: Tensor, block_size: int = 64, wrapped: bool = False) -> Chain:
    """A scripted model in eval mode."""
    return (HuggingFaceChain if wrapped else Chain)(table, block_size).eval()


def a_table(draw: Draw, rows: int = 17, words: int = 9, gap: float = 0.6) -> Tensor:
    """Rows of logits without near ties: the numbers 0, gap, 2 gap ... in random order."""
    order = torch.stack([draw.permutation(words) for _ in range(rows)])
    return gap * order.float()


def model_of(student: Any, table: Tensor, block_size: int = 64, wrapped: bool = False) -> Any:
    """A scripted model beside the student's code."""
    return live.make(student, f"{HERE}:chain", table, block_size, wrapped)


def next_logits(table: Tensor, ids: Tensor, limit: int = 64) -> Tensor:
    """What the scripted model says after ids (batch, length); it sees the last ``limit``."""
    return table[row_of(ids[:, -limit:], len(table))[:, -1]]


def greedy(table: Tensor, ids: Tensor, count: int, limit: int = 64) -> Tensor:
    """The scripted model's own most probable continuation, with its prompt."""
    for _ in range(count):
        best = next_logits(table, ids, limit).argmax(dim=-1, keepdim=True)
        ids = torch.cat([ids, best], dim=1)
    return ids


def step_logits(table: Tensor, ids: Tensor, count: int, limit: int = 64) -> Tensor:
    """The logits from which each of the last ``count`` tokens was chosen, (batch, count, vocab)."""
    start = ids.size(1) - count
    return torch.stack([next_logits(table, ids[:, : start + i], limit) for i in range(count)], 1)


def chosen(logits: Tensor, ids: Tensor) -> Tensor:
    """The softmax probabilities (batch, count) of the last tokens under logits of their steps."""
    tokens = ids[:, -logits.size(1) :, None]  # (batch, count, 1)
    return logits.softmax(dim=-1).gather(2, tokens).squeeze(2)


def continuation(result: Any, prompt: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """generate's answer as (ids, probabilities); fails the check in words when it is none."""
    pair = as_pair(result, "What generate returns")
    ids = as_tensor(pair[0], "ids")
    batch, length = prompt.shape
    expect(
        tuple(ids.shape) != (batch, count),
        "ids hold the new tokens alone: return the prompt with its continuation.",
    )
    expect(
        tuple(ids.shape) == (batch, length + count),
        f"A batch of {batch} prompts of {length} tokens and max_new_tokens={count} give ids of "
        f"shape {tuple(ids.shape)}, not {(batch, length + count)}: prompt, then new ones.",
    )
    expect(torch.equal(ids[:, :length], prompt), "The ids do not begin with the prompt.")
    return ids, as_tensor(pair[1], "probabilities", (batch, count))


# ---- the tokenizer ---------------------------------------------------------------------------


def tokenizer() -> PreTrainedTokenizerFast:
    """One token a word of NOUNS; a token's text and its entry in the vocabulary are the same."""
    vocabulary = {word: place for place, word in enumerate(NOUNS)}
    backend = Tokenizer(WordLevel(vocabulary, unk_token="a"))
    backend.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="a")


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """Like GPT-2's: some tokens carry their leading space (Ġcat), some continue a word (dog)."""
    tokens = [word if place % 3 == 2 else f"Ġ{word}" for place, word in enumerate(NOUNS)]
    vocabulary = {token: place for place, token in enumerate(tokens)}
    backend = Tokenizer(WordLevel(vocabulary, unk_token=tokens[0]))
    backend.pre_tokenizer = ByteLevel(add_prefix_space=False)
    backend.decoder = ByteLevelDecoder()
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token=tokens[0])


# ---- known weights for a student's GPT -------------------------------------------------------


def build(student: Any, draw: Draw, *sizes: Any, training: bool = False, **options: Any) -> Any:
    """A GPT of the student's, with seeded parameters; two layers of the toys' sizes by default."""
    live.seed(student, draw.integer(0, 2**31))
    module = student(*(sizes or (WORDS, BLOCK, 2, HEADS, DIM)), **options)
    live.set_mode(module, training)
    return module


def working(student: Any, draw: Draw, *sizes: Any, training: bool = False, **options: Any) -> Any:
    """``build``, where the logits count; fails for a GPT whose logits say nothing.

    NaN, the same numbers for all ids, or the ids themselves pass for logits that look at no later
    token and at no padding.
    """
    module = build(student, draw, *sizes, **options)
    ids = torch.arange(1, 5).view(2, 2)
    start = live.parameters(module)
    enliven(module, Draw(0, "working"))  # a part may start at 0, and still work
    logits = module(ids)
    live.set_parameters(module, start)
    live.set_mode(module, training)
    if not isinstance(logits, Tensor):
        suspect(False, f"forward must return one tensor, not a {type(logits).__name__}.")
        return module
    if len(logits.shape) == 0 or len(logits) != 2:
        suspect(False, f"For ids of shape (2, 2) forward returns {tuple(logits.shape)}.")
        return module
    suspect(logits.isfinite().all(), "forward gives NaN or infinity for plain ids.")
    suspect(
        logits.is_floating_point(), f"The logits are {logits.dtype}: are these the ids themselves?"
    )
    suspect(
        not torch.equal(logits[0], logits[1]), "forward gives the same numbers whatever comes in."
    )
    return module


def enliven(module: Any, draw: Draw, size: float = 0.5) -> None:
    """Random weights far from their start; LayerNorm's gains stay ones."""
    new = {n: v for n, v in live.parameters(module).items() if not is_gain(v)}
    live.set_parameters(module, {n: draw.normal(*v.shape) * size for n, v in new.items()})


def real(value: Tensor) -> tuple[int, ...]:
    """A parameter's shape without axes of one."""
    return tuple(value.squeeze().shape)


class Ends:
    """The random ends of a GPT whose blocks are silenced: embeddings, positions, head."""

    def __init__(self, module: Any, draw: Draw) -> None:
        """Keep LayerNorm's gains, give the ends random values, set all else to zero."""
        new: dict[str, Tensor] = {}
        tables, places = [], []
        for name, value in live.parameters(module).items():
            keep = real(value) in ((WORDS, DIM), (DIM, WORDS), (BLOCK, DIM))
            new[name] = draw.normal(*value.shape) if keep else torch.zeros_like(value)
            if is_gain(value):
                new[name] = value
            elif real(value) == (BLOCK, DIM):
                places.append(new[name].squeeze())
            elif keep:
                table = new[name].squeeze()
                tables.append(table if len(table) == WORDS else table.T)
        expect(
            tables,
            f"No embedding of shape ({WORDS}, {DIM}), that is (vocab_size, embed_dim): each word "
            "needs its own row.",
        )
        expect(
            places,
            f"No parameter of shape ({BLOCK}, {DIM}), that is (block_size, embed_dim): a GPT "
            "learns one vector a position.",
        )
        live.set_parameters(module, new)
        self.tables, self.places = tables, places[0]

    def inputs(self, ids: Tensor, index: int = 0) -> Tensor:
        """Token plus position embedding, (batch, length, DIM)."""
        return self.tables[index][ids] + self.places[: ids.size(1)]

    def heads(self) -> list[tuple[int, Tensor]]:
        """(which table embeds, the head): the same when tied, either order when not."""
        if len(self.tables) == 1:
            return [(0, self.tables[0])]
        return [(0, self.tables[1]), (1, self.tables[0])]


def norm(x: Tensor) -> Tensor:
    """LayerNorm over the last dimension, without gain and bias."""
    return F.layer_norm(x, x.shape[-1:])


@beside
def overfit(
    module: nn.Module, ids: Tensor, targets: Tensor, steps: int, rate: float
) -> list[float]:
    """Losses of AdamW steps on one batch; ``targets`` fit the logits' leading axes."""
    optimizer = torch.optim.AdamW(module.parameters(), lr=rate)
    losses = []
    for _ in range(steps):
        logits = module(ids)
        loss = F.cross_entropy(logits.flatten(0, -2), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# ---- tables ----------------------------------------------------------------------------------


def as_rows(
    student: Any, model: Any, ids: Tensor, words: str = "tokenizer", **options: Any
) -> list[list[tuple[str, float]]]:
    """top_k_table's answer for ids (1, length) as plain pairs; fails the check when it is none.

    ``words`` names the factory of the tokenizer.
    """
    coder = live.make(student, f"{HERE}:{words}")
    try:
        rows = student(model, coder, ids, **options)
    except NotImplementedError:
        raise
    except Exception as error:
        try:  # one text may also be given without a batch axis
            rows = student(model, coder, ids[0], **options)
        except Exception:
            raise error from None
    expect(
        isinstance(rows, (list, tuple)) and all(isinstance(row, (list, tuple)) for row in rows),
        f"top_k_table must return a list with one list a position, not {str(rows)[:60]}.",
    )
    return [[_as_pair(pair) for pair in row] for row in rows]


def _as_pair(pair: Any) -> tuple[str, float]:
    good = isinstance(pair, (list, tuple)) and len(pair) == 2 and isinstance(pair[0], str)
    expect(
        good,
        "Each row must hold pairs (token text, probability), the text as a string; yours holds "
        f"{str(pair)[:50]}.",
    )
    return pair[0], float(pair[1])


@beside
def through_a_loader(dataset: Any) -> Tensor:
    """The targets of all windows, as a DataLoader gives them one by one."""
    return torch.cat([y[0] for _, y in DataLoader(dataset, batch_size=1)])


def set_feedforward(module: Any, u: Tensor) -> bool:
    """Make a silent model's feed-forwards WIDE · activation(u · h) · u; False if none is found."""
    found = {n: v for n, v in live.parameters(module).items() if sorted(real(v)) == [DIM, WIDE]}
    live.set_parameters(module, {name: along_dim(u, value) for name, value in found.items()})
    return len(found) >= 2


@beside
def carries_gradients(function: Any, args: list[Any]) -> bool:
    """Whether the second thing that a function returns is part of a graph of gradients."""
    with torch.enable_grad():
        return bool(getattr(function(*args)[1], "requires_grad", False))

"""Toys of exercise 4: scripted models that take notes, a tiny tokenizer, derived bounds.

Models and tokenizers are made beside the student's code with ``live.make``. A scripted model's
logits are a table that the check knows, so a check can say what the right answer is.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor, nn
from transformers import BertTokenizer, PreTrainedTokenizerFast
from transformers.modeling_outputs import MaskedLMOutput

from course.checks.base import Draw, as_pair, as_tensor, expect
from course.checks.live import beside, make

HERE = "course.checks.masked_lm_toys"
WORDS = ["the", "a", "cat", "dog", "bird", "king", "sat", "ran", "sang", "old", "red", "and"]
SQUARE = {"cls": "[CLS]", "sep": "[SEP]", "unk": "[UNK]", "pad": "[PAD]", "mask": "[MASK]"}
ANGLE = {"cls": "<s>", "sep": "</s>", "unk": "<unk>", "pad": "<pad>", "mask": "<mask>"}


def bound(trials: int, probability: float, alarm: float = 1e-7) -> float:
    """How far a count may lie from trials × probability, but for a chance of ``alarm``.

    Bernstein's inequality, P(|count - mean| >= t) <= 2 exp(-t² / (2 variance + 2 t / 3)), solved
    for t. It holds for independent draws and for an exact count at random places (Hoeffding 1963).
    """
    reach = math.log(2 / alarm)
    variance = trials * probability * (1 - probability)
    return reach / 3 + math.sqrt(reach**2 / 9 + 2 * reach * variance)


def far(count: int, trials: int, probability: float, slack: float = 0.0) -> bool:
    """Whether a count is too far from its mean; ``slack`` pardons the rounding of exact counts."""
    return abs(count - trials * probability) > bound(trials, probability) + slack


def a_batch(
    draw: Draw, batch: int, length: int, words: int, special: float = 0.2
) -> tuple[Tensor, Tensor]:
    """Random input_ids of ``words`` words and a special_tokens_mask, bool, True at ``special``."""
    ids = draw.integers(0, words - 1, batch, length)
    return ids, draw.boolean(batch, length, probability=special)


def corrupt(student: Any, ids: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """What mask_tokens makes of a copy of ``ids``: (corrupted, labels), as two tensors."""
    result = as_pair(student(ids.clone(), *args, **kwargs), "The result of mask_tokens")
    corrupted = as_tensor(result[0], "corrupted", ids.shape)
    labels = as_tensor(result[1], "labels", ids.shape)
    expect(
        len(ids.unique()) == 1 or len(labels.unique()) > 1 or (labels == -100).all(),
        f"Every label is {float(labels.flatten()[0]):g}, whatever the tokens are: a label is the "
        "original token where one was chosen, and -100 elsewhere.",
    )
    return corrupted, labels


def percent(part: Any, whole: Any) -> str:
    """A share in per cent, for messages."""
    return f"{100 * float(part) / max(float(whole), 1):.1f} %"


def vocabulary(style: dict[str, str] = SQUARE) -> list[str]:
    """The tokens of the toy tokenizer in the order of their ids: the mask token has id 9."""
    s = style
    first = [*WORDS[:3], s["cls"], *WORDS[3:6], s["sep"], "##s", s["mask"]]
    return [*first, *WORDS[6:9], s["pad"], *WORDS[9:], s["unk"], "##ed"]


def tokenizer(types: bool = False, angle: bool = False) -> BertTokenizer:
    """A WordPiece tokenizer of 19 tokens; with ``types`` it returns token_type_ids as BERT's."""
    style = ANGLE if angle else SQUARE
    ids = {token: place for place, token in enumerate(vocabulary(style))}
    names = ["input_ids", "attention_mask", *["token_type_ids"] * types]
    special: dict[str, Any] = {f"{name}_token": token for name, token in style.items()}
    return BertTokenizer(vocab=ids, model_input_names=names, **special)


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer whose tokens carry their leading space as GPT-2's and RoBERTa's do: Ġcat."""
    tokens = ["<pad>", "<unk>", "<mask>", *(f"Ġ{word}" for word in WORDS)]
    model = WordLevel({token: place for place, token in enumerate(tokens)}, unk_token="<unk>")
    backend = Tokenizer(model)
    backend.pre_tokenizer = ByteLevel(add_prefix_space=True)
    backend.decoder = ByteLevelDecoder()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token=AddedToken("<mask>", lstrip=True),
        model_input_names=["input_ids", "attention_mask"],
    )


class Scripted(nn.Module):
    """Logits by position from a known table; our models' interface.

    The table is rolled along the vocabulary by 7 in training mode (its dropout), and by 3 for each
    mask that has been filled already, so that both show in the answer.
    """

    def __init__(self, table: Tensor, mask_token_id: int, masks: int) -> None:
        super().__init__()
        self.table = nn.Parameter(table.clone())
        self.mask_token_id, self.masks = mask_token_id, masks

    def logits(self, input_ids: Tensor) -> Tensor:
        if input_ids.dim() != 2:
            raise ValueError(f"input_ids must be (batch, length), not {tuple(input_ids.shape)}")
        filled = self.masks - (input_ids == self.mask_token_id).sum(dim=1)  # (batch,)
        turns = (3 * filled + 7 * self.training).tolist()
        rows = self.table[: input_ids.size(1)]  # (length, vocab)
        return torch.stack([rows.roll(turn, -1) for turn in turns])  # (batch, length, vocab)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Any:
        return self.logits(input_ids)


class ScriptedHuggingFace(Scripted):
    """The same with Hugging Face's interface: keywords at will, an output with ``.logits``."""

    @property
    def device(self) -> torch.device:
        return self.table.device

    def forward(self, input_ids: Tensor, attention_mask: Any = None, **others: Any) -> Any:
        return MaskedLMOutput(logits=self.logits(input_ids))


def scripted(table: Tensor, masks: int, mask_token_id: int = 9, wrapped: bool = False) -> Scripted:
    """A scripted model in eval mode for a text with ``masks`` masks."""
    return (ScriptedHuggingFace if wrapped else Scripted)(table, mask_token_id, masks).eval()


class Trainee(nn.Module):
    """A model whose logits are a parameter, (vocab,) or (length, vocab); it writes down its calls.

    What it answers does not depend on its input, so loss and gradient follow from the labels.
    """

    def __init__(self, values: Tensor, wrapped: bool = False) -> None:
        super().__init__()
        self.values = nn.Parameter(values.clone())
        self.wrapped = wrapped
        self.notes: list[dict[str, Any]] = []

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Any:
        seen = None if attention_mask is None else attention_mask.detach().clone()
        note = {"input_ids": input_ids.detach().clone(), "attention_mask": seen}
        self.notes.append(note | {"training": self.training})
        batch, length = input_ids.shape
        logits = self.values.expand(batch, length, -1).contiguous()  # (batch, length, vocab)
        return MaskedLMOutput(logits=logits) if self.wrapped else logits


@dataclass
class Rehearsal:
    """A model with its optimizer, ready for training steps."""

    model: Trainee
    optimizer: torch.optim.Optimizer


def rehearsal(
    values: Tensor, learning_rate: float, adam: bool = False, wrapped: bool = False
) -> Rehearsal:
    """A trainee in training mode with plain gradient descent, or Adam."""
    model = Trainee(values, wrapped).train()
    kind = torch.optim.Adam if adam else torch.optim.SGD
    return Rehearsal(model, kind(model.parameters(), lr=learning_rate))


@beside
def notes(model: Trainee) -> list[dict[str, Any]]:
    """What the trainee wrote down: input_ids, attention_mask and mode of every call."""
    return model.notes


@beside
def repeat(function: Callable[..., Any], args: list[Any], times: int) -> list[Any]:
    """The results of several calls with the same arguments."""
    return [function(*args) for _ in range(times)]


@beside
def with_generator(
    function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any], value: int, times: int
) -> list[Any]:
    """The results of several calls that share one generator, made here from a seed."""
    shared = torch.Generator().manual_seed(value)
    return [function(*args, **kwargs, generator=shared) for _ in range(times)]


@beside
def gradients_stay_on(function: Callable[..., Any], args: list[Any]) -> bool:
    """Whether gradients are still recorded after a call; they are on again afterwards."""
    torch.set_grad_enabled(True)
    function(*args)
    on = torch.is_grad_enabled()
    torch.set_grad_enabled(True)
    return on


def as_fills(value: Any) -> list[list[tuple[str, float]]]:
    """fill_mask's answer as plain lists of (token, probability); fails the check otherwise."""
    expect(
        isinstance(value, (list, tuple)) and all(isinstance(v, (list, tuple)) for v in value),
        f"fill_mask must return a list of lists, but it returns {str(value)[:60]}.",
    )
    fills = []
    for pairs in value:
        good = all(isinstance(p, (list, tuple)) and len(p) == 2 for p in pairs)
        expect(
            good and all(isinstance(p[0], str) for p in pairs),
            "Each mask's list must hold pairs (token, probability) with the token as a string; "
            f"yours holds {str(pairs[0] if pairs else pairs)[:60]}. With one mask it is still a "
            "list of one list.",
        )
        fills.append([(token, float(probability)) for token, probability in pairs])
    return fills


def expect_text(text: Any, wanted: list[str]) -> list[str]:
    """The words of a filled text, which must be ``wanted``; an empty string stands for any word."""
    expect(isinstance(text, str), f"It must return a string, but returns a {type(text).__name__}.")
    words = text.lower().split()
    marks = [t for style in (SQUARE, ANGLE) for n, t in style.items() if n in ("cls", "sep", "pad")]
    expect(
        not any(mark.lower() in words for mark in marks),
        f"The text holds special tokens ({text[:40]!r}): decode with skip_special_tokens=True.",
    )
    expect("[mask]" not in words and "<mask>" not in words, "A mask token is left in the text.")
    same = len(words) == len(wanted) and all(
        w in ("", found) for w, found in zip(wanted, words, strict=True)
    )
    expect(
        same,
        f"The filled text reads {' '.join(words)[:70]!r}, but it should read "
        f"{' '.join(w or '...' for w in wanted)[:70]!r}: each mask gets its own word, all other "
        "words stay.",
    )
    return words


def word_logits(logits: dict[str, float]) -> Tensor:
    """One row of logits (19,): those given, and practically no chance for any other token."""
    row = torch.full((19,), -1e4)
    for word, value in logits.items():
        row[vocabulary().index(word)] = value
    return row


def drawn_words(
    student: Any, logits: dict[str, float], masks: int = 400, **options: Any
) -> tuple[Counter[str], int]:
    """How often sample_mask draws each word when all masks of one text have the same logits."""
    table = word_logits(logits).repeat(masks + 4, 1)  # (positions, vocab)
    model = make(student, f"{HERE}:scripted", table, masks)
    text = "the " + "[MASK] " * masks + "sat"
    result = student(model, make(student, f"{HERE}:tokenizer"), text, **options)
    expect(isinstance(result, str), f"It returns a {type(result).__name__}, not a string.")
    return Counter(result.lower().split()[1:-1]), masks

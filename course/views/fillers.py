"""What a masked language model says of a sentence: the data of the mask playground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from course.views.base import array_of, token_labels

MOST_TOKENS = 64  # of a longer text the beginning is shown
MOST_WORDS = 20  # fillers of a position
STOPS = np.arange(1, 31) / 10  # the temperatures: 0.1, 0.2 ... 3.0


@dataclass(frozen=True)
class Sentence:
    """A text as the model reads it, and which of its positions stay as they are."""

    ids: tuple[int, ...]
    tokens: tuple[str, ...]
    fixed: tuple[int, ...]  # special tokens
    typed: tuple[int, ...]  # mask tokens that stand in the text itself: no word lies beneath
    notice: str = ""


@dataclass(frozen=True)
class MaskData:
    """What a model says at some positions of a sentence.

    The best ``words`` (positions, top) of each, with their ``logits``; ``sums`` (positions, 30) are
    ln Σ exp(logit / T) over the *whole* vocabulary for T = 0.1, 0.2 ... 3.0. So
    exp(logit / T - sum) is the exact probability at each of these temperatures, and a picture
    without kernel needs 50 numbers of 30,000. All logits are counted from the position's largest:
    float32 then keeps five digits of a probability. ``own`` is the logit of the word that stands
    there in the text, ``rank`` its place among all words.
    """

    positions: tuple[int, ...]
    words: np.ndarray
    logits: np.ndarray
    sums: np.ndarray
    own: np.ndarray
    rank: np.ndarray

    def chances(self, position: int, temperature: float = 1.0) -> tuple[np.ndarray, float]:
        """Probabilities of the best words at a position, and of the word of the text."""
        row = self.positions.index(position)
        sums = self.sums[row, stop_of(temperature)]
        best = np.exp(self.logits[row].astype(float) / temperature - sums)
        return best, float(np.exp(float(self.own[row]) / temperature - sums))


def stop_of(temperature: float) -> int:
    """The place of the nearest temperature among the stops."""
    return int(np.abs(STOPS - temperature).argmin())


def sentence_of(tokenizer: Any, text: str, most: int = MOST_TOKENS) -> Sentence:
    """Tokenize a text for the game; of more than ``most`` tokens the beginning, with a notice.

    Raises ValueError for a tokenizer without a mask token and for an empty text.
    """
    mask = getattr(tokenizer, "mask_token_id", None)
    if mask is None:
        raise ValueError(
            f"{type(tokenizer).__name__} has no mask token: the game needs a tokenizer and a model "
            "that were trained with one, such as course.models.load('masked_lm')"
        )
    ids = list(tokenizer(text, verbose=False)["input_ids"])
    total, notice = len(ids), ""
    if total > most:
        ids = list(tokenizer(text, truncation=True, max_length=most)["input_ids"])
        notice = f"{total} tokens, but {most} at most: the end of the text is left out"
    special = set(tokenizer.all_special_ids) - {mask, getattr(tokenizer, "unk_token_id", None)}
    fixed = tuple(i for i, token in enumerate(ids) if token in special)
    if len(fixed) == len(ids):
        raise ValueError("the text is empty: type a sentence of one word or more")
    typed = tuple(i for i, token in enumerate(ids) if token == mask)
    return Sentence(tuple(ids), tuple(labels_of(tokenizer, ids)), fixed, typed, notice)


def labels_of(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """Tokens as text; a number that only the model knows (padded embeddings) is named as such."""
    size = len(tokenizer)
    known = iter(token_labels(tokenizer, [i for i in ids if i < size]))
    return [next(known) if i < size else f"(id {i})" for i in ids]


def mask_data(logits: Any, sentence: Sentence, positions: Sequence[int] | None = None) -> MaskData:
    """Check logits and keep what the view shows at some positions, all when left out.

    Args:
        logits: (length, vocab), or with a batch of one in front, for the masked sentence.

    Raises:
        ValueError: another shape, NaN or +infinity, or words that the model does not know.
    """
    array = array_of(logits)
    array = array[0] if array.ndim == 3 and len(array) == 1 else array
    length = len(sentence.ids)
    if array.ndim != 2 or len(array) != length or array.size == 0:
        raise ValueError(
            f"the model returned logits of shape {tuple(np.shape(logits))} for {length} tokens, "
            f"expected ({length}, vocabulary) or (1, {length}, vocabulary)"
        )
    if np.isnan(array).any() or (array.max(axis=1) == np.inf).any():
        bad = np.isnan(array).any(axis=1) | (array.max(axis=1) == np.inf)
        raise ValueError(
            f"the logits hold NaN or infinity, first at position {bad.argmax()}: look at the "
            "weights, or at a mask that hides everything"
        )
    if (array.max(axis=1) == -np.inf).any():
        raise ValueError("the logits of a position are all -infinity: no word is possible there")
    chosen = tuple(range(length) if positions is None else positions)
    return _kept(array[list(chosen)], chosen, _known_ids(sentence, array.shape[1]))


def _known_ids(sentence: Sentence, vocabulary: int) -> np.ndarray:
    """Ids (length,) of the words; -1 where a special token has no logit of its own."""
    ids = np.array(sentence.ids)
    ids[list(sentence.fixed + sentence.typed)] = -1
    if ids.max() >= vocabulary:
        raise ValueError(
            f"the model gives logits for {vocabulary} words, but the text has the id {ids.max()}: "
            "model and tokenizer do not belong together"
        )
    return ids


def _kept(logits: np.ndarray, positions: tuple[int, ...], ids: np.ndarray) -> MaskData:
    """The best words, sums and own logits of logits (positions, vocab)."""
    logits = logits - logits.max(axis=1, keepdims=True)
    words = np.argsort(-logits, axis=1, kind="stable")[:, :MOST_WORDS]
    sums = np.stack([np.log(np.exp(logits / np.float32(T)).sum(axis=1)) for T in STOPS], axis=1)
    ids = ids[list(positions)]
    own = np.where(ids < 0, -np.inf, np.take_along_axis(logits, ids[:, None], axis=1)[:, 0])
    rank = 1 + (logits > own[:, None]).sum(axis=1)
    return MaskData(positions, words, np.take_along_axis(logits, words, axis=1), sums, own, rank)

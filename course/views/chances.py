"""What views take from a model's logits: the best tokens, as text, with their probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from course.views.base import clean, is_wordpiece

BEST = 5  # so many of the most probable tokens are shown

Decoder = Any  # a function of one id, a list of words, or a tokenizer


def texts_of(decode: Decoder, ids: Sequence[int]) -> dict[int, str]:
    """Labels of ids."""
    if hasattr(decode, "convert_ids_to_tokens"):
        one = decode.convert_ids_to_tokens if is_wordpiece(decode) else decode.decode
    else:
        one = decode if callable(decode) else decode.__getitem__
    return {int(i): clean(str(one(int(i)))) for i in set(ids)}


def plain_ids(ids: Any) -> list[int]:
    """Ids of one text as a list; a batch of one may stand around them."""
    rows = ids.tolist() if hasattr(ids, "tolist") else list(ids)
    if rows and isinstance(rows[0], list):
        if len(rows) > 1:
            raise ValueError(f"{len(rows)} texts: give the ids of one")
        rows = rows[0]
    if not rows:
        raise ValueError("the text is empty: there is no token to look at")
    return [int(i) for i in rows]


def best_of(logits: np.ndarray, wanted: int | None) -> tuple[list[int], np.ndarray, int, float]:
    """Of one row of logits (vocab,): the ids of the five largest, their probabilities, and the
    rank and probability of the id that is wanted; 0 and NaN for None. Of equals the lower id comes
    first, as a sorted list of the whole vocabulary would have it."""
    count = min(BEST, len(logits))
    bound = np.partition(logits, -count)[-count]
    near = np.flatnonzero(logits >= bound)
    ids = near[np.argsort(-logits[near], kind="stable")][:count]
    grown = np.exp(logits.astype(np.float64) - logits.max())
    chances = grown / grown.sum()
    if wanted is None:
        return ids.tolist(), chances[ids], 0, float("nan")
    before = np.sum(logits > logits[wanted]) + np.sum(logits[:wanted] == logits[wanted])
    return ids.tolist(), chances[ids], int(before) + 1, float(chances[wanted])


def check_logits(logits: np.ndarray, length: int, ids: Sequence[int], what: str) -> None:
    """Raises ValueError unless logits are (length, vocab), finite or -inf, and hold all ids."""
    if logits.ndim != 2 or logits.shape[0] != length:
        raise ValueError(
            f"{what} have the shape {logits.shape}, which does not fit {length} ids: give (length, "
            "vocab), one row a token"
        )
    if not 0 <= min(ids) <= max(ids) < logits.shape[1]:
        raise ValueError(
            f"ids go from {min(ids)} to {max(ids)}, but {what} know the ids 0 to "
            f"{logits.shape[1] - 1}: they come from another tokenizer"
        )
    if np.isnan(logits).any() or not (logits.max(axis=1) < np.inf).all():
        raise ValueError(f"{what} hold NaN or infinity: such a model gives no probabilities")
    if not (logits.max(axis=1) > -np.inf).all():
        raise ValueError(f"{what} hold a row of -inf alone: no token can follow there")

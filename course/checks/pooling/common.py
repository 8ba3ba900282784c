"""What the checks of `pooling` share: the suite, padded batches, features computed one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from course.checks import live
from course.checks import pooling_toys as toys
from course.checks.base import Draw, Suite, as_tensor, close, expect

suite = Suite("pooling")
FIRST, MEAN, MAX, LAST = "first_token_pool", "mean_pool", "max_pool", "last_token_pool"
EXTRACT, PROBE, TRAIN, TUNE = "extract_features", "Probe", "train_probe", "tune_last_layers"
RIGHT, LEFT = ("right",), ("left",)


def a_mask(lengths: Sequence[int], sides: Sequence[str], length: int) -> Tensor:
    """An int64 mask (batch, length) of rows with so many tokens, padded on those sides in turn."""
    mask = torch.zeros(len(lengths), length, dtype=torch.long)
    for row, count in enumerate(lengths):
        left = sides[row % len(sides)] == "left"
        mask[row, length - count if left else 0 : length if left else count] = 1
    return mask


def a_batch(
    draw: Draw, sides: Sequence[str], lengths: Sequence[int] = (4, 7, 2, 5)
) -> tuple[Tensor, Tensor]:
    """Random hidden states (batch, length, 3), large at padding, and their mask (batch, length)."""
    mask = a_mask(lengths, sides, max(lengths))
    hidden = draw.normal(*mask.shape, 3)
    padding = 20 + 5 * draw.normal(*mask.shape, 3).abs()
    return torch.where(mask.unsqueeze(-1) == 1, hidden, padding), mask


def pooled(kind: str, hidden: Tensor, mask: Tensor) -> Tensor:
    """What a pool must give, from each row's tokens alone: (batch, dim)."""
    rows = [row[content.bool()] for row, content in zip(hidden, mask, strict=True)]
    choose = {
        FIRST: lambda row: row[0],
        MEAN: lambda row: row.mean(dim=0),
        MAX: lambda row: row.max(dim=0).values,
        LAST: lambda row: row[-1],
    }[kind]
    return torch.stack([choose(row) for row in rows])


def pool_of(student: Any, hidden: Tensor, mask: Tensor) -> Tensor:
    """The student's pool of copies of both arguments, a tensor (batch, dim)."""
    result = student(hidden.clone(), mask.clone())
    return as_tensor(result, "The result", (hidden.size(0), hidden.size(2)))


def expect_pool(kind: str, student: Any, hidden: Tensor, mask: Tensor, where: str) -> None:
    """Fail unless the pool is right in every row; the message names the first wrong row."""
    found, wanted = pool_of(student, hidden, mask), pooled(kind, hidden, mask)
    for row in range(len(hidden)):
        expect(
            close(found[row], wanted[row], 1e-4),
            f"{where}: for a row with mask {mask[row].tolist()} feature 0 is "
            f"{float(found[row, 0]):.2f}, but {float(wanted[row, 0]):.2f} is due.",
        )


def sentences(draw: Draw, lengths: Sequence[int]) -> list[str]:
    """Random texts of so many words; one word is one token."""
    return [" ".join(draw.choice(toys.WORDS) for _ in range(length)) for length in lengths]


def hidden_alone(table: Tensor, text: str, mixing: float = 0.0) -> Tensor:
    """The hidden states of one text alone under the scripted encoder: (1, length, dim)."""
    ids = toys.tokenizer(cased=True)(text)["input_ids"]
    rows = table[torch.tensor([ids])]  # (1, length, dim)
    return rows + mixing * rows.mean(dim=1, keepdim=True)


def features_alone(pool: str, table: Tensor, texts: Sequence[str], mixing: float = 0.0) -> Tensor:
    """The features of each text, computed without any other text beside it: (texts, any)."""
    found = []
    for text in texts:
        hidden = hidden_alone(table, text, mixing)
        found.append(toys.pool(pool)(hidden, torch.ones(hidden.shape[:2], dtype=torch.long)))
    return torch.cat(found)


def extract(
    student: Any, table: Tensor, texts: Sequence[str], pool: str = "first", **options: Any
) -> Any:
    """extract_features on the scripted encoder; ``options`` go to it but those of the toys."""
    near = {name: options.pop(name) for name in ("mixing", "limit") if name in options}
    side = {name: options.pop(name) for name in ("left", "types", "cased") if name in options}
    model = live.make(student, f"{toys.HERE}:encoder", table, **near)
    tokenizer = live.make(student, f"{toys.HERE}:tokenizer", near.get("limit"), **side)
    chosen = live.make(student, f"{toys.HERE}:pool", pool)
    return student(model, tokenizer, list(texts), chosen, **options)


def a_table(draw: Draw) -> Tensor:
    """One random vector a token: (19, 6)."""
    return draw.normal(toys.VOCABULARY, toys.DIM)

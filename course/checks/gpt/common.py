"""What the checks of `gpt` share: the suite, the student's names, small inputs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from course.checks.base import Draw, Suite, as_pair, as_tensor, expect

suite = Suite("gpt")
DATA, COLLATE = "LanguageModelingDataset", "collate_language_modeling"
ATTENTION, NETWORK = "CausalSelfAttention", "GPT"
GENERATE, TABLE = "generate", "top_k_table"


def window(dataset: Any, index: int) -> tuple[Tensor, Tensor]:
    """dataset[index] as a pair of tensors of one length; fails the check in words otherwise."""
    x, y = as_pair(dataset[index], f"dataset[{index}]")
    x, y = as_tensor(x, f"x of dataset[{index}]"), as_tensor(y, f"y of dataset[{index}]")
    expect(
        x.dim() == y.dim() == 1 and x.shape == y.shape,
        f"dataset[{index}] holds x of shape {tuple(x.shape)} and y of {tuple(y.shape)}: both must "
        "be (length,), one target a token.",
    )
    return x, y


def windows(dataset: Any) -> list[tuple[Tensor, Tensor]]:
    """All windows of a dataset, as many as its len says."""
    return [window(dataset, i) for i in range(len(dataset))]


def a_text(draw: Draw, length: int) -> Tensor:
    """Token ids of which no two are the same, so that every place can be recognised."""
    return draw.permutation(length + 90)[:length]


def ragged(draw: Draw, *lengths: int, words: int = 50) -> list[tuple[Tensor, Tensor]]:
    """A batch of windows of these lengths, as a dataset gives them."""
    texts = [draw.integers(1, words, length + 1) for length in lengths]
    return [(text[:-1].clone(), text[1:].clone()) for text in texts]


def collated(student: Any, batch: list[tuple[Tensor, Tensor]], pad_id: int) -> tuple[Tensor, ...]:
    """What collate makes of a batch, as two tensors of the right shape."""
    found = as_pair(student([(x.clone(), y.clone()) for x, y in batch], pad_id), "The result")
    shape = (len(batch), max(len(x) for x, _ in batch))
    return as_tensor(found[0], "x", shape), as_tensor(found[1], "y", shape)


def filled(rows: list[Tensor], value: int) -> Tensor:
    """Rows of several lengths as one tensor, filled up on the right."""
    result = torch.full((len(rows), max(map(len, rows))), value)
    for i, row in enumerate(rows):
        result[i, : len(row)] = row
    return result

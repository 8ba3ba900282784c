"""Hidden checks of `padding_mask` and `causal_mask`."""

from __future__ import annotations

from typing import Any

import torch

from autograder.checks.attention.oracle import suite
from course.checks import live
from course.checks.attention import CAUSAL, PADDING, require_causal, require_padding
from course.checks.attention_toys import some_keys
from course.checks.base import Draw, as_tensor, expect


@suite.check(PADDING)
def padding_mask_any_side(student: Any, draw: Draw) -> None:
    """Padding may stand on the left, on the right or between tokens."""
    left = torch.tensor([[0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1], [1, 1, 1, 1, 1, 1]])
    require_padding(student(left), left, "padding on the left")
    anywhere = draw.integers(0, 1, 4, 7)
    anywhere[:, 0] = torch.tensor([0, 1, 0, 1])  # never all alike
    require_padding(student(anywhere), anywhere, "padding anywhere")


@suite.check(PADDING)
def padding_mask_keeps_axes(student: Any, draw: Draw) -> None:
    """One sentence, one token, or a batch without padding give (batch, 1, 1, length) too."""
    for batch, length in ((1, 4), (3, 1), (1, 1), (4, 4)):
        for given in (
            torch.ones(batch, length, dtype=torch.long),
            draw.integers(0, 1, batch, length),
        ):
            mask = as_tensor(student(given), f"The mask of {batch} sentences of length {length}")
            expect(
                tuple(mask.shape) == (batch, 1, 1, length) and mask.dtype == torch.bool,
                f"attention_mask of shape {(batch, length)} gives {mask.dtype} of shape "
                f"{tuple(mask.shape)}: torch.bool of ({batch}, 1, 1, {length}) is due.",
            )
            require_padding(mask, given, f"shape {(batch, length)}")


@suite.check(PADDING)
def padding_mask_of_booleans(student: Any, draw: Draw) -> None:
    """A boolean attention mask works like one of 0 and 1."""
    given = some_keys(draw, 3, 6)
    mask = as_tensor(student(given), "The padding mask")
    expect(
        mask.dtype == torch.bool, f"A boolean attention_mask gives {mask.dtype}, not torch.bool."
    )
    require_padding(mask, given, "a boolean attention_mask")


@suite.check(PADDING)
def padding_mask_leaves_its_argument(student: Any, draw: Draw) -> None:
    """The attention mask that is passed in is not changed, neither values nor shape."""
    given = draw.integers(0, 1, 3, 6)
    _, (after,), _ = live.call_and_keep(student, [given.clone()], {})
    expect(
        torch.equal(given, after),
        f"attention_mask is changed in place (shape {tuple(after.shape)} after the call): the "
        "caller still needs it. Use unsqueeze, not unsqueeze_.",
    )


@suite.check(CAUSAL)
def causal_mask_of_any_length(student: Any, draw: Draw) -> None:
    """The causal mask is right for every length, 1 included."""
    for length in (1, 2, draw.integer(5, 9), draw.integer(40, 60)):
        mask = as_tensor(student(length), f"causal_mask({length})", (length, length))
        require_causal(mask, length)


@suite.check(CAUSAL)
def causal_mask_of_long_texts(student: Any, draw: Draw) -> None:
    """The causal mask has no largest length."""
    length = draw.integer(1030, 1100)
    require_causal(student(length), length)


@suite.check(CAUSAL)
def causal_mask_fits_attention(student: Any, draw: Draw) -> None:
    """Combined by & with a padding mask, it still is a boolean mask over queries and keys."""
    length = draw.integer(4, 7)
    padding = some_keys(draw, 2, 1, 1, length)
    mask = as_tensor(student(length), "The causal mask")
    expect(
        mask.dtype == torch.bool,
        f"The causal mask is {mask.dtype}: a mask of 0 and -inf, or of numbers, cannot be combined "
        "with a boolean one by &.",
    )
    both = padding & mask
    expect(
        tuple(both.shape) == (2, 1, length, length),
        f"padding & causal has shape {tuple(both.shape)}, not (2, 1, {length}, {length}).",
    )
    require_causal(mask, length)

"""Hidden checks of the mask that MultiHeadAttention takes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.checks.multi_head.suite import MODULE, suite
from course.checks.base import Draw, close, expect, largest_difference
from course.checks.multi_head import refused
from course.checks.multi_head_toys import Layer, ragged

DIM, HEADS = 12, 3


def random_layer(student: Any, draw: Draw, dim: int = DIM, heads: int = HEADS) -> Layer:
    """A layer with random weights and biases."""
    return Layer(student, dim, heads).randomise(draw, bias=0.3)


@suite.check(MODULE, points=2)
def hidden_means_absent(student: Any, draw: Draw) -> None:
    """With the padding masked, a sentence gives what it gives without its padding."""
    layer = random_layer(student, draw)
    x = draw.normal(3, 5, DIM)
    for left in (False, True):
        lengths = [2, 5, 3]
        mask = ragged(lengths).flip(-1) if left else ragged(lengths)
        output = layer(x, mask)
        for row, length in enumerate(lengths):
            kept = slice(5 - length, 5) if left else slice(0, length)
            expected = layer(x[row : row + 1, kept])[0]
            gap = largest_difference(output[row, kept], expected)
            expect(
                gap < 1e-4,
                f"A masked sentence differs by {gap:.2g} from the same sentence without padding: "
                "hide keys before the softmax, so that the visible weights add up to 1.",
            )


@suite.check(MODULE)
def a_hidden_token_still_asks(student: Any, draw: Draw) -> None:
    """A masked position is hidden as a key; as a query it gets its output like any other."""
    layer = random_layer(student, draw)
    x = draw.normal(2, 5, DIM)
    x[:, 4] = x[:, 0]  # the same question from a hidden and from a visible position
    output = layer(x, hidden_end(2, 5, 3))
    gap = largest_difference(output[:, 4], output[:, 0])
    expect(
        gap < 1e-4,
        f"Equal tokens at a visible and at a hidden position differ by {gap:.2g}: the mask hides "
        "keys; rows of queries stay as they are.",
    )


def hidden_end(batch: int, length: int, visible: int) -> Tensor:
    """A padding mask (batch, 1, 1, length) that shows the first ``visible`` tokens."""
    return (torch.arange(length) < visible).expand(batch, 1, 1, length)


@suite.check(MODULE, points=2)
def no_look_ahead(student: Any, draw: Draw) -> None:
    """Under a causal mask, later tokens leave earlier outputs alone, whatever the sizes."""
    for batch, length, dim, heads in [(4, 4, 12, 3), (3, 3, 12, 3), (2, 6, 8, 4), (1, 4, 8, 2)]:
        layer = random_layer(student, draw, dim, heads)
        mask = torch.ones(length, length, dtype=torch.bool).tril()
        x = draw.normal(batch, length, dim)
        cut = draw.integer(1, length - 1)
        changed = torch.cat([x[:, :cut], draw.normal(batch, length - cut, dim) * 5], dim=1)
        output = layer(x, mask)
        leak = largest_difference(output[:, :cut], layer(changed, mask)[:, :cut])
        expect(
            leak < 1e-4,
            f"A later token moves an earlier output by {leak:.2g} (batch {batch}, length "
            f"{length}): a mask (length, length) holds queries in rows and keys in columns.",
        )
        first = layer(x[:, :1])
        expect(
            close(output[:, :1], first),
            "Under a causal mask the first token must attend to itself alone.",
        )


@suite.check(MODULE, points=2, hint="Let the mask broadcast to (batch, heads, query, key).")
def every_mask_shape_broadcasts(student: Any, draw: Draw) -> None:
    """A mask acts like its expansion to (batch, heads, length, length)."""
    batch, heads, length = 3, 4, 5
    layer = random_layer(student, draw, 8, heads)
    x = draw.normal(batch, length, 8)
    shapes = [
        (batch, 1, 1, length),
        (batch, 1, length, length),
        (1, heads, length, length),
        (batch, heads, 1, length),
        (1, 1, length, length),
        (heads, length, length),
        (length, length),
        (1, length),
    ]
    for shape in shapes:
        mask = draw.boolean(*shape)
        mask[..., draw.integer(0, length - 1)] = True  # every query sees a key
        whole = mask.expand(batch, heads, length, length).contiguous()
        gap = largest_difference(layer(x, mask), layer(x, whole))
        expect(
            gap < 1e-4,
            f"A mask of shape {shape} acts otherwise than its expansion to {tuple(whole.shape)} "
            f"(off by {gap:.2g}): let it broadcast against (batch, heads, query, key).",
        )


@suite.check(MODULE, hint="A mask may differ from head to head.")
def each_head_has_its_mask(student: Any, draw: Draw) -> None:
    """A mask (batch, heads, length, length) acts on each head by itself."""
    layer = random_layer(student, draw, 8, 2)
    x = draw.normal(2, 4, 8)
    a, b = (draw.boolean(2, 1, 4, 4) | torch.eye(4, dtype=torch.bool) for _ in range(2))
    a[0, 0, 0, 1], b[0, 0, 0, 1] = True, False  # so that a and b differ
    both_a, both_b = layer(x, a.expand(2, 2, 4, 4)), layer(x, b.expand(2, 2, 4, 4))
    a_then_b, b_then_a = layer(x, torch.cat([a, b], 1)), layer(x, torch.cat([b, a], 1))
    # Heads add up after the projection, so swapping the masks of two heads keeps the total.
    gap = largest_difference(a_then_b + b_then_a, both_a + both_b)
    expect(
        gap < 1e-3,
        f"Masks that differ between heads do not act head by head (off by {gap:.2g}): keep the "
        "mask's head and batch axes in their order.",
    )
    expect(
        not close(a_then_b, both_a, 1e-5) and not close(a_then_b, both_b, 1e-5),
        "Only one head's mask is looked at: head h must follow mask[:, h].",
    )


@suite.check(MODULE)
def a_blind_row_is_not_nan(student: Any, draw: Draw) -> None:
    """A query that may look at no key gives no NaN."""
    layer = random_layer(student, draw)
    mask = torch.ones(2, 1, 4, 4, dtype=torch.bool)
    mask[0, 0, 1] = False
    output = layer(draw.normal(2, 4, DIM), mask)
    expect(
        output.isfinite().all(),
        "A query without any visible key gives NaN: softmax of a row of -inf is 0/0; give such a "
        "row zero weights.",
    )


@suite.check(MODULE)
def a_blind_row_gathers_nothing(student: Any, draw: Draw) -> None:
    """A query that may look at no key gathers zeros, and disturbs no other query."""
    layer = Layer(student, DIM, HEADS).randomise(draw)  # zero biases
    x = draw.normal(2, 4, DIM)
    mask = torch.ones(2, 1, 4, 4, dtype=torch.bool)
    mask[0, 0, 1] = False
    output = layer(x, mask)
    size = output[0, 1].abs().max()
    expect(
        not size > 1e-5,
        f"A query that may see nothing still gets an output of {size:.2g} with zero biases: its "
        "weights must be zero, not equal shares of the hidden tokens.",
    )
    others = torch.ones(2, 4, dtype=torch.bool)
    others[0, 1] = False
    expect(
        size.isfinite() and close(output[others], layer(x)[others]),
        "A query that may see nothing must give zeros and leave the other queries as they are.",
    )


@suite.check(MODULE)
def only_bool_masks(student: Any, draw: Draw) -> None:
    """A mask of numbers instead of booleans is refused."""
    layer = random_layer(student, draw)
    x, ones = draw.normal(2, 4, DIM), torch.ones(2, 1, 1, 4)
    for mask in (ones.long(), ones):
        refused(
            lambda mask=mask: layer.module(x, mask),
            f"A mask of dtype {mask.dtype} is taken without a word: raise a TypeError that asks "
            "for bool, True where a query may look.",
        )


@suite.check(MODULE)
def only_masks_that_broadcast(student: Any, draw: Draw) -> None:
    """A mask of shape (batch, length) is refused, as it does not broadcast."""
    layer = random_layer(student, draw)
    x = draw.normal(2, 4, DIM)
    for shape in [(2, 4), (2, 1, 1, 3)]:
        refused(
            lambda shape=shape: layer.module(x, torch.ones(shape, dtype=torch.bool)),
            f"A mask of shape {shape} for x of shape (2, 4, {DIM}) is taken without a word: it "
            "does not broadcast to (batch, heads, query, key), so raise a ValueError.",
        )


@suite.check(MODULE)
def a_full_mask_hides_nothing(student: Any, draw: Draw) -> None:
    """A mask that is True everywhere gives the output without a mask."""
    layer = random_layer(student, draw)
    x = draw.normal(2, 4, DIM)
    masked = layer(x, torch.ones(2, 1, 1, 4, dtype=torch.bool))
    gap = largest_difference(masked, layer(x))
    expect(
        gap < 1e-4,
        f"A mask that is True everywhere changes the output by {gap:.2g}: True means that a "
        "query may look, and nothing else happens to the scores.",
    )
    named = layer.module(x, mask=torch.ones(2, 1, 1, 4, dtype=torch.bool))
    expect(named is not None, "forward(x, mask=...) gives nothing.")

"""Visible checks of the exercise `multi_head`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from course.checks import live
from course.checks.base import Draw, Suite, as_tensor, close, expect, largest_difference
from course.checks.multi_head_toys import Layer, coded, place, ragged

suite = Suite("multi_head")
SPLIT, MERGE, MODULE = "split_heads", "merge_heads", "MultiHeadAttention"


@suite.check(SPLIT, points=3, hint="x has shape (batch, length, dim); give four dimensions back.")
def split_keeps_positions_apart(student: Any, draw: Draw) -> None:
    """Head h of position i holds the h-th run of head_dim features of position i."""
    batch, length, heads, head_dim = 2, 5, 3, 4
    x = coded(batch, length, heads * head_dim)
    split = as_tensor(student(x, heads), "split_heads(x, 3)", (batch, heads, length, head_dim))
    explain_split(split, x, head_dim)


def explain_split(split: Tensor, x: Tensor, head_dim: int) -> None:
    """Say where the first wrong number of a split of coded numbers comes from."""
    for b, h, i, k in torch.cartesian_prod(*(torch.arange(n) for n in split.shape)).tolist():
        code = float(split[b, h, i, k])
        if code != float(x[b, i, h * head_dim + k]):
            expect(0 <= code < x.numel(), f"The split holds {code}, a number that x does not hold.")
            row, position, feature = place(code, tuple(x.shape))
            expect(
                (row, position) == (b, i),
                f"Head {h} of position {i} (sentence {b}) got a number of position {position} "
                f"(sentence {row}): cut the features into (heads, head_dim), then swap axes.",
            )
            expect(
                False,
                f"Feature {k} of head {h} must be feature {h * head_dim + k} of x, but it is "
                f"feature {feature}: a head is a run of head_dim neighbours.",
            )


@suite.check(SPLIT)
def split_refuses_uneven_heads(student: Any, draw: Draw) -> None:
    """A number of heads that does not divide the features is refused."""
    for dim, heads in [(10, 3), (4, 8)]:
        refused(
            lambda dim=dim, heads=heads: student(draw.normal(2, 3, dim), heads),
            f"{dim} features went into {heads} heads without an error: raise a ValueError that "
            "names both numbers.",
        )


def refused(call: Any, message: str) -> None:
    """Fail with ``message`` unless the call raises an error of its own."""
    try:
        call()
    except NotImplementedError:
        raise
    except Exception:
        return
    expect(False, message)


@suite.check(MERGE, points=3, hint="x has shape (batch, heads, length, head_dim).")
def merge_joins_the_heads_of_a_position(student: Any, draw: Draw) -> None:
    """Position i gets the features of all its heads, head 0 first."""
    batch, heads, length, head_dim = 2, 3, 5, 4
    x = coded(batch, heads, length, head_dim)
    merged = as_tensor(student(x), "merge_heads(x)", (batch, length, heads * head_dim))
    explain_merge(merged, x)


def explain_merge(merged: Tensor, x: Tensor) -> None:
    """Say where the first wrong number of a merge of coded numbers comes from."""
    head_dim = x.size(-1)
    for b, i, f in torch.cartesian_prod(*(torch.arange(n) for n in merged.shape)).tolist():
        code = float(merged[b, i, f])
        if code != float(x[b, f // head_dim, i, f % head_dim]):
            expect(0 <= code < x.numel(), f"merge_heads gives {code}, a number that x lacks.")
            row, head, position, feature = place(code, tuple(x.shape))
            expect(
                (row, position) == (b, i),
                f"Position {i} (sentence {b}) got a number of position {position} (sentence "
                f"{row}): bring the heads next to head_dim (swap axes 1 and 2) before you join.",
            )
            expect(
                False,
                f"Feature {f} must be feature {f % head_dim} of head {f // head_dim}, but it is "
                f"feature {feature} of head {head}: whole heads stand one after another.",
            )


@suite.check(MODULE)
def returns_one_tensor(student: Any, draw: Draw) -> None:
    """forward returns one tensor of the shape of x, for one token or one sentence too."""
    module = student(12, 3)
    for batch, length in [(2, 5), (1, 4), (3, 1), (1, 1)]:
        result = module(draw.normal(batch, length, 12))
        expect(
            not isinstance(result, (tuple, list)),
            "forward returns several things: return the output alone, without the weights.",
        )
        what = f"The output for x of shape {(batch, length, 12)}"
        output = as_tensor(result, what, (batch, length, 12))
        expect(output.isfinite().all(), f"{what} holds NaN or infinity.")


@suite.check(MODULE, points=2)
def tokens_have_no_order(student: Any, draw: Draw) -> None:
    """Without a mask, reordering the tokens only reorders the outputs."""
    layer = Layer(student, 12, 3).randomise(draw, bias=0.3)
    x = draw.normal(2, 5, 12)
    order = torch.roll(torch.arange(5), draw.integer(1, 4))
    moved, straight = layer(x[:, order]), layer(x)[:, order]
    expect(
        close(moved, straight),
        "Reordering the tokens changed the outputs by "
        f"{largest_difference(moved, straight):.2g}: heads and positions are mixed (a reshape "
        "without the swap of axes, on the way in or out), or the order itself matters.",
    )


@suite.check(MODULE)
def sentences_stay_apart(student: Any, draw: Draw) -> None:
    """What a sentence gives does not depend on the other sentences of its batch."""
    layer = Layer(student, 12, 3).randomise(draw, bias=0.3)
    x = draw.normal(4, 4, 12)
    together, alone = layer(x), torch.cat([layer(row[None]) for row in x])
    expect(
        close(together, alone),
        f"A sentence's output changes by {largest_difference(together, alone):.2g} when others "
        "join the batch: axis 0 is the batch, attention runs over axis 1.",
    )


@suite.check(MODULE, points=3)
def output_projection_is_applied(student: Any, draw: Draw) -> None:
    """The joined heads pass through one more linear layer, the output projection."""
    layer = Layer(student, 12, 3).randomise(draw)
    token = draw.normal(6, 1, 12)  # alone, a token attends to itself: values, then projection
    once = layer(token)
    twice = layer.multiply(2.0)(token)
    floor = layer.multiply(0.0)(token)
    ratio = float((twice - floor).norm() / (once - floor).norm().clamp(min=1e-9))
    expect(
        abs(ratio / 2 - 1) > 0.01,
        "With all weights doubled, a lone token's output doubles, so it meets one linear layer "
        "only: project the values, and after the merge apply the output projection.",
    )
    expect(
        abs(ratio / 4 - 1) < 0.01,
        f"With all weights doubled, a lone token's output grows {ratio:.3g} times: the value "
        "projection, then the output projection, nothing else, must make it 4.",
    )


@suite.check(MODULE, points=3, hint="The mask (batch, 1, 1, length) broadcasts to the scores.")
def hidden_tokens_have_no_say(student: Any, draw: Draw) -> None:
    """A token that the mask hides changes no other token's output."""
    mask = ragged([4, 2, 5, 3])
    layer = Layer(student, 12, 3).randomise(draw, bias=0.3)
    x = draw.normal(4, 5, 12)
    visible = mask[:, 0, 0]  # (batch, length)
    before = layer(x, mask)
    noise = torch.where(visible[..., None], x, draw.normal(4, 5, 12) * 20)
    leak = (layer(noise, mask) - before).abs()[visible].max()
    if not leak <= 1e-4:
        name_the_mask_mistake(layer, x, mask, before)
    expect(
        leak <= 1e-4,
        f"A hidden token still moves an output by {leak:.2g}: the mask must take the hidden keys "
        "(last axis of the scores) out before the softmax, in every head and sentence.",
    )


def name_the_mask_mistake(layer: Layer, x: Tensor, mask: Tensor, before: Tensor) -> None:
    """Say so if a mask acts the wrong way round, or on queries instead of keys."""
    other = x.clone()
    other[:, 1] = -2 * x[:, 1]  # token 1 is visible in every sentence
    moved = (layer(other, mask) - before).abs().nan_to_num(nan=1.0)
    hidden = ~mask[:, 0, 0]
    expect(
        moved[[0, 1, 3], 0].max() > 1e-5,
        "The mask is read the wrong way round: True means that a query may look at a key.",
    )
    expect(
        moved[hidden].max() > 1e-5,
        "The mask acts on the queries (rows of the scores): it must hide keys, the last axis.",
    )


@suite.check(MODULE, points=2)
def no_dropout_in_evaluation(student: Any, draw: Draw) -> None:
    """In evaluation mode nothing is dropped."""
    layer = Layer(student, 12, 3, dropout=0.5).works()
    x = draw.normal(8, 6, 12)
    first, second = layer(x), layer(x)
    expect(
        close(first, second),
        "Two calls in evaluation mode differ: drop only while self.training is true.",
    )
    plain = Layer(student, 12, 3)
    live.set_parameters(plain.module, layer.values)
    expect(
        close(first, plain(x)),
        "In evaluation mode the dropout rate changes the output: it must have no effect there.",
    )

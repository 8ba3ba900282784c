"""Hidden checks of what GPT is built of, by weights under which the right logits are known."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.checks.gpt.common import suite
from course.checks import live
from course.checks.base import Draw, as_tensor, close, expect, largest_difference
from course.checks.encoder_toys import ACTIVATIONS, direction, is_gain
from course.checks.gpt.common import NETWORK
from course.checks.gpt_toys import (
    BLOCK,
    DIM,
    HEADS,
    WIDE,
    WORDS,
    Ends,
    build,
    enliven,
    norm,
    set_feedforward,
    working,
)


def sizes(layers: int) -> tuple[int, ...]:
    """The toys' sizes with another number of layers."""
    return (WORDS, BLOCK, layers, HEADS, DIM)


def count(values: dict[str, Tensor]) -> int:
    """The number of weights in all parameters."""
    return sum(value.numel() for value in values.values())


@suite.check(NETWORK, points=3)
def embeddings_norm_and_head(student: Any, draw: Draw) -> None:
    """With silent blocks the logits are head(LayerNorm(token + position embedding))."""
    model = build(student, draw, *sizes(2))
    ends = Ends(model, draw)
    ids = draw.integers(0, WORDS - 1, 2, 7)
    logits = as_tensor(model(ids), "The logits", (2, 7, WORDS)).float()
    moved = largest_difference(logits, logits[:1, :1].expand_as(logits))
    expect(
        moved > 1e-4,
        "With silent blocks all logits are the same: a block adds to its input, x = x + ..., so "
        "the embeddings must reach the head.",
    )
    pairs = ends.heads()
    for index, head in pairs:
        if close(logits, norm(ends.inputs(ids, index)) @ head.T, 1e-2):
            return
    for index, head in pairs:
        token = ends.tables[index][ids]
        known = {
            "The last LayerNorm, before the head, is missing.": ends.inputs(ids, index),
            "The position embedding is not added to the token embedding.": norm(token),
            "The token embedding is scaled before positions are added: just add the two.": norm(
                token * DIM**0.5 + ends.places[:7]
            ),
            "The position embedding is read from its end: position 0 is the first token.": norm(
                token + ends.places.flip(0)[:7]
            ),
            "Positions count from 1, but the first token stands at position 0.": norm(
                token + ends.places[1:8]
            ),
        }
        for words, hidden in known.items():
            expect(not close(logits, hidden @ head.T, 1e-2), words)
    wrong = min(largest_difference(logits, norm(ends.inputs(ids, i)) @ h.T) for i, h in pairs)
    expect(
        False,
        "With blocks whose weights are all 0 the logits must be head(LayerNorm(token embedding + "
        f"position embedding)); they are off by {wrong:.2f}. Nothing else stands between.",
    )


@suite.check(NETWORK, points=2)
def every_layer_has_its_own_weights(student: Any, draw: Draw) -> None:
    """num_layers blocks follow each other, each with weights of its own."""
    counts = [count(live.parameters(build(student, draw, *sizes(n)))) for n in (1, 2, 4)]
    expect(
        counts[1] > counts[0],
        "One and two layers have the same number of weights: make num_layers blocks, each a new "
        "module in an nn.ModuleList.",
    )
    expect(
        counts[2] - counts[1] == 2 * (counts[1] - counts[0]),
        f"Models of 1, 2 and 4 layers have {counts} weights: each layer must add as many.",
    )


@suite.check(NETWORK, points=2)
def a_block_has_a_feedforward(student: Any, draw: Draw) -> None:
    """A block holds attention and a feed-forward of 4 * embed_dim, with a LayerNorm for each."""
    one, two = (live.parameters(build(student, draw, *sizes(n))) for n in (1, 2))
    added = count(two) - count(one)
    expect(
        added == 0 or added > 5 * DIM**2,
        f"A layer has {added} weights, hardly more than attention's 4 · embed_dim² = "
        f"{4 * DIM**2}: the feed-forward network is missing.",
    )
    expect(
        added == 0 or added > 7.5 * DIM**2 + 13 * DIM,
        f"A layer has {added} weights: the feed-forward does not widen the tokens. Between its "
        "two linear layers there are 4 · embed_dim features.",
    )
    gains = sum(is_gain(value) for value in two.values())
    expect(
        gains >= 4,
        f"Two layers have {gains} LayerNorms: attention and feed-forward each need their own.",
    )


@suite.check(NETWORK, points=2)
def feedforward_is_not_linear(student: Any, draw: Draw) -> None:
    """The feed-forward has an effect, and GELU between its two linear layers."""
    model = working(student, draw, *sizes(1))
    ends = Ends(model, draw)
    ids = draw.integers(0, WORDS - 1, 2, 7)
    silent = as_tensor(model(ids), "The logits", (2, 7, WORDS)).float()
    u = direction(draw)
    if not set_feedforward(model, u):
        return  # another width: its effect is seen by other checks
    logits = model(ids).float()
    expect(
        largest_difference(logits, silent) > 1e-3,
        "The feed-forward has no effect on the logits: add its output to the tokens.",
    )
    for index, head in ends.heads():
        x = ends.inputs(ids, index)
        linear = ACTIVATIONS["no activation at all"]
        for start in (x, norm(x)):  # pre-norm, post-norm
            h = start + WIDE * linear(norm(x) @ u)[..., None] * u
            expect(
                not close(logits, norm(h) @ head.T, 1e-2),
                "Between the two linear layers of the feed-forward nothing happens: put a GELU "
                "there, or the two are no more than one.",
            )


@suite.check(NETWORK, points=2)
def heads_reach_the_blocks(student: Any, draw: Draw) -> None:
    """num_heads reaches the attention of the blocks."""
    two = working(student, draw, WORDS, BLOCK, 1, 2, DIM)
    four = working(student, draw, WORDS, BLOCK, 1, 4, DIM)
    enliven(two, draw, 0.8)
    values = live.parameters(two)
    if {n: v.shape for n, v in values.items()} != {
        n: v.shape for n, v in live.parameters(four).items()
    }:
        return  # heads as modules of their own
    live.set_parameters(four, values)
    ids = draw.integers(0, WORDS - 1, 2, 8)
    expect(
        largest_difference(two(ids), four(ids)) > 1e-4,
        "With the same weights 2 and 4 heads give the same logits: hand num_heads on to the "
        "attention of every block.",
    )


@suite.check(NETWORK, points=2)
def gradients_reach_all_weights(student: Any, draw: Draw) -> None:
    """Every weight learns: those of all blocks, the embeddings of all words and positions."""
    model = build(student, draw, *sizes(3))
    enliven(model, draw)
    ids = torch.arange(WORDS).repeat(2)[: 2 * BLOCK].view(2, BLOCK)
    found = live.parameter_gradients(model, [ids], {}, [draw.normal(2, BLOCK, WORDS)])
    idle = [n for n, g in found.items() if g is None or (g.squeeze().dim() > 1 and not g.any())]
    expect(
        bool(found) and not idle,
        f"No gradient reaches {', '.join(idle[:3]) or 'any parameter'}: it is made and not used, "
        "or cut off. Each block takes the output of the block before.",
    )
    for gradient in found.values():
        if gradient is not None and tuple(gradient.squeeze().shape) in ((BLOCK, DIM), (WORDS, DIM)):
            still = (gradient.squeeze().abs().amax(dim=1) == 0).nonzero().flatten().tolist()
            expect(
                not still,
                f"Row {still[:3]} of an embedding gets no gradient: no token is special, and every "
                "position up to block_size is used.",
            )
    fixed = set(live.parameters(model)) - set(live.parameters(model, trainable_only=True))
    expect(not fixed, f"{', '.join(sorted(fixed)[:3])} cannot learn: requires_grad is off.")


@suite.check(NETWORK)
def sizes_by_name(student: Any, draw: Draw) -> None:
    """The sizes may be given by name, in any order, and a text's batch does not matter."""
    named = {"embed_dim": DIM, "num_heads": 4, "num_layers": 1, "block_size": BLOCK}
    model = student(vocab_size=WORDS, dropout=0.1, **named)
    live.set_mode(model, False)
    enliven(model, draw)
    ids = torch.arange(WORDS)[:12].view(3, 4)
    (_, args, _) = live.call_and_keep(model, [ids.clone()], {})
    expect(torch.equal(args[0], ids), "input_ids are changed by the call.")
    together = as_tensor(model(input_ids=ids), "The logits", (3, 4, WORDS))
    expect(together.any(), "All logits are 0: compute them from the ids.")
    alone = torch.cat([model(row[None]) for row in ids])
    expect(
        close(together, alone, 1e-3),
        f"A text's logits change by {largest_difference(together, alone):.2g} when others join "
        "the batch.",
    )


@suite.check(NETWORK)
def gradients_are_slopes(student: Any, draw: Draw) -> None:
    """The gradient of all weights is the slope of the logits."""
    model = working(student, draw, *sizes(2))
    enliven(model, draw, 0.3)
    ids, cotangent = draw.integers(0, WORDS - 1, 2, 6), draw.normal(2, 6, WORDS)
    found = live.parameter_gradients(model, [ids], {}, [cotangent])
    kept = live.parameters(model)
    step, along, slopes = 0.002, [], []
    for _ in range(4):
        ways = {name: draw.normal(*value.shape) for name, value in kept.items()}
        along.append(sum(float((g * ways[n]).sum()) for n, g in found.items() if g is not None))
        ends = []
        for sign in (1, -1):
            live.set_parameters(model, {n: v + sign * step * ways[n] for n, v in kept.items()})
            ends.append(float((as_tensor(model(ids), "The logits") * cotangent).double().sum()))
        slopes.append((ends[0] - ends[1]) / 2 / step)
    gap = torch.tensor(along) - torch.tensor(slopes)
    off = float(gap.norm() / torch.tensor(slopes).norm().clamp(min=1e-6))
    expect(
        off < 0.15,
        f"The gradient of the weights is off from the slope of the logits by {off:.0%}: something "
        "is detached, or computed without autograd.",
    )

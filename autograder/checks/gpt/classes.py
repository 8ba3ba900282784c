"""Hidden checks of GPT with its classification head."""

from __future__ import annotations

from typing import Any

import torch

from autograder.checks.gpt.common import suite
from course.checks import live
from course.checks.base import Draw, as_tensor, expect, largest_difference
from course.checks.gpt.common import NETWORK
from course.checks.gpt_toys import BLOCK, DIM, WORDS, build, enliven, overfit, real, working

LENGTHS = (3, 6, 1, 5)


def a_batch(draw: Draw) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """ids of four texts, and their masks for padding on the right and on the left."""
    places = torch.arange(6)
    right = (places < torch.tensor(LENGTHS)[:, None]).long()
    return draw.integers(0, WORDS - 1, 4, 6), right, right.flip(1)


@suite.check(NETWORK, points=2, hint="Find the last 1 of each row of attention_mask.")
def classifies_from_the_last_content_token(student: Any, draw: Draw) -> None:
    """With padding on the right, the classes are those of the text without padding."""
    model = working(student, draw, num_classes=3)
    enliven(model, draw)
    ids, mask, _ = a_batch(draw)
    found = as_tensor(model(ids, mask), "The classes' logits", (4, 3))
    other = torch.where(mask == 1, ids, (ids + 1) % WORDS)
    moved = largest_difference(model(other, mask), found)
    expect(
        moved < 1e-4,
        f"Other tokens in the padding move the classes by {moved:.2g}: read the last content "
        "token of each row, not the last position.",
    )
    alone = torch.cat([model(ids[i : i + 1, :n]).detach() for i, n in enumerate(LENGTHS)])
    wrong = (alone - found).abs().amax(dim=1)
    row = int(wrong.argmax())
    expect(
        wrong[row] < 1e-3,
        f"A text of {LENGTHS[row]} tokens has other classes with padding on the right, by "
        f"{float(wrong[row]):.2g}: each row has its own last content token.",
    )


@suite.check(NETWORK, points=2, hint="Find the last 1 of each row of attention_mask.")
def left_padding_has_its_last_token_too(student: Any, draw: Draw) -> None:
    """With padding on the left the classes come from the last token."""
    model = build(student, draw, num_classes=3)
    enliven(model, draw)
    ids, _, mask = a_batch(draw)
    found = as_tensor(model(ids, mask), "The classes' logits", (4, 3))
    last = ids.clone()
    last[:, -1] = (ids[:, -1] + 1) % WORDS
    moved = (model(last, mask) - found).abs().amax(dim=1)
    expect(
        bool((moved > 1e-5).all()),
        "With padding on the left the last token has no influence on the classes: the number of "
        "tokens is not the place of the last one. Look for the last 1 in the mask.",
    )


@suite.check(NETWORK, points=2)
def one_vector_is_classified(student: Any, draw: Draw) -> None:
    """The head reads the last content token's vector alone, no mean over the text."""
    model = build(student, draw, num_classes=5)
    enliven(model, draw)
    kept = live.parameters(model)
    ends = {n for n, v in kept.items() if real(v) and (WORDS in v.shape or 5 in v.shape)}
    silent = {n: v * 0 for n, v in kept.items() if v.squeeze().dim() > 1 and n not in ends}
    live.set_parameters(model, silent)  # no attention: each token knows only itself
    ids, right, left = a_batch(draw)
    for mask in (torch.ones_like(right), right, left):
        found = as_tensor(model(ids, mask), "The classes' logits", (4, 5))
        last = (torch.arange(6) * mask).argmax(dim=1)
        other = (ids + 1) % WORDS
        other[torch.arange(4), last] = ids[torch.arange(4), last]
        moved = largest_difference(model(other, mask), found)
        expect(
            moved < 1e-4,
            "With silent attention the classes still depend on earlier tokens, by "
            f"{moved:.2g}: take the vector of the last content token, not a mean or maximum.",
        )
        other[torch.arange(4), last] = (ids[torch.arange(4), last] + 1) % WORDS
        expect(
            largest_difference(model(other, mask), found) > 1e-5,
            "With silent attention the last content token has no influence on the classes: it is "
            "the one to be classified.",
        )


@suite.check(NETWORK)
def classes_are_logits(student: Any, draw: Draw) -> None:
    """Any number of classes works, and their logits are not normalised."""
    for classes in (1, 4):
        model = build(student, draw, num_classes=classes)
        enliven(model, draw)
        ids = draw.integers(0, WORDS - 1, 5, 4)
        logits = as_tensor(model(ids), "The classes' logits", (5, classes)).float()
        if classes > 1:
            total = float(logits.logsumexp(dim=1).abs().max())
            expect(
                largest_difference(logits.sum(1), torch.ones(5)) > 1e-4 and total > 1e-4,
                "These are probabilities, or their logarithms: return the logits of the classes.",
            )
        expect(
            largest_difference(logits, logits[:1].expand_as(logits)) > 1e-5,
            "Five texts have the same classes: return a row a text.",
        )


@suite.check(NETWORK, points=2)
def a_classifier_learns(student: Any, draw: Draw) -> None:
    """The classifier fits a few texts when it is trained, all its layers together."""
    model = build(student, draw, num_classes=2)
    enliven(model, draw)
    ids = torch.arange(WORDS).repeat(2)[: 2 * BLOCK].view(2, BLOCK)
    found = live.parameter_gradients(model, [ids], {}, [draw.normal(2, 2)])
    used = {n for n, g in found.items() if g is not None and (len(real(g)) < 2 or g.any())}
    shapes = {n: real(v) for n, v in live.parameters(model).items()}
    words = {n for n, shape in shapes.items() if WORDS in shape}  # embedding, language head
    idle = [n for n in found if n not in used and (n not in words or not words & used)]
    expect(
        bool(found) and not idle,
        f"With num_classes no gradient reaches {', '.join(idle[:3]) or 'any parameter'}: it is not "
        "used, or the hidden states are detached.",
    )
    model = build(student, draw, WORDS, 6, 1, 2, 4 * DIM, training=True, num_classes=2)
    ids = draw.integers(0, WORDS - 1, 8, 6)
    ids[:, -1] = torch.arange(8)  # the label hangs on the last token
    losses = overfit(model, ids, torch.arange(8) % 2, 20, 1e-2)
    expect(
        losses[-1] < 0.4,
        f"After 20 steps on eight texts the loss is {losses[-1]:.2f}, hardly below that of "
        f"guessing, 0.69 (it began at {losses[0]:.2f}): does the gradient reach all layers?",
    )

"""Hidden checks of GPT with an attention mask."""

from __future__ import annotations

from typing import Any

import torch

from autograder.checks.gpt.common import suite
from course.checks import live
from course.checks.base import Draw, as_tensor, close, expect, largest_difference
from course.checks.gpt.common import NETWORK
from course.checks.gpt_toys import BLOCK, DIM, HEADS, WORDS, build, enliven, working

LEFT = torch.tensor([[0, 0, 0, 1, 1, 1], [0, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]])


@suite.check(NETWORK, points=2, hint="The mask (batch, length) says which keys may be looked at.")
def padding_is_not_looked_at(student: Any, draw: Draw) -> None:
    """Where attention uses the mask, what stands at a padded position has no influence at all."""
    model = working(student, draw, WORDS, BLOCK, 3, HEADS, DIM)
    enliven(model, draw)
    ids = draw.integers(0, WORDS - 1, 3, 6)
    if largest_difference(model(ids, LEFT), model(ids)) < 1e-6:
        return  # attention is causal and no more: padding belongs on the right, where it is unseen
    for side, mask in (("left", LEFT), ("right", LEFT.flip(1))):
        real = mask == 1
        other = torch.where(real, ids, (ids + draw.integers(1, WORDS - 1, 3, 6)) % WORDS)
        found = as_tensor(model(ids, mask), "The logits", (3, 6, WORDS))
        expect(
            bool(found[real].isfinite().all()),
            f"With padding on the {side} real tokens get NaN.",
        )
        leak = largest_difference(model(other, mask)[real], found[real])
        expect(
            leak < 1e-4,
            f"Other tokens in the padding on the {side} move the logits of real tokens by "
            f"{leak:.2g}: hide the padded keys in every block, besides the later ones.",
        )


@suite.check(NETWORK, points=2)
def padding_on_the_right_changes_nothing(student: Any, draw: Draw) -> None:
    """A text padded on the right has the same logits as without padding."""
    model = working(student, draw)
    enliven(model, draw)
    ids = draw.integers(0, WORDS - 1, 3, 6)
    mask = LEFT.flip(1)
    found = model(ids, attention_mask=mask)
    for row, length in ((0, 3), (1, 5), (2, 6)):
        wrong = largest_difference(model(ids[row : row + 1, :length])[0], found[row, :length])
        expect(
            wrong < 1e-3,
            f"A text of {length} tokens has logits that differ by {wrong:.2g} with padding on the "
            "right: attention_mask is 1 at tokens, which stay visible, and 0 at padding.",
        )


@suite.check(NETWORK, hint="A mask may hold integers, booleans or floats: make it boolean first.")
def masks_of_any_dtype(student: Any, draw: Draw) -> None:
    """attention_mask may be int64, bool or float; None is a mask of ones."""
    model = working(student, draw)
    enliven(model, draw)
    ids = draw.integers(0, WORDS - 1, 3, 6)
    ids[:, 1] = 0  # no id is padding by itself
    for mask in (LEFT, LEFT.flip(1)):
        right = model(ids, mask)[mask == 1]
        for dtype in (torch.bool, torch.float32):
            wrong = largest_difference(model(ids, mask.to(dtype))[mask == 1], right)
            expect(wrong < 1e-4, f"A mask of {dtype} gives other logits than one of int64.")
    ones = model(ids, torch.ones_like(ids))
    expect(
        close(ones, model(ids), 1e-3),
        f"Without a mask the logits differ by {largest_difference(ones, model(ids)):.2g} from "
        "those with a mask of ones: None means that every token is real.",
    )


@suite.check(NETWORK)
def masks_keep_it_causal(student: Any, draw: Draw) -> None:
    """With an attention mask too, real tokens see what stands before them, and nothing after."""
    model = build(student, draw)
    enliven(model, draw)
    ids = draw.integers(0, WORDS - 1, 3, 6)
    for mask, first in ((LEFT, 3), (LEFT.flip(1), 0)):
        found = model(ids, mask)
        middle, last = ids.clone(), ids.clone()
        middle[:, first + 1] = (ids[:, first + 1] + 1) % WORDS
        last[:, first] = (ids[:, first] + 1) % WORDS
        leak = largest_difference(model(middle, mask)[:, first], found[:, first])
        expect(
            leak < 1e-4,
            f"With an attention mask a later token moves earlier logits by {leak:.2g}: a key is "
            "visible if it is not padding AND does not stand after the query.",
        )
        seen = largest_difference(model(last, mask)[:, first + 2], found[:, first + 2])
        expect(
            seen > 1e-6,
            "With an attention mask a real token has no influence on the real tokens after it: "
            "1 means that it may be looked at.",
        )


@suite.check(NETWORK)
def no_nan_in_training(student: Any, draw: Draw) -> None:
    """Padding on the left gives no NaN, neither in the logits nor in the gradients."""
    model = working(student, draw)
    ids = draw.integers(0, WORDS - 1, 3, 6)
    logits = as_tensor(model(ids, LEFT), "The logits", (3, 6, WORDS))
    expect(
        bool(logits.isfinite().all()),
        "At padding on the left the logits are NaN: such a position sees no key at all. Use a "
        "large negative number instead of -inf, or let padding see itself.",
    )
    weights = LEFT[..., None] * draw.normal(3, 6, WORDS)  # padding has no say in the loss
    gradients = live.parameter_gradients(model, [ids, LEFT], {}, [weights])
    finite = all(g is None or bool(g.isfinite().all()) for g in gradients.values())
    expect(
        finite,
        "With padding on the left the gradients are NaN, though padding is not in the loss: a "
        "position without any key poisons the batch.",
    )

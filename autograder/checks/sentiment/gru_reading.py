"""Hidden checks of how GruSentiment reads a batch: padding, order, both ends."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.checks.sentiment.common import GRU, suite
from course.checks import sentiment_toys as toys
from course.checks.base import Draw, as_tensor, close, expect
from course.checks.sentiment import GRU_HINT

PLAIN: dict[str, Any] = {}
ONE_WAY: dict[str, Any] = {"bidirectional": False}
LONG = 40  # tokens after which a fresh GRU remembers less than a thousandth


@suite.check(GRU, points=2, hint=GRU_HINT)
def padding_on_the_left(student: Any, draw: Draw) -> None:
    """A text gets the same logit with padding before it as without"""
    for options in (PLAIN, ONE_WAY):
        model = toys.build(student, draw, 5, **options)
        ids, mask = toys.a_batch(draw, [8, 5, 3, 2], side="left")
        logits, wanted = toys.flat(model, ids, mask), toys.alone(model, ids, mask)
        worst = float((logits - wanted).abs().max())
        expect(
            close(logits, wanted),
            f"With padding on the left the logit of a text changes by {worst:.3f}: its length says "
            "how many tokens it has, not where they are. Pick them by the mask before you pack.",
        )


@suite.check(GRU, points=2, hint=GRU_HINT)
def content_of_padding(student: Any, draw: Draw) -> None:
    """What stands at padded places, and how much of it, has no effect"""
    for options in (PLAIN, ONE_WAY, {"num_layers": 1}):
        model = toys.build(student, draw, 5, **options)
        ids, mask = toys.a_batch(draw, [6, 4, 2])
        logits = toys.flat(model, ids, mask)
        for token in (0, draw.integer(1, toys.WORDS - 1)):
            filled = ids.where(mask.bool(), token)
            expect(
                close(toys.flat(model, filled, mask), logits),
                f"Padding with the token {token} changes the logits: the attention mask says what "
                "is padding, no token id does.",
            )
        wider = torch.nn.functional.pad(ids, (0, 5), value=3), torch.nn.functional.pad(mask, (0, 5))
        expect(
            close(toys.flat(model, *wider), logits),
            "Five more columns of padding change the logits: the GRU must end at each text's own "
            "last token.",
        )


@suite.check(GRU, points=2, hint=GRU_HINT)
def logits_keep_the_order_of_the_batch(student: Any, draw: Draw) -> None:
    """Each logit stands at its own text's place, whatever the order of the lengths"""
    model = toys.build(student, draw, 5)
    ids, mask = toys.a_batch(draw, [2, 5, 3, 7, 4])
    logits, wanted = toys.flat(model, ids, mask), toys.alone(model, ids, mask)
    permuted = close(logits.sort().values, wanted.sort().values)
    expect(
        close(logits, wanted) or not permuted,
        "The logits come back in another order than the texts: undo the sorting by length, or pack "
        "with enforce_sorted=False.",
    )
    expect(
        close(logits, wanted),
        "In a batch whose lengths are not sorted, texts get other logits than alone: pack with "
        "enforce_sorted=False, and take each text's own final states.",
    )


@suite.check(GRU, points=2, hint=GRU_HINT)
def texts_do_not_mix(student: Any, draw: Draw) -> None:
    """A text's logit does not depend on the other texts of its batch"""
    for options in (PLAIN, ONE_WAY, {"num_layers": 3}):
        model = toys.build(student, draw, 5, **options)
        ids, mask = toys.a_batch(draw, [5, 5, 5, 5])
        other = ids.clone()
        other[2] = (ids[2] + 1) % toys.WORDS
        change = toys.flat(model, other, mask) - toys.flat(model, ids, mask)
        touched = float(change[[0, 1, 3]].abs().max())
        expect(
            touched < 1e-5,
            f"Another text in row 2 changes the logit of other rows by {touched:.3f}: the GRU needs"
            " batch_first=True, and the final states (layers, batch, hidden) are joined along the "
            "last axis, row by row.",
        )
        expect(
            float(change[2].abs()) > 1e-6, "Another text in row 2 leaves its own logit as it is."
        )


@suite.check(GRU, hint=GRU_HINT)
def batch_of_one(student: Any, draw: Draw) -> None:
    """A batch of one text gives a tensor (1,), also when the text is one token"""
    for options in (PLAIN, ONE_WAY | {"num_layers": 1}):
        model = toys.build(student, draw, 5, **options)
        for length in (4, 1):
            result = model(*toys.a_batch(draw, [length]))
            as_tensor(result, f"The result for one text of {length} tokens", (1,))


def influences(student: Any, model: Any, draw: Draw) -> tuple[float, float]:
    """How much another first, and another last token of long texts change the logits (rms)."""
    ids, mask = toys.a_batch(draw, [LONG] * 24)
    logits = toys.flat(model, ids, mask).double()
    found = []
    for place in (0, LONG - 1):
        other = ids.clone()
        other[:, place] = (ids[:, place] + draw.integers(1, toys.WORDS - 1, 24)) % toys.WORDS
        found.append(toys.rms(toys.flat(model, other, mask).double() - logits))
    return found[0], found[1]


# A fresh GRU of torch forgets more than a quarter at each token: 40 tokens leave less than 1e-5.
# The final states of both directions carry the ends of a text with about the same weight, H = 8
# random numbers each: that one is 100 times the other has a probability below 1e-12.
@suite.check(GRU, points=3, hint=GRU_HINT)
def both_ends_are_remembered(student: Any, draw: Draw) -> None:
    """Forward and backward state are both final: that at the last token and that at the first"""
    for layers in (1, 2):
        model = toys.build(student, draw, 8, num_layers=layers)
        first, last = influences(student, model, draw)
        expect(
            first > 0.01 * last,
            f"In long texts the first token counts {first / max(last, 1e-12):.1e} times as much as "
            "the last: the backward state is missing, or taken at the last token, where it has read"
            " one token. Its final state is the one at the first token (h_n[-1]).",
        )
        expect(
            last > 0.01 * first,
            f"In long texts the last token counts {last / max(first, 1e-12):.1e} times as much as "
            "the first: the forward state is missing. Of the last layer's two final states h_n[-2] "
            "is the forward, h_n[-1] the backward one.",
        )


@suite.check(GRU, hint=GRU_HINT)
def one_direction_reads_to_the_end(student: Any, draw: Draw) -> None:
    """With bidirectional=False the state after the last token decides"""
    for layers in (1, 2):
        model = toys.build(student, draw, 8, num_layers=layers, bidirectional=False)
        first, last = influences(student, model, draw)
        expect(
            last > 0.01 * first,
            "With bidirectional=False the last token has hardly any influence: take the final "
            "state, h_n[-1], which has read the whole text.",
        )


def reversed_texts(ids: Tensor) -> Tensor:
    """The same tokens from the last to the first."""
    return ids.flip(1)


@suite.check(GRU, hint=GRU_HINT)
def order_of_words_counts(student: Any, draw: Draw) -> None:
    """The order of the tokens matters"""
    model = toys.build(student, draw, 6)
    ids, mask = toys.a_batch(draw, [7] * 6)
    change = toys.flat(model, reversed_texts(ids), mask) - toys.flat(model, ids, mask)
    expect(
        toys.rms(change) > 1e-4,
        "A text read from its end gets the same logit: a GRU reads in order, a mean does not.",
    )


@suite.check(GRU, hint=GRU_HINT)
def nothing_is_kept_between_calls(student: Any, draw: Draw) -> None:
    """Each call starts anew, with a zero state"""
    model = toys.build(student, draw, 5)
    one, two = toys.a_batch(draw, [6, 4, 5]), toys.a_batch(draw, [6, 4, 5])
    first, second = toys.flat(model, *one), toys.flat(model, *two)
    expect(
        close(toys.flat(model, *one), first) and not close(second, first),
        "A batch's logits depend on an earlier batch: the GRU starts each one with a zero state, "
        "and features are not kept by place or shape.",
    )

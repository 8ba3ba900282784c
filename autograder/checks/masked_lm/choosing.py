"""Hidden checks of which tokens mask_tokens chooses, and of its labels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.checks.masked_lm.common import MASK, generator_fault, seed_globally, suite
from course.checks import masked_lm_toys as toys
from course.checks.base import Draw, as_pair, as_tensor, expect


def chosen_of(student: Any, ids: Tensor, special: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Where mask_tokens puts a label, bool (batch, length)."""
    return toys.corrupt(student, ids, special, *args, **kwargs)[1] != -100


@suite.check(MASK, points=2)
def mask_rate_is_obeyed(student: Any, draw: Draw) -> None:
    """mask_rate is the share of tokens chosen, from 0 to 1."""
    ids, special = toys.a_batch(draw, 8, 512, 40)
    content = int((~special).sum())
    for rate in (0.4, draw.choice([0.05, 0.7]), 1.0, 0.0):
        chosen = int(chosen_of(student, ids, special, 40, 40, mask_rate=rate).sum())
        # One a sequence is pardoned: an exact count may be rounded, or kept at one or more.
        allowed = 8 if rate in (0.0, 1.0) else toys.bound(content, rate) + 8
        expect(
            abs(chosen - rate * content) <= allowed,
            f"With mask_rate={rate:g} a share of {toys.percent(chosen, content)} is chosen: use "
            "the argument, not a fixed number.",
        )


@suite.check(MASK)
def share_is_of_content(student: Any, draw: Draw) -> None:
    """The share is taken of the tokens that may be chosen, however much padding there is."""
    ids, special = toys.a_batch(draw, 8, 1024, 40, special=0.05)
    special[:, 300:] = True
    content = int((~special).sum())
    chosen = int(chosen_of(student, ids, special, 40, 40).sum())
    expect(
        not toys.far(chosen, content, 0.15, slack=8),
        f"In a batch that is mostly padding {toys.percent(chosen, content)} of the other tokens "
        "are chosen, not 15 %: the rate counts tokens that may be chosen, not all positions.",
    )


@suite.check(MASK)
def every_place_is_as_likely(student: Any, draw: Draw) -> None:
    """Every place of a sequence, and every sequence, has the same chance to be chosen."""
    ids, special = toys.a_batch(draw, 32, 512, 40, special=0.0)
    chosen = chosen_of(student, ids, special, 40, 40)
    for name, counts in (
        ("quarter of the places", chosen.view(32, 4, 128).sum((0, 2))),
        ("quarter of the batch", chosen.view(4, 8, 512).sum((1, 2))),
    ):
        worst = max(counts.tolist(), key=lambda count: abs(count - 0.15 * 4096))
        expect(
            not toys.far(worst, 4096, 0.15, slack=32),
            f"In one {name} {toys.percent(worst, 4096)} of the tokens are chosen, not about 15 %: "
            "draw for every token alike, not from the front.",
        )


@suite.check(MASK)
def choices_are_independent(student: Any, draw: Draw) -> None:
    """Whether a token is chosen does not depend on its neighbours or on other sequences."""
    ids, special = toys.a_batch(draw, 32, 512, 40, special=0.0)
    chosen = chosen_of(student, ids, special, 40, 40)
    columns, rows = chosen.all(dim=0).sum(), chosen.all(dim=1).sum()
    expect(
        columns == 0,  # 0.15^32 a column
        "The same places are chosen in all sequences of a batch: draw for (batch, length), not "
        "for one row.",
    )
    expect(rows == 0, "Whole sequences are chosen or left alone: draw for every token.")
    # Pairs of neighbours: a pair is chosen at 0.15², and overlapping pairs share tokens; the
    # variance is at most 3 times that of independent pairs, the bound below at least 2 times it.
    pairs = int((chosen[:, 1:] & chosen[:, :-1]).sum())
    expected, reach = 32 * 511 * 0.0225, 2 * toys.bound(32 * 511, 0.0225)
    expect(
        abs(pairs - expected) <= reach,
        f"{pairs} neighbouring pairs are both chosen, about {expected:.0f} are due: tokens are "
        "drawn one by one, not as spans or at fixed steps.",
    )


@suite.check(MASK)
def only_the_mask_decides(student: Any, draw: Draw) -> None:
    """Only special_tokens_mask says which tokens are special, not their ids or places."""
    ids = torch.arange(64).repeat(64, 1)
    for name, special in (
        ("ordinary tokens", torch.zeros(64, 64, dtype=torch.bool)),
        ("tokens between padding", toys.a_batch(draw, 64, 64, 2, special=0.3)[1]),
    ):
        chosen = chosen_of(student, ids, special, 103, 200, mask_rate=0.5)
        # One that may be chosen in 30 sequences or more never is: at most 64 × 0.5^30 = 6e-8.
        never = (~chosen.any(dim=0) & ((~special).sum(0) >= 30)).nonzero().flatten().tolist()
        expect(
            not never,
            f"Among {name}, id (and place) {never[:1]} is never chosen: special_tokens_mask "
            "alone says what must stay, there are no fixed ids or places.",
        )


@suite.check(MASK)
def labels_follow_the_special_mask(student: Any, draw: Draw) -> None:
    """At mask_rate=1 every ordinary token has its own id as label, and special ones -100."""
    ids, special = toys.a_batch(draw, 4, 64, 90, special=0.4)
    labels = toys.corrupt(student, ids, special, 95, 100, mask_rate=1.0)[1]
    wanted = ids.masked_fill(special, -100)
    wrong = labels[(labels != wanted) & ~special]
    expect(
        len(wrong) <= 4,
        f"At mask_rate=1 an ordinary token has the label {wrong[:1].tolist()}: kept and replaced "
        "tokens are to be guessed too, and their label is the original token.",
    )
    expect(
        bool((labels[special] == -100).all()),
        "At mask_rate=1 a special token has a label: it is never chosen.",
    )


@suite.check(MASK)
def one_sentence_is_enough(student: Any, draw: Draw) -> None:
    """A batch of one sequence, and one with a single ordinary token, work too."""
    ids, special = toys.a_batch(draw, 1, 2048, 40)
    chosen = int(chosen_of(student, ids, special, 40, 40).sum())
    content = int((~special).sum())
    expect(
        not toys.far(chosen, content, 0.15, slack=2),
        f"In a batch of one, {toys.percent(chosen, content)} of the tokens are chosen.",
    )
    ids, special = torch.tensor([[2, 7, 3]]), torch.tensor([[True, False, True]])
    labels = toys.corrupt(student, ids, special, 40, 40, mask_rate=1.0)[1]
    expect(
        labels.tolist() == [[-100, 7, -100]],
        f"For [CLS] 7 [SEP] and mask_rate=1 the labels are {labels.tolist()}.",
    )


@suite.check(MASK, points=2)
def mask_tokens_obeys_its_generator(student: Any, draw: Draw) -> None:
    """With a generator, every draw comes from it: one seed, one result."""
    ids, special = toys.a_batch(draw, 8, 128, 40)

    def same(one: Any, two: Any) -> bool:
        pairs = zip(as_pair(one, "The result"), as_pair(two, "The result"), strict=True)
        return all(torch.equal(as_tensor(a, "It"), as_tensor(b, "It")) for a, b in pairs)

    # At half of the tokens some 50 random words are drawn: no two results agree by chance.
    args, options = [ids, special, 40, 40], {"mask_rate": 0.5}
    fault = generator_fault(student, draw, args, options, same)
    expect(fault is None, fault or "")


@suite.check(MASK)
def every_call_draws_anew(student: Any, draw: Draw) -> None:
    """Without a generator each call makes new draws."""
    ids, special = toys.a_batch(draw, 8, 128, 40)
    seed_globally(student, draw)
    first, second = (chosen_of(student, ids, special, 40, 40) for _ in range(2))
    expect(
        not torch.equal(first, second),
        "Two calls choose the same tokens: seed nothing, and keep nothing between calls.",
    )

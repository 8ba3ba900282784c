"""Hidden checks of what becomes of the chosen tokens."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.checks.masked_lm.common import MASK, suite
from course.checks import masked_lm_toys as toys
from course.checks.base import Draw, expect

NONE = torch.zeros(1, dtype=torch.bool)


def plain(draw: Draw, batch: int, length: int, words: list[int]) -> tuple[Tensor, Tensor]:
    """A batch that holds only the given words, and a mask without special tokens."""
    ids = torch.tensor(words)[draw.integers(0, len(words) - 1, batch, length)]
    return ids, NONE.expand(batch, length).clone()


@suite.check(MASK, points=2)
def only_mask_masks_all_chosen(student: Any, draw: Draw) -> None:
    """With only_mask every chosen token becomes the mask token, and the rate stays."""
    ids, special = toys.a_batch(draw, 8, 1024, 40)
    corrupted, labels = toys.corrupt(student, ids, special, 40, 40, only_mask=True)
    chosen, content = labels != -100, int((~special).sum())
    others = int((chosen & (corrupted != 40)).sum())
    expect(
        others == 0,
        f"With only_mask {others} chosen tokens are not the mask token: none is replaced by a word "
        "or kept.",
    )
    masked = int((corrupted == 40).sum())
    expect(
        not toys.far(masked, content, 0.15, slack=8),
        f"With only_mask {toys.percent(masked, content)} of the tokens are masked, not 15 %: all "
        "chosen tokens, and only these.",
    )
    expect(
        torch.equal(labels[chosen], ids[chosen]) and torch.equal(corrupted[~chosen], ids[~chosen]),
        "With only_mask the labels must be the original tokens and all others must stay.",
    )


@suite.check(MASK, points=2)
def split_does_not_follow_order(student: Any, draw: Draw) -> None:
    """80/10/10 holds in every part of a sequence and of the batch: it is a draw, not an order."""
    ids, special = plain(draw, 16, 2048, [*range(500)])
    corrupted, labels = toys.corrupt(student, ids, special, 500, 500)
    chosen, masked = labels != -100, corrupted == 500
    parts = {"batch": (chosen.flatten(), masked.flatten())}
    for row in (0, 7, 15):
        parts[f"sequence {row}"] = chosen[row], masked[row]
    for name, (where, hidden) in parts.items():
        hit = hidden[where]  # the chosen ones in order
        fifth = len(hit) // 5
        for part, piece in (("first", hit[:fifth]), ("last", hit[len(hit) - fifth :])):
            # An exact count a sequence may be rounded: two tokens in each of at most four rows.
            expect(
                not toys.far(int(piece.sum()), len(piece), 0.8, slack=8 if name == "batch" else 1),
                f"Of the {part} fifth of the chosen tokens of the {name}, "
                f"{toys.percent(piece.sum(), len(piece))} are masked, not 80 %: draw for every "
                "token, do not mask the first 80 % in order.",
            )


@suite.check(MASK)
def fates_are_drawn_token_by_token(student: Any, draw: Draw) -> None:
    """The tokens of one sequence, or of one place, do not share one fate."""
    ids, special = plain(draw, 64, 256, [*range(500)])
    corrupted, labels = toys.corrupt(student, ids, special, 500, 500, mask_rate=0.5)
    chosen, masked = labels != -100, corrupted == 500
    for name, axis in (("sequences", 1), ("places", 0)):
        total, hits = chosen.sum(axis), (chosen & masked).sum(axis)
        uniform = int(((total >= 20) & ((hits == 0) | (hits == total))).sum())
        # A line of 20 or more is all masked at 0.8^20 = 0.0115 or less; of 256 such, 3 ± 1.7.
        expect(
            uniform <= 16,
            f"In {uniform} {name} all chosen tokens have the same fate: draw mask, random word "
            "or kept for every token, not once a sequence or place.",
        )


@suite.check(MASK, points=2)
def random_words_come_from_the_vocabulary(student: Any, draw: Draw) -> None:
    """Random words come from the whole vocabulary, also words that the batch does not hold."""
    ids, special = plain(draw, 16, 1024, [5, 9, 20])
    corrupted = toys.corrupt(student, ids, special, 31, 31, mask_rate=1.0)[0]
    words = corrupted[(corrupted != ids) & (corrupted != 31)]
    expect(
        len(words) >= 100,
        f"Among {ids.numel()} tokens at mask_rate=1 only {len(words)} are replaced by another "
        "word: 10 % should be.",
    )
    expect(
        not torch.isin(words, torch.tensor([5, 9, 20])).all(),
        "Random words come only from the batch: draw them with torch.randint from the whole "
        "vocabulary.",
    )
    expect(
        int(words.min()) >= 0 and int(words.max()) < 31,
        f"A random word is {int(words.max())}, outside of range(vocab_size).",
    )
    # 1,638 random words, 53 of each: one is missing at 31 e^-53.
    missing = sorted(set(range(31)) - set(words.tolist()))
    expect(
        not missing,
        f"With vocab_size=31, {missing[:6]} never come as random words: draw from all of "
        "range(vocab_size), the first and the last word too.",
    )


@suite.check(MASK, points=2)
def random_words_are_uniform(student: Any, draw: Draw) -> None:
    """Each random word is as likely as any other, with the mask token inside the vocabulary too."""
    mask = draw.integer(2, 8)
    present = {(mask + 3) % 11, (mask + 5) % 11}
    ids, special = plain(draw, 16, 1024, sorted(present))
    corrupted = toys.corrupt(student, ids, special, mask, 11, mask_rate=1.0)[0]
    expect(
        int(corrupted.min()) >= 0 and int(corrupted.max()) < 11,
        f"A random word is {int(corrupted.max())}, outside of range(vocab_size), which is 11.",
    )
    counts = torch.bincount(corrupted.flatten(), minlength=11)
    for word in set(range(11)) - {mask} - present:
        count, due = int(counts[word]), 0.01 * ids.numel()
        expect(
            not toys.far(count, ids.numel(), 0.01, slack=16),
            f"With vocab_size=11 and mask token {mask}, word {word} was drawn {count} times, "
            f"about {due:.0f} are due: draw evenly from range(vocab_size) without the mask token.",
        )


@suite.check(MASK)
def mask_token_is_no_random_word(student: Any, draw: Draw) -> None:
    """The mask token is never drawn as a random word."""
    # Inside the vocabulary as in BERT's, or the row after it as in our Bert's.
    for mask, size in ((draw.integer(0, 2), 3), (2, 2)):
        ids, special = plain(draw, 16, 1024, [w for w in range(size) if w != mask])
        corrupted = toys.corrupt(student, ids, special, mask, size, mask_rate=1.0)[0]
        masked = int((corrupted == mask).sum())
        # Drawn as one of three words, the mask token would have 83.3 %.
        expect(
            masked <= 0.8 * ids.numel() + toys.bound(ids.numel(), 0.8) + 16,
            f"With vocab_size={size} and mask token {mask}, {toys.percent(masked, ids.numel())} "
            "become the mask token, not 80 %: leave it out of the random words.",
        )


@suite.check(MASK)
def random_word_may_be_the_original(student: Any, draw: Draw) -> None:
    """A random word may happen to be the original one: it is drawn from all words."""
    ids, special = plain(draw, 16, 1024, [0, 1])
    corrupted = toys.corrupt(student, ids, special, 2, 2, mask_rate=1.0)[0]
    kept = int((corrupted == ids).sum())
    # 10 % kept and half of the 10 % random ones; without the original word 10 %.
    expect(
        kept > 0.15 * ids.numel() - toys.bound(ids.numel(), 0.15) - 16,
        f"With a vocabulary of 2 words {toys.percent(kept, ids.numel())} of the tokens look "
        "unchanged, not 15 %: kept and random words do not have their due share, or a random "
        "word is never the original one.",
    )


@suite.check(MASK)
def random_words_are_independent(student: Any, draw: Draw) -> None:
    """Each replaced token gets a random word of its own."""
    ids, special = plain(draw, 64, 128, [*range(40)])
    corrupted = toys.corrupt(student, ids, special, 500, 500, mask_rate=1.0)[0]
    random = (corrupted != ids) & (corrupted != 500)
    for name, (words, where) in (
        ("sequence", (corrupted, random)),
        ("place", (corrupted.T, random.T)),
    ):
        lists = [line[mark] for line, mark in zip(words, where, strict=True)]
        pairs = sum(max(len(line) - 1, 0) for line in lists)
        equal = sum(int((line[1:] == line[:-1]).sum()) for line in lists)
        # Two random words agree at 1/500; some 750 pairs, so 1.5 of them.
        expect(
            pairs >= 20 and equal <= pairs / 500 + toys.bound(pairs, 1 / 500),
            f"{equal} of {pairs} pairs of random words in one {name} agree: draw a new word for "
            "each replaced token.",
        )

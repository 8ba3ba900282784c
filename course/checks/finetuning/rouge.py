"""Visible checks of rouge_n."""

from __future__ import annotations

from typing import Any

from course.checks import finetuning_toys as toys
from course.checks.base import Draw, expect
from course.checks.finetuning.common import ROUGE, overlap, rouge, some_overlap, suite


@suite.check(ROUGE, points=2)
def share_of_the_reference(student: Any, draw: Draw) -> None:
    """It is the share of the reference's n-grams that are in the prediction: recall."""
    reference = [5, *draw.permutation(40)[:9].add(10).tolist()]
    for n in (3, 2):
        prediction = [7, 8, *reference[2:7], 9, *draw.integers(60, 99, 12).tolist()]
        hits = overlap(reference, prediction, n)
        recall, precision = hits / (11 - n), hits / (21 - n)
        got = rouge(student, reference, prediction, n=n)
        toys.judge(
            got,
            recall,
            {
                "This is precision: divide by the number of n-grams in the reference.": precision,
                "This is F1, the harmonic mean: return recall alone.": (
                    2 * recall * precision / (recall + precision)
                ),
                "This is a mean over n-grams of sizes 1 to n: count those of size n alone.": (
                    sum(overlap(reference, prediction, k) / (11 - k) for k in range(1, n + 1)) / n
                ),
                "The n-grams of all sizes up to n are pooled: count those of size n alone.": (
                    sum(overlap(reference, prediction, k) for k in range(1, n + 1))
                    / sum(11 - k for k in range(1, n + 1))
                ),
                "It is divided by the number of tokens: N tokens have N - n + 1 n-grams.": (
                    hits / 10
                ),
                "n is not used: it counts trigrams whatever n is.": (
                    overlap(reference, prediction, 3) / 8
                ),
                "This is in per cent: return the fraction, from 0 to 1.": 100 * recall,
            },
            f"{hits} of the reference's {11 - n} n-grams of size {n} are in the prediction, so "
            f"{recall:.3f} is due, but it returns {got:.3f}.",
        )


@suite.check(ROUGE, points=2)
def overlap_is_clipped(student: Any, draw: Draw) -> None:
    """An n-gram counts as often as in the reference, but no more often than in the prediction."""
    a, b, c, d, e, f = (draw.permutation(90) + 1).tolist()[:6]
    reference = [a, b, c, a, b, c, a, b, c, d, e]  # 9 trigrams: abc 3 times, cde once
    prediction = [a, b, c, e, a, b, c, d, e, c, d, e, c, d, e, f]  # abc twice, cde 3 times, bcd
    got = rouge(student, reference, prediction, 3)
    toys.judge(
        got,
        4 / 9,
        {
            "A trigram that stands 3 times in the reference and twice in the prediction counts "
            "3 times: clip it to the smaller count.": 5 / 9,
            "A trigram that stands 3 times in the prediction and once in the reference counts "
            "3 times: clip it to the smaller count.": 6 / 9,
            "Repeated n-grams count once, as in a set: count each as often as it stands there, "
            "up to the smaller of the two counts.": 3 / 5,
            "A repeated n-gram is matched once only: match it up to the smaller of its two "
            "counts.": 3 / 9,
        },
        f"With repeated trigrams it returns {got:.3f}, but 4 of 9 are matched, so 0.444.",
    )


@suite.check(ROUGE, hint="Without n-grams in the reference there is nothing to divide by: 0.0.")
def nothing_to_find_is_zero(student: Any, draw: Draw) -> None:
    """A reference of fewer than n tokens gives 0.0."""
    ids = draw.integers(1, 99, 6).tolist()
    some_overlap(student, ids)
    for reference in ([], ids[:1], ids[:2]):
        got = rouge(student, reference, ids, 3)
        expect(
            got == 0.0,
            f"A reference of {len(reference)} tokens has no trigram: 0.0 is due, not {got}.",
        )

"""Hidden checks of rouge_n."""

from __future__ import annotations

from typing import Any

from autograder.checks.finetuning.suite import suite
from course.checks import finetuning_toys as toys
from course.checks import live
from course.checks.base import Draw, expect
from course.checks.finetuning.common import ROUGE, ngrams, overlap, rouge, some_overlap


@suite.check(ROUGE, points=2)
def agrees_with_brute_force(student: Any, draw: Draw) -> None:
    """Random sequences with many repetitions, for n from 1 to 5."""
    for n in (1, 2, 3, 4, 5):
        words = {1: 9, 2: 4}.get(n, 2)
        for _ in range(4):
            reference = draw.integers(0, words, draw.integer(n + 6, 30)).tolist()
            prediction = draw.integers(0, words, draw.integer(n + 2, 30)).tolist()
            wanted = overlap(reference, prediction, n) / ngrams(reference, n).total()
            got = rouge(student, reference, prediction, n)
            expect(
                toys.same(got + 1, wanted + 1, 1e-5),
                f"With n={n}, a reference of {len(reference)} and a prediction of "
                f"{len(prediction)} tokens it returns {got:.4f}; counting by hand gives "
                f"{wanted:.4f}.",
            )


@suite.check(ROUGE)
def both_ends_belong_to_it(student: Any, draw: Draw) -> None:
    """The first and the last n-gram count, in the reference and in the prediction."""
    ids = (draw.permutation(80) + 10).tolist()[:10]
    for n in (1, 3, 4):
        for name, kept in (("first", ids[:n]), ("last", ids[-n:])):
            got = rouge(student, ids, kept, n)
            expect(
                toys.same(got, 1 / (11 - n)),
                f"The prediction is just the {name} {n} tokens of the reference, so 1 of "
                f"{11 - n} n-grams is found, but it returns {got:.3f}: a sequence of N tokens has "
                "N - n + 1 n-grams.",
            )


@suite.check(ROUGE)
def trigrams_by_default(student: Any, draw: Draw) -> None:
    """n is 3 unless it is given, and is then what was given."""
    ids = (draw.permutation(80) + 10).tolist()
    reference, prediction = ids[:10], [*ids[:5], 1, *ids[5:7], 2]
    got = rouge(student, reference, prediction)
    expect(toys.same(got, 3 / 8), f"Without n it returns {got:.3f}; trigrams give 0.375.")
    for n, wanted in ((1, 7 / 10), (2, 5 / 9), (4, 2 / 7)):
        got = rouge(student, reference, prediction, n=n)
        expect(
            not toys.same(got, 3 / 8),
            f"With n={n} it still counts trigrams ({got:.3f}): use n wherever a size is needed.",
        )
        expect(toys.same(got, wanted), f"With n={n} it returns {got:.3f} instead of {wanted:.3f}.")


@suite.check(ROUGE)
def order_within_an_ngram_matters(student: Any, draw: Draw) -> None:
    """The same tokens in another order, or with others between them, are another n-gram."""
    ids = (draw.permutation(80) + 10).tolist()[:9]
    some_overlap(student, ids)
    swapped = [ids[i] for i in (2, 1, 0, 5, 4, 3, 8, 7, 6)]
    got = rouge(student, ids, swapped)
    expect(
        got == 0.0,
        f"Reversed groups of three give {got:.3f}: an n-gram is a sequence, so compare tuples, "
        "not sets or sums.",
    )
    spread = [x for token in ids for x in (token, 5)]
    got = rouge(student, ids, spread, 2)
    expect(got == 0.0, f"Tokens with others between them give {got:.3f}: n-grams have no gaps.")


@suite.check(ROUGE)
def place_does_not_matter(student: Any, draw: Draw) -> None:
    """An n-gram counts wherever it stands in the prediction."""
    ids = (draw.permutation(80) + 10).tolist()[:8]
    for before in ([1], [1, 2, 3, 4, 5], []):
        got = rouge(student, ids, [*before, *ids, 6, 7])
        expect(
            toys.same(got, 1.0),
            f"The whole reference stands in the prediction after {len(before)} other tokens, so "
            f"1.0 is due, but it returns {got:.3f}: look for each n-gram everywhere.",
        )


@suite.check(ROUGE)
def ids_are_compared_as_numbers(student: Any, draw: Draw) -> None:
    """Ids are numbers: 1, 23 is not 12, 3; and id 0 is a token too."""
    got = rouge(student, [1, 23, 4, 5], [12, 3, 4, 5])
    expect(
        toys.same(got, 0.0) or got == 0.0,
        f"[1, 23, 4, 5] and [12, 3, 4, 5] share a trigram, it says ({got:.3f}): do not join ids "
        "into strings.",
    )
    got = rouge(student, [0, 0, 7, 0, 8], [0, 0, 7, 9, 9])
    expect(toys.same(got, 1 / 3), f"With id 0 among the tokens it returns {got:.3f}, not 0.333.")


@suite.check(ROUGE)
def short_predictions_are_zero(student: Any, draw: Draw) -> None:
    """A prediction without n-grams gives 0.0; one without any reference as well."""
    ids = (draw.permutation(80) + 10).tolist()[:8]
    some_overlap(student, ids)
    for prediction in ([], ids[:1], ids[:2]):
        got = rouge(student, ids, prediction)
        expect(got == 0.0, f"A prediction of {len(prediction)} tokens gives {got}, not 0.0.")
    for reference, n in (([], 1), (ids[:4], 5), (ids[:2], 3)):
        got = rouge(student, reference, list(reference), n)
        expect(
            got == 0.0,
            f"With n={n}, two sequences of {len(reference)} tokens have no n-gram in common: 0.0 "
            f"is due, not {got}.",
        )


@suite.check(ROUGE)
def sequences_stay_as_they_are(student: Any, draw: Draw) -> None:
    """Neither sequence is changed, and the score is a fraction from 0 to 1."""
    reference, prediction = [1, 2, 3, 1, 2, 3], [1, 2, 3, 4, 1, 2, 3]
    got, args, _ = live.call_and_keep(student, [list(reference), list(prediction)], {})
    expect(
        list(args[0]) == reference and list(args[1]) == prediction,
        "A sequence was changed by the call: count on a copy.",
    )
    score = toys.as_number(got, "rouge_n")
    expect(toys.same(score, 0.5), f"The score is {score:.3f}, but a fraction of 0.5 is due.")
    same = rouge(student, reference, reference)
    expect(toys.same(same, 1.0), f"A text compared with itself scores {same:.3f}, not 1.0.")

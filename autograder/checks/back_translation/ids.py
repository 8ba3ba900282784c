"""Hidden checks of augment's ids."""

from __future__ import annotations

from typing import Any

from autograder.checks.back_translation.common import AUGMENT, HINT, suite
from course.checks import back_translation_toys as toys
from course.checks.base import Draw, expect

# Dense, and with outliers where a counter, an offset or a factor of 10, 100, ... would land.
TAKEN = [*range(13), *range(25, 45), 101, 102, 201, 1001, 1002, 10001, 10002, 100001, 1000001]


@suite.check(AUGMENT, hint=HINT)
def ids_differ_between_pivots(student: Any, draw: Draw) -> None:
    """The paraphrases of one original differ in their ids, and have some"""
    given = toys.examples(draw, 2, ids=["a", "b"])
    new = toys.added(toys.grown(student, given, toys.pivots(draw, 4)), given)
    ids = [entry["id"] for entry in new]
    expect(None not in ids and "" not in ids, "A paraphrase has no id: give it one of its own.")
    again = toys.repeated(ids)
    expect(
        not again,
        f"Two paraphrases have the id {again[:1]}: 4 pivots need 4 different ids for each "
        "original.",
    )


def collision(student: Any, draw: Draw, ids: list[Any]) -> Any:
    """An id that comes twice when originals have the given ids, in random order; else None."""
    order = [ids[i] for i in draw.permutation(len(ids)).tolist()]
    given = toys.examples(draw, len(ids), ids=order)
    result = toys.grown(student, given, toys.pivots(draw, 3))
    again = toys.repeated([entry["id"] for entry in result])
    return again[0] if again else None


@suite.check(AUGMENT, points=2, hint="Ids are integers or strings.")
def integer_ids_are_unique(student: Any, draw: Draw) -> None:
    """New ids never meet an original's id, when ids are integers in any order, with gaps"""
    found = collision(student, draw, TAKEN)
    expect(
        found is None,
        f"The id {found!r} comes twice in the result: an original may have any number, so look "
        "which ids are taken before you give a new one.",
    )


@suite.check(AUGMENT, points=2, hint="Ids are integers or strings.")
def string_ids_are_unique(student: Any, draw: Draw) -> None:
    """New ids never meet an original's id, when ids are strings such as '1', '11' or 'a'"""
    found = collision(student, draw, [*(str(number) for number in TAKEN), "a", "b", "a1", "aa"])
    expect(
        found is None,
        f"The id {found!r} comes twice in the result: an original may already be called so. Look "
        "which ids are taken before you give a new one.",
    )


@suite.check(AUGMENT, hint="Ids are integers or strings.")
def ids_of_originals_stay(student: Any, draw: Draw) -> None:
    """Originals keep their ids, integers as integers and strings as strings"""
    for ids in ([7, 0, 15, 3], ["7", "b", "train-12", "0"]):
        given = toys.examples(draw, 4, ids=ids)
        result = toys.augmented(student, given, toys.pivots(draw, 2))
        head = [entry["id"] for entry in result[:4]]
        expect(
            [(type(i), i) for i in head] == [(type(i), i) for i in ids],
            f"Originals with the ids {ids} come back with {head}: their ids stay as they are.",
        )


@suite.check(AUGMENT, points=2, hint="Ids are integers or strings.")
def second_round_has_new_ids(student: Any, draw: Draw) -> None:
    """A set that was augmented before can be augmented again, and all ids are still unique"""
    languages = toys.pivots(draw, 2)
    for ids in (["a", "b"], [1, 2]):
        first = toys.grown(student, toys.examples(draw, 2, ids=ids), languages)
        answers = {
            entry["text"]: {p: f"Variant {n} in {p}." for p in languages}
            for n, entry in enumerate(first)
        }
        result = toys.grown(student, first, languages, toys.translator(student, answers))
        again = toys.repeated([entry["id"] for entry in result])
        expect(
            not again,
            f"Augmented a second time, the set has the id {again[:1]} twice: the first round used "
            "it already. Look which ids are taken before you give a new one.",
        )

"""Hidden checks of what augment drops, and of what it must not drop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autograder.checks.back_translation.common import AUGMENT, HINT, suite
from course.checks import back_translation_toys as toys
from course.checks.base import Draw, expect


def count(entries: list[toys.Example], text: str) -> int:
    """How many entries say ``text``, but for case and spaces."""
    return sum(toys.plain(entry["text"]) == toys.plain(text) for entry in entries)


def run(
    student: Any,
    given: list[toys.Example],
    languages: list[str],
    answers: toys.Answers,
    call: Callable[..., Any] = toys.augmented,
) -> Any:
    """augment's answer with scripted answers; ``call=toys.grown`` where paraphrases must stay."""
    return call(student, given, languages, toys.translator(student, answers))


@suite.check(AUGMENT, points=2, hint=HINT)
def case_and_spaces_do_not_count(student: Any, draw: Draw) -> None:
    """Texts that differ in case or spaces alone are equal, whichever of them has the odd form"""
    given, (pivot,) = toys.examples(draw, 6), toys.pivots(draw, 1)
    texts = [example["text"] for example in given]
    forms = [texts[0].upper(), texts[1].title(), texts[2].replace(" ", "   "), f"  {texts[3]} "]
    answers = {text: {pivot: form} for text, form in zip(texts[:4], forms, strict=True)}
    result = run(student, given, [pivot], answers, toys.grown)
    for text, form in zip(texts[:4], forms, strict=True):
        expect(
            count(result, text) == 1,
            f"{form!r} is kept beside {text!r}: they differ in case and spaces alone.",
        )
    given[4]["text"] = odd = texts[4].upper().replace(" ", "  ")
    result = run(student, given, [pivot], {odd: {pivot: texts[4]}})
    expect(
        count(result, odd) == 1,
        f"{texts[4]!r} is kept beside the original {odd!r}: make both sides plain before you "
        "compare.",
    )


@suite.check(AUGMENT, points=2, hint=HINT)
def other_originals_count_too(student: Any, draw: Draw) -> None:
    """A paraphrase that equals another original, before or after it, is dropped"""
    given, (pivot,) = toys.examples(draw, 5), toys.pivots(draw, 1)
    texts = [example["text"] for example in given]
    answers = {texts[1]: {pivot: texts[3].upper()}, texts[4]: {pivot: texts[0]}}
    result = run(student, given, [pivot], answers, toys.grown)
    expect(
        count(result, texts[0]) == 1,
        "A paraphrase that equals an earlier example's text is kept: compare with every original.",
    )
    expect(
        count(result, texts[3]) == 1,
        "A paraphrase that equals a later example's text is kept: all originals come first in the "
        "list, so compare with every one of them.",
    )


@suite.check(AUGMENT, points=2, hint=HINT)
def paraphrases_count_too(student: Any, draw: Draw) -> None:
    """A paraphrase that equals an earlier paraphrase of the same original is dropped"""
    given, languages = toys.examples(draw, 2), toys.pivots(draw, 5)
    text = given[0]["text"]
    words = ["A twin.", "a  TWIN.", "Something else.", "A  twin.", "No twin."]
    answers = {text: dict(zip(languages, words, strict=True))}
    result = run(student, given, languages, answers)
    expect(
        count(result, "A twin.") > 0,
        "The first of two equal paraphrases is lost: keep one of them.",
    )
    expect(
        count(result, "A twin.") == 1,
        "Two pivots give the same paraphrase, but for case and spaces, and both are kept: note "
        "each text that you add.",
    )
    expect(
        count(result, "No twin.") == 1,
        "After a dropped paraphrase the next pivot's is missing: drop one, go on with the others.",
    )


@suite.check(AUGMENT, points=2, hint=HINT)
def paraphrases_of_others_count_too(student: Any, draw: Draw) -> None:
    """A paraphrase that equals one of another original is dropped, whatever the labels"""
    given, languages = toys.examples(draw, 4), toys.pivots(draw, 2)
    for example, label in zip(given, (0, 1, 1, 1), strict=True):
        example["label"] = label
    texts = [example["text"] for example in given]
    twins = {0: "A twin.", 1: "a twin.", 2: "Another  twin.", 3: "Another twin."}
    answers = {texts[i]: dict.fromkeys(languages, twin) for i, twin in twins.items()}
    result = run(student, given, languages, answers)
    for twin, what in (
        ("Another twin.", "two originals"),
        ("A twin.", "two originals of labels 0 and 1"),
    ):
        found = count(result, twin)
        expect(found > 0, f"Paraphrases of {what} are equal, and none is kept: keep one.")
        expect(
            found == 1,
            f"The same paraphrase of {what} is kept {found} times: note each text that you add, "
            "for all originals together.",
        )


@suite.check(AUGMENT, points=2, hint=HINT)
def near_misses_are_kept(student: Any, draw: Draw) -> None:
    """A paraphrase that differs in a word, a sign, the order of words, or its length is kept"""
    given, languages = toys.examples(draw, 2), toys.pivots(draw, 6)
    text = given[0]["text"]
    words = text.rstrip(".").split()
    forms = [
        text.replace(".", "!"),
        text.rstrip("."),
        " ".join(reversed(words)),
        " ".join(words[1:]),
        f"{text} {text}",
        text.replace(words[-1], "good"),
    ]
    answers = {text: dict(zip(languages, forms, strict=True))}
    found = toys.texts_of(run(student, given, languages, answers))
    for form in forms:
        expect(
            toys.plain(form) in found,
            f"{form!r} is missing; beside {text!r} it differs in more than case and spaces, so it "
            "stays, as the translator words it.",
        )


@suite.check(AUGMENT, hint=HINT)
def wording_is_kept(student: Any, draw: Draw) -> None:
    """A paraphrase is added as the translator words it, with its capitals"""
    given, (pivot,) = toys.examples(draw, 2), toys.pivots(draw, 1)
    wording = "A Film by Ann Lee: NOT bad!"
    result = run(student, given, [pivot], {given[0]["text"]: {pivot: wording}})
    found = [entry["text"].strip() for entry in result]
    expect(
        wording in found,
        f"The translator says {wording!r}, but the result holds "
        f"{[t for t in found if toys.plain(t) == toys.plain(wording)]}: compare plain forms, keep "
        "the text itself.",
    )


@suite.check(AUGMENT, hint=HINT)
def dropping_costs_nothing_else(student: Any, draw: Draw) -> None:
    """Where all paraphrases are echoes the originals remain, each once"""
    given, languages = toys.examples(draw, 4), toys.pivots(draw, 3)
    answers = {e["text"]: {p: e["text"].upper() for p in languages} for e in given}
    result = run(student, given, languages, answers)
    expect(
        len(result) >= 4,
        f"Of 4 originals {len(result)} remain: an echo is dropped, not the original.",
    )
    expect(
        len(result) == 4,
        f"All paraphrases are echoes, and {len(result)} entries come out of 4: drop the echoes.",
    )
    first = given[0]["text"]
    answers[first] = {languages[0]: first, languages[1]: first.lower(), languages[2]: "A new one."}
    found = toys.texts_of(run(student, given, languages, answers))
    expect(
        "a new one." in found,
        "After two echoes the third pivot's paraphrase is missing: go on after an echo.",
    )

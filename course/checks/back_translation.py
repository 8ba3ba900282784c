"""Visible checks of exercise 12, with a scripted translator that takes notes."""

from __future__ import annotations

from typing import Any

from course.checks import back_translation_toys as toys
from course.checks.base import Draw, Suite, expect

suite = Suite("back_translation")
BACK, AUGMENT = "back_translate", "augment"
HINT = "translate is called as translate(text, source, target), with languages such as 'en'."


@suite.check(BACK, points=2, hint=HINT)
def there_and_back(student: Any, draw: Draw) -> None:
    """A paraphrase is the text translated into the pivot language and back into English"""
    text, pivot = toys.sentences(draw, 1)[0], draw.choice(toys.LANGUAGES)
    found = toys.paraphrases(student, text, [pivot])
    expect(found, f"For the pivots [{pivot!r}] it returns an empty list: one paraphrase is due.")
    wanted = toys.default(text, pivot)
    expect(wanted in found, toys.what_went_wrong(found[0], text, pivot))


@suite.check(BACK, points=2, hint=HINT)
def one_paraphrase_a_pivot(student: Any, draw: Draw) -> None:
    """You return a list with one paraphrase for each pivot, and nothing else"""
    text = toys.sentences(draw, 1)[0]
    for count in (3, 1):
        found = toys.paraphrases(student, text, toys.pivots(draw, count))
        expect(
            len(found) == count or text not in found,
            "The list holds the text itself: back_translate returns the paraphrases alone.",
        )
        expect(
            len(found) == count,
            f"{count} pivots give {len(found)} texts: return one paraphrase for each pivot.",
        )


@suite.check(BACK, hint=HINT)
def english_is_no_pivot(student: Any, draw: Draw) -> None:
    """A pivot that equals 'en' is skipped"""
    text, pivot = toys.sentences(draw, 1)[0], draw.choice(toys.LANGUAGES)
    script = toys.translator(student)
    found = toys.paraphrases(student, text, [pivot, "en"], script)
    expect(
        not any(source == target for _, source, target in toys.notes(script)),
        "The translator is asked to translate 'en' to 'en': skip a pivot that equals 'en'.",
    )
    expect(
        len(found) == 1,
        f"For the pivots [{pivot!r}, 'en'] it returns {len(found)} texts: 'en' is skipped, so one "
        "is due.",
    )


@suite.check(AUGMENT, hint=HINT)
def originals_come_first(student: Any, draw: Draw) -> None:
    """The list begins with all originals, in their order, as they were given"""
    given = toys.examples(draw, 4)
    result = toys.augmented(student, given, toys.pivots(draw, 2))
    head = [{key: entry[key] for key in ("id", "text", "label")} for entry in result[:4]]
    texts = [entry["text"] for entry in result]
    missing = [example["text"] for example in given if example["text"] not in texts]
    expect(
        not missing,
        f"The original {missing[:1]} is not in the result: keep all originals, add to them.",
    )
    expect(
        [entry["text"] for entry in head] == [example["text"] for example in given],
        "The originals do not all come first: put every original, in its order, before the first "
        "paraphrase.",
    )
    expect(head == given, "An original's id or label is not as it was given: leave them alone.")


@suite.check(AUGMENT, points=2, hint=HINT)
def paraphrases_are_added(student: Any, draw: Draw) -> None:
    """Each original is followed, somewhere after the originals, by one paraphrase a pivot"""
    given, languages = toys.examples(draw, 3), toys.pivots(draw, 2)
    found = toys.texts_of(toys.augmented(student, given, languages))
    for example in given:
        for pivot in languages:
            expect(
                toys.plain(toys.default(example["text"], pivot)) in found,
                f"The paraphrase of {example['text']!r} through {pivot!r} is missing: add one for "
                "each original and each pivot.",
            )
    expect(
        len(found) <= 9,
        f"3 originals and 2 pivots give {len(found)} entries: 3 originals and 6 paraphrases are "
        "due.",
    )


@suite.check(AUGMENT, hint=HINT)
def label_is_inherited(student: Any, draw: Draw) -> None:
    """A paraphrase has the label of its original"""
    given, languages = toys.examples(draw, 6), toys.pivots(draw, 2)
    given[0]["label"], given[-1]["label"] = 0, 1
    wanted = {toys.plain(toys.default(e["text"], p)): e["label"] for e in given for p in languages}
    for entry in toys.grown(student, given, languages):
        label = wanted.get(toys.plain(entry["text"]), entry["label"])
        expect(
            entry["label"] == label and type(entry["label"]) is type(label),
            f"A paraphrase of an original with label {label!r} has label {entry['label']!r}: "
            "inherit the label as it is.",
        )


@suite.check(AUGMENT, hint=HINT)
def ids_are_unique(student: Any, draw: Draw) -> None:
    """Every entry of the result has an id of its own"""
    given = toys.examples(draw, 4)
    ids = [entry["id"] for entry in toys.grown(student, given, toys.pivots(draw, 2))]
    expect(None not in ids, "A paraphrase has the id None: give it an id of its own.")
    originals = [example["id"] for example in given]
    again = toys.repeated(ids)
    expect(
        not any(i in originals for i in again),
        f"A paraphrase has the id {again[:1]} of an original: give it a new one.",
    )
    expect(not again, f"Two paraphrases have the same id {again[:1]}: give each a new one.")


@suite.check(AUGMENT, hint=HINT)
def echo_is_dropped(student: Any, draw: Draw) -> None:
    """A paraphrase that equals its original but for case and spaces is dropped"""
    given, pivot = toys.examples(draw, 3), draw.choice(toys.LANGUAGES)
    first, second, third = (example["text"] for example in given)
    echoes = {first: {pivot: first}, second: {pivot: second.upper().replace(" ", "  ")}}
    script = toys.translator(student, echoes)
    found = [entry["text"] for entry in toys.augmented(student, given, [pivot], script)]
    expect(found.count(first) < 2, "A paraphrase that equals its original is kept: drop it.")
    same = [text for text in found if toys.plain(text) == toys.plain(second)]
    expect(
        len(same) < 2,
        f"{same[-1][:50]!r} is kept beside {second!r}: compare without case and spaces.",
    )
    expect(
        toys.plain(toys.default(third, pivot)) in map(toys.plain, found),
        "With an echo before it, a real paraphrase got lost: drop the echo alone.",
    )

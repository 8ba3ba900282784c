"""Hidden checks of augment: originals, labels, and what is asked of the translator."""

from __future__ import annotations

from typing import Any

from autograder.checks.back_translation.common import AUGMENT, HINT, suite
from course.checks import back_translation_toys as toys
from course.checks.base import Draw, expect


@suite.check(AUGMENT, points=2, hint=HINT)
def nothing_of_the_caller_changes(student: Any, draw: Draw) -> None:
    """The caller's examples and pivots are not changed"""
    given, languages = toys.examples(draw, 3), ["en", *toys.pivots(draw, 2)]
    _, after, after_pivots = toys.kept(student, given, list(languages))
    expect(
        len(after) == 3,
        f"After the call the caller's list has {len(after)} examples, not 3: build a new list.",
    )
    changed = [new for old, new in zip(given, after, strict=True) if old != new]
    expect(
        not changed,
        f"A caller's example reads {str(changed[:1])[:80]} after the call: make a new dict for "
        "each paraphrase.",
    )
    expect(
        list(after_pivots) == languages,
        f"The caller's list of pivots is {after_pivots} after the call: change nothing of it.",
    )


@suite.check(AUGMENT, hint=HINT)
def originals_stay_as_they_are(student: Any, draw: Draw) -> None:
    """Originals keep their text as it is, spaces and capitals too, also if two are alike"""
    given = toys.examples(draw, 4, ids=[9, 7, 12, 0], labels=["good", "bad"])
    given[1]["text"] = given[1]["text"].upper().replace(" ", "  ")
    given[3]["text"] = given[0]["text"]
    head = toys.augmented(student, given, toys.pivots(draw, 2))[:4]
    found = [(entry["text"], entry["label"]) for entry in head]
    wanted = [(example["text"], example["label"]) for example in given]
    expect(
        len(set(found)) == len(set(wanted)) or found == wanted,
        "Two originals with the same text are both originals: only paraphrases are dropped.",
    )
    for entry, example in zip(head, given, strict=False):
        expect(
            entry == example,
            f"An original comes back as {str(entry)[:90]}: originals stay as they are.",
        )
    expect(len(head) == 4, f"4 originals went in, {len(head)} entries came out.")


@suite.check(AUGMENT, points=2, hint=HINT)
def labels_follow_their_text(student: Any, draw: Draw) -> None:
    """Every paraphrase has the label of its own original, also where others were dropped"""
    labels = ["bad", "fair", "good", 0, 1, 2.5]
    given, (one, two) = toys.examples(draw, 6), toys.pivots(draw, 2)
    for example, place in zip(given, draw.permutation(6).tolist(), strict=True):
        example["label"] = labels[place]
    echoes = {given[i]["text"]: {one: given[i]["text"].lower()} for i in (0, 3)}
    script = toys.translator(student, echoes)
    wanted = {toys.plain(toys.default(e["text"], p)): e["label"] for e in given for p in (one, two)}
    for entry in toys.grown(student, given, [one, "en", two], script):
        label = wanted.get(toys.plain(entry["text"]), entry["label"])
        expect(
            entry["label"] == label and type(entry["label"]) is type(label),
            f"A paraphrase of an original with label {label!r} has label {entry['label']!r}: hand "
            "on the label of its own original, whatever it is.",
        )


@suite.check(AUGMENT, hint=HINT)
def only_originals_are_translated(student: Any, draw: Draw) -> None:
    """Only originals are paraphrased, not paraphrases again"""
    given, languages = toys.examples(draw, 3), toys.pivots(draw, 2)
    script = toys.translator(student)
    toys.grown(student, given, languages, script)
    texts = [example["text"] for example in given]
    for text, source, target in toys.notes(script):
        expect(
            source != "en" or text in texts,
            f"{text[:60]!r} is sent to {target!r}, and that is no original: go through the "
            "originals alone, each as it is.",
        )


@suite.check(AUGMENT, hint=HINT)
def english_adds_nothing(student: Any, draw: Draw) -> None:
    """A pivot that equals 'en' is skipped here too"""
    given, languages = toys.examples(draw, 2), toys.pivots(draw, 2)
    script = toys.translator(student)
    result = toys.grown(student, given, [languages[0], "en", languages[1]], script)
    expect(
        all(source != target for _, source, target in toys.notes(script)),
        "augment lets the translator go from 'en' to 'en': skip a pivot that equals 'en'.",
    )
    expect(
        len(result) == 6,
        f"2 originals with 2 pivots beside 'en' give {len(result)} entries: 6 are due.",
    )


@suite.check(AUGMENT, hint=HINT)
def nothing_in_nothing_out(student: Any, draw: Draw) -> None:
    """No examples give an empty list; no pivots give the originals"""
    result = toys.augmented(student, [], toys.pivots(draw, 2))
    expect(not result, f"No examples give {len(result)} entries: an empty list is due.")
    given = toys.examples(draw, 3)
    for languages in ([], ["en"]):
        result = toys.augmented(student, given, languages)
        expect(
            result == given,
            f"With the pivots {languages} the result has {len(result)} entries: it should be the 3 "
            "originals.",
        )


@suite.check(AUGMENT, points=2, hint=HINT)
def calls_are_independent(student: Any, draw: Draw) -> None:
    """A second call with the same examples gives the same paraphrases"""
    given, languages = toys.examples(draw, 3), toys.pivots(draw, 2)
    first = toys.texts_of(toys.grown(student, given, languages))
    second = toys.texts_of(toys.augmented(student, given, languages))
    expect(
        sorted(first) == sorted(second),
        f"The first call gives {len(first)} entries, the same call again {len(second)}: begin each "
        "call with nothing seen.",
    )


@suite.check(AUGMENT, hint=HINT)
def pivots_may_be_a_tuple(student: Any, draw: Draw) -> None:
    """Every original gets every pivot, of a list or a tuple"""
    given, languages = toys.examples(draw, 3), toys.pivots(draw, 4)

    def wanted(example: toys.Example, pivot: str) -> str:
        return toys.plain(toys.default(example["text"], pivot))

    for form in (languages, tuple(languages)):
        found = toys.texts_of(toys.augmented(student, given, form))
        lost = [p for e in given for p in languages if wanted(e, p) not in found]
        expect(
            not lost,
            f"With a {type(form).__name__} of 4 pivots {len(lost)} of 12 paraphrases are missing, "
            f"such as one through {lost[:1]}.",
        )


@suite.check(AUGMENT, hint=HINT)
def failures_cost_no_original(student: Any, draw: Draw) -> None:
    """When the translator fails, all originals stay and nothing is made up"""
    given, (one, two) = toys.examples(draw, 4), toys.pivots(draw, 2)
    wanted = [toys.plain(toys.default(e["text"], p)) for e in given for p in (one, two)]
    texts = toys.texts_of(given)
    for options in ({"failures": [0]}, {"failures": [5]}, {"broken": one}):
        script = toys.translator(student, **options)
        try:
            result = student([dict(e) for e in given], script, [one, two])
        except NotImplementedError:
            raise
        except (OSError, RuntimeError):  # the caller hears of it: nothing is lost in silence
            continue
        found = [toys.plain(str(e["text"])) for e in result if isinstance(e, dict)]
        expect(
            found[:4] == texts,
            "When the translator fails originals are lost: keep the original, go on with the next.",
        )
        odd = [text for text in found[4:] if text not in wanted]
        expect(
            not odd and len(found) == len(result),
            f"When the translator fails the result holds {str(odd)[:60]}: a round trip that fails "
            "adds nothing.",
        )
        lost = [w for w in wanted if w not in found and w.endswith(f"in {two}.")]
        expect(
            not lost or "broken" not in options,
            f"One pivot always fails, and {len(lost)} paraphrases through the other are missing: "
            "go on with the other pivots and examples.",
        )

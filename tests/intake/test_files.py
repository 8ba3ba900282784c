"""Files that are no proper notebooks, and files that are not what they seem."""

from __future__ import annotations

import json
import os
from pathlib import Path

import nbformat
import pytest

from autograder import reading
from autograder.reading import find_notebook, read_bytes, read_cells, same_name
from autograder.submission import choose_files, timestamp
from autograder.task import offer
from tests.intake.course import answered, grade, to_bytes


def test_an_empty_file_and_other_junk_score_nothing_and_say_why() -> None:
    for data in (
        b"",
        b"   \n",
        b"<html>log in first</html>",
        b"PK\x03\x04\x00\x00",
        b"[1, 2]",
        b"{}",
    ):
        graded = grade(data)
        assert graded.points == 0
        assert set(graded.cells) == {"double-visible", "counter-test", "why"}
        assert all(cell.points == 0 for cell in graded.cells.values())
        assert len(graded.notes) == 1
        assert "notebook" in graded.notes[0] or "file" in graded.notes[0]


def test_a_truncated_notebook_keeps_its_complete_cells() -> None:
    data = to_bytes(answered())
    graded = grade(data[: data.index(b"ask-counter")])
    assert graded.cells["double-visible"].points == 2
    assert graded.cells["counter-test"].points == 0
    assert "damaged or breaks off" in graded.notes[0]


def test_damage_in_the_middle() -> None:
    data = to_bytes(answered()).replace(b'"why"', b'"why', 1)
    assert grade(data).points == 5


def test_a_program_instead_of_a_notebook() -> None:
    graded = grade(b"def double(x):\n    return 2 * x\n")
    assert graded.cells["double-visible"].points == 2
    assert "Python program" in graded.notes[0]


def test_nbformat_3() -> None:
    old = nbformat.convert(answered(), 3)
    graded = grade(to_bytes(old))
    assert graded.points == 5
    assert "nbformat 3" in graded.notes[0]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252", "latin-1"])
def test_other_encodings(encoding: str) -> None:
    submission = answered()
    submission.cells[0].source = "# Fünf – «naïve» Übungen"
    data = json.dumps(submission, ensure_ascii=False).encode(encoding, "replace")
    graded = grade(data)
    assert graded.points == 5
    assert bool(graded.notes[:1]) or encoding == "utf-8-sig"


def test_bytes_that_are_no_text_at_all() -> None:
    data = to_bytes(answered()).replace(b"Because", b"Bec\xff\xfe\x81use")
    assert grade(data).points == 5


@pytest.mark.parametrize(
    "junk",
    [
        None,
        3,
        "cell",
        [],
        {"cell_type": "code"},
        {"cell_type": ["code"], "source": {"a": 1}, "metadata": 3},
        {"cell_type": "code", "source": [1, None, "x = 1"], "metadata": {"nbgrader": [1]}},
        {"cell_type": "code", "source": "\udcff\0", "metadata": {"tags": 7, "nbgrader": {}}},
        {"cell_type": "code", "source": "1", "metadata": {"nbgrader": {"grade_id": {"a": 1}}}},
        {"cell_type": "code", "source": "1", "id": 7, "metadata": {"nbgrader": {"grade_id": ""}}},
    ],
)
def test_cells_that_are_no_cells(junk: object) -> None:
    submission = json.loads(to_bytes(answered()))
    submission["cells"].insert(2, junk)
    submission["metadata"] = ["not", "a", "dict"]
    graded = grade(json.dumps(submission).encode())
    assert graded.points == 5
    json.dumps(graded.notebook)


def test_deep_json_is_refused_in_words() -> None:
    graded = grade(b'{"cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    assert graded.points == 0
    assert graded.notes


def test_too_long_a_cell_is_left_out() -> None:
    submission = answered()
    submission.cells.append(nbformat.v4.new_code_cell("x = '" + "y" * reading.MAX_TEXT + "'"))
    graded = grade(submission)
    assert graded.points == 5
    assert "too long" in graded.notes[0]
    assert len(json.dumps(graded.notebook)) < 50_000


def test_a_notebook_with_100_mb_of_outputs(tmp_path: Path) -> None:
    submission = answered()
    text = "x" * (100 << 20)
    submission.cells[3].outputs = [nbformat.v4.new_output("stream", name="stdout", text=text)]
    path = tmp_path / "big.ipynb"
    path.write_text(json.dumps(submission))
    data = read_bytes(path)
    assert isinstance(data, bytes)
    graded = grade(data)
    assert graded.points == 5
    assert len(json.dumps(graded.notebook)) < 50_000


def test_a_notebook_beyond_all_bounds_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.ipynb"
    with path.open("wb") as stream:
        stream.truncate(reading.MAX_FILE + 1)  # sparse: takes no room
    assert "256 MB" in str(read_bytes(path))


def test_links_pipes_and_folders_are_not_read(tmp_path: Path) -> None:
    other = tmp_path / "other.ipynb"
    other.write_bytes(to_bytes(answered()))
    link, pipe, folder = (tmp_path / f"{kind}.ipynb" for kind in ("link", "pipe", "folder"))
    link.symlink_to(other)
    os.mkfifo(pipe)
    folder.mkdir()
    assert "link" in str(read_bytes(link))
    assert "not a file" in str(read_bytes(pipe))
    assert isinstance(read_bytes(folder), str)
    assert isinstance(read_bytes(tmp_path / "absent.ipynb"), str)
    assert read_cells(other.read_bytes()).cells


@pytest.mark.parametrize(
    "stem",
    ["attention (1)", "attention-Copy1", "Attention", "copy of attention", "ada_attention_final"],
)
def test_a_renamed_notebook_is_found(tmp_path: Path, stem: str) -> None:
    (tmp_path / f"{stem}.ipynb").write_bytes(b"{}")
    path, notes = find_notebook(tmp_path, "attention", frozenset({"encoder"}))
    assert path is not None and path.stem == stem
    assert f"`{stem}.ipynb` was taken for it" in notes[0]
    assert same_name(stem, "attention")


def test_another_notebook_s_file_is_never_taken(tmp_path: Path) -> None:
    (tmp_path / "encoder.ipynb").write_bytes(b"{}")
    path, notes = find_notebook(tmp_path, "attention", frozenset({"encoder"}))
    assert path is None
    assert "No notebook `attention.ipynb`" in notes[0]


def test_the_only_notebook_is_taken_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "Untitled.ipynb").write_bytes(b"{}")
    assert find_notebook(tmp_path, "attention", frozenset())[0] is not None


def test_a_link_is_not_taken_for_a_renamed_notebook(tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_bytes(b"{}")
    (tmp_path / "attention (1).ipynb").symlink_to(tmp_path / "real.txt")
    assert find_notebook(tmp_path, "attention", frozenset())[0] is None


def test_a_file_that_grows_in_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_MEMORY", 256 << 20)
    found = reading.read_cells(b'{"cells":[' + b"{}," * 20_000_000 + b"{}]}")
    assert found.cells is None
    assert "too many parts" in found.notes[0]


def test_texts_that_are_too_long_together() -> None:
    cells = [{"cell_type": "markdown", "source": "x = 1\n" * 60_000} for _ in range(9)]
    found = reading.read_cells(json.dumps({"cells": cells}).encode())
    assert found.cells is not None and len(found.cells) == 5
    assert "its first 5 cells were graded" in found.notes[0]


@pytest.mark.parametrize(
    "text",
    ["0001-01-01 00:00:00 +2300", "2026-01-01 00:00 +99:99", "9999-12-31T23:00-14:00", "1e9"],
)
def test_times_outside_of_all_calendars(tmp_path: Path, text: str) -> None:
    (tmp_path / "timestamp.txt").write_text(text)
    assert timestamp(tmp_path)[0] is None


def test_files_that_stand_where_the_assignment_has_others(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").mkdir()
    (tmp_path / "prices.csv" / "mine.txt").write_text("x")
    (tmp_path / "data.txt").write_text("x")
    source = {"prices.csv", "data.txt/prices.csv"}
    chosen = choose_files(tmp_path, ["*.txt", "*.csv"], source, set())
    assert chosen.taken == {}
    assert "prices.csv/mine.txt" in chosen.notes[0]


def test_what_the_course_provides_takes_the_place_of_what_was_handed_in(tmp_path: Path) -> None:
    (tmp_path / "given" / "inner").mkdir(parents=True)
    work = tmp_path / "work"
    for name in ("given", "file.txt"):
        (work / name).mkdir(parents=True)
        (work / name / "mine.txt").write_text("x")
    (work / "folder").write_text("x")
    (tmp_path / "one.txt").write_text("theirs")
    one = str(tmp_path / "one.txt")
    offer(work, {"given": str(tmp_path / "given"), "file.txt": one, "folder/file.txt": one})
    assert (work / "given" / "inner").is_dir()
    assert (work / "file.txt").read_text() == (work / "folder" / "file.txt").read_text() == "theirs"

"""Crash safety: whatever the moment of death, folders and gradebook agree after a restart."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.course_folder import CourseError
from autograder.gradebook import Gradebook
from tests.any_course.course import command, environment, hand_in, make_course, scores
from tests.grade.crashing import STEPS, outcome, store_of


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with a released assignment and one submission."""
    root = make_course(tmp_path_factory.mktemp("store"))
    command(root, "nbgrader", "generate_assignment", "week1")
    hand_in(root, "ada")
    return root


@pytest.fixture
def course(released: Path, tmp_path: Path) -> Path:
    """A fresh copy of it."""
    return Path(shutil.copytree(released, tmp_path / "course"))


def left_over(root: Path) -> list[str]:
    return [path.name for path in (root / "autograded").rglob(".*") if path.name != ".secret_seed"]


@pytest.mark.parametrize("before", [False, True], ids=["first", "regrade"])
@pytest.mark.parametrize("step", STEPS)
def test_death_at_every_step(course: Path, step: str, before: bool) -> None:
    store, spec = store_of(course)
    if before:
        store.save(outcome("ada", 3.0), spec)
    program = [sys.executable, "-m", "tests.grade.crashing", str(course), step]
    done = subprocess.run(program, env=environment(), cwd=Path(__file__).parents[2], timeout=60)
    assert done.returncode == 137
    lost = step in ("empty", "written")
    finished = store.recover()
    assert finished == (0 if lost or step == "moved" else 1)
    assert left_over(course) in ([], [".scores.json"])
    if lost and not before:
        assert not store.is_done("ada")
        assert scores(course) == {}
    else:
        points = 3.0 if lost else 1.0
        assert store.is_done("ada")
        assert set(scores(course)["ada"].values()) == {points}
        place = course / "autograded" / "ada" / "week1"
        assert f'"points": {points}' in (place / "numbers.ipynb").read_text()
        assert (place / "data" / "prices.csv").exists()


def test_saving_twice_changes_nothing(course: Path) -> None:
    store, spec = store_of(course)
    store.save(outcome("ada", 1.0), spec)
    first = scores(course)
    store.save(outcome("ada", 1.0), spec)
    assert scores(course) == first
    connection = sqlite3.connect(course / "gradebook.db")
    for table, count in (("grade", 6), ("comment", 6), ("submitted_notebook", 2), ("student", 1)):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == count


def test_a_grade_given_by_hand_stays(course: Path) -> None:
    store, spec = store_of(course)
    store.save(outcome("ada", 1.0), spec)
    connection = sqlite3.connect(course / "gradebook.db")
    connection.execute("UPDATE grade SET manual_score = 2.5, needs_manual_grade = 0")
    connection.execute("UPDATE comment SET manual_comment = 'well done'")
    connection.commit()
    store.save(outcome("ada", 3.0), spec)
    found = set(
        connection.execute("SELECT auto_score, manual_score, needs_manual_grade FROM grade")
    )
    assert found == {(3.0, 2.5, 1)}, "kept, and to be looked at again, as nbgrader does"
    assert set(connection.execute("SELECT manual_comment FROM comment")) == {("well done",)}


def test_a_newer_submission_is_graded_again(course: Path) -> None:
    store, spec = store_of(course)
    stamp = course / "submitted" / "ada" / "week1" / "timestamp.txt"
    stamp.write_text("2026-02-03 12:30:00.5 UTC")
    store.save(outcome("ada", 1.0), spec)
    assert store.is_done("ada")
    stamp.write_text("2026-02-03 12:31:00 UTC")
    assert not store.is_done("ada")
    connection = sqlite3.connect(course / "gradebook.db")
    found = connection.execute("SELECT timestamp FROM submitted_assignment").fetchone()[0]
    assert found == "2026-02-03 12:30:00.500000"


def test_a_gradebook_that_is_none_is_refused_in_words(course: Path, tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="generate_assignment"):
        Gradebook(f"sqlite:///{tmp_path / 'none.db'}")
    with pytest.raises(CourseError, match="use `nbgrader autograde`"):
        Gradebook("postgresql://someone:secret@host/db")
    (tmp_path / "bad.db").write_bytes(b"no database at all, but some bytes" * 40)
    with pytest.raises(CourseError, match="not a gradebook"):
        Gradebook(f"sqlite:///{tmp_path / 'bad.db'}")
    with pytest.raises(CourseError, match="no assignment 'week2'"):
        Gradebook(f"sqlite:///{course / 'gradebook.db'}").layout("week2")

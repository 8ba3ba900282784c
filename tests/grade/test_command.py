"""``autograder grade`` as a process: the same result as nbgrader's, resumable, and hard to stop."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.any_course.course import (
    TWO_LINES,
    command,
    environment,
    hand_in,
    make_course,
    scores,
    solved,
)

pytestmark = pytest.mark.slow
QUICK = TWO_LINES.replace("configure(c)", "configure(c, cell_seconds=3)")
GOOD = """
def cheapest(prices, count=1):
    {}
    if count > len(prices):
        raise ValueError
    return sorted(prices, key=prices.get)[:count]
"""
FORKED = """
import ctypes, os, time
if os.fork() == 0:
    ctypes.CDLL(None).prctl(15, b"left-behind")
    os.setsid()
    while True:
        time.sleep(1000)
"""
STUBBORN = """
def cheapest(prices, count=1):
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue
"""
HOSTILE = {
    "infinite-loop": "while True:\n    pass",
    "loop-in-call": "def cheapest(prices, count=1):\n    while True:\n        pass",
    "stubborn-loop": STUBBORN,
    "exit": "import os\nos._exit(0)",
    "exit-in-call": "def cheapest(prices, count=1):\n    import os\n    os._exit(0)",
    "segfault": "import ctypes\nctypes.string_at(0)",
    "memory": "def cheapest(prices, count=1):\n    return [bytearray(1 << 30) for _ in range(64)]",
    "fork-bomb": "import os\nfor _ in range(100000):\n    os.fork()",
    "disk": "with open('big', 'wb') as f:\n    while True:\n        f.write(bytes(1 << 20))",
    "recursion": "def cheapest(prices, count=1):\n    return cheapest(prices, count)",
    "flood": "while True:\n    print('x' * 10000)",
}
HARMLESS = {
    "background": FORKED + GOOD.format("pass"),
    "thread": "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()\n"
    + GOOD.format("pass"),
    "output": "print('x' * (100 << 20))\n" + GOOD.format("pass"),
    "deep-output": GOOD.format("print('called')"),
}


def grade(root: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the command in a course."""
    program = ("python", "-m", "autograder", "grade", "week1", "--quiet", *words)
    return command(root, *program, check=check)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_course(tmp_path_factory.mktemp("grade"), QUICK)
    command(root, "nbgrader", "generate_assignment", "week1")
    return root


@pytest.fixture(scope="module")
def hostile(released: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class in which everybody but one does harm."""
    root = tmp_path_factory.mktemp("hostile") / "course"
    shutil.copytree(released, root)
    for student, text in (HOSTILE | HARMLESS).items():
        hand_in(root, student, numbers=solved("numbers", cheapest=text))
    hand_in(root, "honest")
    done = grade(root, "--workers", "2")
    assert "graded 16 of 16" in done.stdout
    return root


def left_behind() -> list[str]:
    """Processes that a submission has left behind."""
    found = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            if path.read_text().strip() == "left-behind":
                found.append(path.parent.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize("student", HOSTILE)
def test_harm_costs_its_own_points_alone(hostile: Path, student: str) -> None:
    found = scores(hostile)[student]
    assert found["cheapest-test"] == 0
    assert found["mean-test"] == 3
    assert found["answer-test"] == 1
    assert found["stack-test"] == 5


@pytest.mark.parametrize("student", HARMLESS)
def test_a_right_answer_with_odd_manners_has_full_marks(hostile: Path, student: str) -> None:
    assert scores(hostile)[student]["cheapest-test"] == 4
    assert (hostile / f"autograded/{student}/week1/numbers.ipynb").stat().st_size < 5 << 20


def test_nothing_is_left_running_and_the_honest_have_their_points(hostile: Path) -> None:
    assert left_behind() == []
    assert scores(hostile)["honest"]["mean-test"] == 3
    notebook = json.loads((hostile / "autograded/stubborn-loop/week1/numbers.ipynb").read_text())
    record = next(c for c in notebook["cells"] if c["id"] == "n7")["metadata"]["autograder"]
    assert "longer than" in record["message"]


@pytest.fixture
def class_of_8(released: Path, tmp_path: Path) -> Path:
    root = Path(shutil.copytree(released, tmp_path / "course"))
    for number in range(8):
        wrong = "def mean_price(prices):\n    return 6"
        answers = {"mean": wrong} if number % 2 else {}
        hand_in(root, f"student{number}", numbers=solved("numbers", **answers))
    return root


def rows(root: Path) -> Any:
    import sqlite3

    found = sqlite3.connect(root / "gradebook.db").execute(
        """SELECT student_id, notebook.name, base_cell.name, auto_score, needs_manual_grade
        FROM grade JOIN submitted_notebook s ON s.id = grade.notebook_id
        JOIN submitted_assignment a ON a.id = s.assignment_id
        JOIN notebook ON notebook.id = s.notebook_id
        JOIN base_cell ON base_cell.id = grade.cell_id ORDER BY 1, 2, 3"""
    )
    return found.fetchall()


def tree(root: Path) -> dict[str, Any]:
    """All of ``autograded/``, without what differs by nature."""
    found: dict[str, Any] = {}
    for path in sorted((root / "autograded").rglob("*")):
        if path.suffix == ".ipynb":
            notebook = nbformat.read(path, as_version=4)
            notebook.metadata.autograder.pop("seconds")
            found[str(path.relative_to(root))] = notebook
        elif path.is_file():
            found[str(path.relative_to(root))] = path.read_bytes()
    return found


def test_the_same_as_nbgrader_autograde(class_of_8: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(class_of_8, tmp_path / "other"))
    grade(class_of_8, "--workers", "2")
    command(other, "nbgrader", "autograde", "week1")
    assert rows(class_of_8) == rows(other)
    ours, theirs = tree(class_of_8), tree(other)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert ours[name] == theirs[name], name
    command(class_of_8, "nbgrader", "generate_feedback", "week1")
    assert len(list((class_of_8 / "feedback").rglob("*.html"))) == 16


def test_kill_it_and_start_again(class_of_8: Path) -> None:
    program = [sys.executable, "-m", "autograder", "grade", "week1", "--quiet", "--workers", "1"]
    done: dict[str, int] = {}
    for round_ in range(2):
        process = subprocess.Popen(program, cwd=class_of_8, env=environment())
        wanted = len(done) + 2
        while process.poll() is None and len(finished(class_of_8)) < wanted:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        now = finished(class_of_8)
        assert done.items() <= now.items(), "what was graded is not graded again"
        done = now
        assert set(scores(class_of_8)) >= set(done), f"round {round_}: half graded"
    last = grade(class_of_8, "--workers", "2")
    assert "were graded before" in last.stdout
    assert done.items() <= finished(class_of_8).items()
    found = scores(class_of_8)
    assert len(found) == 8
    assert all(found[f"student{n}"]["mean-test"] == (0 if n % 2 else 3) for n in range(8))
    left = [p.name for p in (class_of_8 / "autograded").rglob(".*")]
    assert left == []


def finished(root: Path) -> dict[str, int]:
    """The graded submissions, each with the time and number of its file."""
    found = {}
    for path in (root / "autograded").glob("*/week1/numbers.ipynb"):
        found[path.parts[-3]] = path.stat().st_mtime_ns
    return found


def test_choices_and_errors(class_of_8: Path) -> None:
    done = grade(class_of_8, "--student", "student[01]")
    assert "graded 2 of 2" in done.stdout
    done = grade(class_of_8, "--student", "student[01]", "--require-sandbox", check=False)
    assert "graded 0 of 2" in done.stdout and "2 were graded before" in done.stdout
    nobody = grade(class_of_8, "--student", "nobody", check=False)
    assert nobody.returncode == 1 and "nothing was handed in" in nobody.stderr
    missing = command(class_of_8, "python", "-m", "autograder", "grade", "week9", check=False)
    assert missing.returncode == 2 and "no source notebooks" in missing.stderr

"""Two lines in another course's configuration: nbgrader's own commands then judge from outside."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

from tests.any_course.course import command, hand_in, make_course, scores, solved

FULL = {
    "mean-test": 3.0,
    "cheapest-test": 4.0,
    "answer-test": 1.0,
    "stack-test": 5.0,
    "evens-test": 2.0,
}
ZERO = dict.fromkeys(FULL, 0.0)
HALF = "def cheapest(prices, count=1):\n    return sorted(prices, key=prices.get)[:1]"
ALARM = "import warnings, sys\nwarnings.warn('careful')\nprint('noise', file=sys.stderr)\n"
SHADOW = b"raise SystemExit('shadowed')"


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class of odd submissions, graded by ``nbgrader autograde``."""
    root = make_course(tmp_path_factory.mktemp("any"))
    command(root, "nbgrader", "generate_assignment", "week1")
    hand_in(root, "good")
    hand_in(root, "partial", numbers=solved("numbers", cheapest=HALF))
    mean = ALARM + "def mean_price(prices):\n    return sum(prices.values()) / len(prices)"
    hand_in(root, "noisy", numbers=solved("numbers", mean=mean))
    hand_in(root, "broken", numbers=b'{"cells": [', structures=None)
    hand_in(root, "renamed").joinpath("numbers.ipynb").rename(
        root / "submitted/renamed/week1/Numbers (1).ipynb"
    )
    hand_in(root, "Zoë Müller-Lüdenscheidt")
    folder = hand_in(root, "shadows")
    for name in ("csv.py", "numpy.py", "ipykernel_launcher.py", "sitecustomize.py"):
        (folder / name).write_bytes(SHADOW)
    (folder / "data").mkdir()
    (folder / "data" / "prices.csv").write_text("item,price\nfree,6\n")
    (folder / "timestamp.txt").write_text("the day after tomorrow")
    (root / "submitted" / "empty" / "week1").mkdir(parents=True)
    thief = hand_in(root, "thief", numbers=None)
    (thief / "numbers.ipynb").symlink_to(root / "submitted/good/week1/numbers.ipynb")
    (thief / "loot.txt").symlink_to(root / "gradebook.db")
    command(root, "nbgrader", "autograde", "week1")
    command(root, "nbgrader", "generate_feedback", "week1")
    return root


def notes(root: Path, student: str, notebook: str = "numbers") -> str:
    path = root / "autograded" / student / "week1" / f"{notebook}.ipynb"
    return " ".join(json.loads(path.read_text())["metadata"]["autograder"]["notes"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("student", "lost"),
    [
        ("good", {}),
        ("partial", {"cheapest-test": 1.0}),
        ("noisy", {}),
        ("broken", ZERO),
        ("renamed", {}),
        ("Zoë Müller-Lüdenscheidt", {}),
        ("shadows", {}),
        ("empty", ZERO),
        ("thief", {"mean-test": 0.0, "cheapest-test": 0.0, "answer-test": 0.0}),
    ],
)
def test_scores(course: Path, student: str, lost: dict[str, float]) -> None:
    found = scores(course)[student]
    written = found.pop("why")
    assert found == FULL | lost
    nothing = student in ("broken", "empty", "thief")
    assert written == (0.0 if nothing else None), "a person grades the written answer"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("student", "words"),
    [
        ("broken", "not a notebook"),
        ("renamed", "`Numbers (1).ipynb` was taken for it"),
        ("shadows", "`ipykernel_launcher.py`"),
        ("thief", "is a link"),
        ("empty", "No notebook `numbers.ipynb` was handed in"),
    ],
)
def test_what_was_wrong_is_said(course: Path, student: str, words: str) -> None:
    assert words in notes(course, student)
    page = (course / "feedback" / student / "week1" / "numbers.html").read_text()
    assert words.replace("`", "")[:20].strip() in page.replace("<code>", "").replace("</code>", "")


@pytest.mark.slow
def test_what_is_autograded_is_source_and_answers(course: Path) -> None:
    good = course / "autograded" / "good" / "week1"
    notebook = nbformat.read(good / "numbers.ipynb", as_version=4)
    nbformat.validate(notebook)
    shown = next(c for c in notebook.cells if c.id == "n4").outputs
    assert shown[0].text == "EUR 6.0\n"
    assert notebook.metadata.autograder.sandbox, "what held the worker is recorded"
    assert (good / "data" / "prices.csv").read_text().startswith("item,price\napple")
    shadows = course / "autograded" / "shadows" / "week1"
    assert "free" not in (shadows / "data" / "prices.csv").read_text()
    assert not list(shadows.glob("*.py"))
    assert not (course / "autograded/thief/week1/loot.txt").exists()
    assert not list((course / "autograded").rglob(".unfinished"))


@pytest.mark.slow
def test_feedback_keeps_hidden_tests_hidden(course: Path) -> None:
    page = (course / "feedback" / "broken" / "week1" / "numbers.html").read_text()
    assert "51966" not in page
    partial = (course / "feedback" / "partial" / "week1" / "numbers.html").read_text()
    assert "1 of 4" in partial
    assert "51966" not in partial


@pytest.mark.slow
def test_the_secret_seed_is_kept(course: Path) -> None:
    path = course / ".secret_seed"
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_text()
    command(course, "nbgrader", "autograde", "week1", "--student", "good", "--force")
    assert path.read_text() == before
    assert scores(course)["good"]["mean-test"] == 3

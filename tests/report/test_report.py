"""The instructor's report: what it counts, what it calls alike, and the page as a whole."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.course_folder import CourseError, CourseFolder
from autograder.instructor import command
from autograder.instructor.kills import Kill, likenesses
from autograder.instructor.pictures import histogram
from autograder.instructor.results import ClassResults
from autograder.instructor.similar import similar_pairs

LOOP = """def total(rows):
    result = 0
    for row in rows:
        for value in row:
            if value > 0 and value % 2 == 1:
                result += value * value - 1
            elif value < -5:
                result -= abs(value) // 3
    return result
"""
OTHER = """def total(rows):
    flat = [value for row in rows for value in row]
    odd = [v for v in flat if v > 0 and v % 2]
    low = [abs(v) // 3 for v in flat if v < -5]
    return sum(v * v for v in odd) - len(odd) - sum(low)
"""
UNWRITTEN = "total is not written yet: replace `raise NotImplementedError()` by your code."


def check(name: str, message: str | None, points: float = 2.0) -> dict[str, Any]:
    return {
        "name": name,
        "about": "total",
        "hidden": name == "deep",
        "points": 0.0 if message else points,
        "max_points": points,
        "message": message,
        "title": f"The check {name}",
    }


def hand_in(root: Path, student: str, code: str, messages: list[str | None]) -> None:
    """A graded notebook as ``grade`` leaves it."""
    names = ("sums", "signs", "deep")
    checks = [check(name, message) for name, message in zip(names, messages, strict=True)]
    answer = new_code_cell(code, metadata={"nbgrader": {"grade_id": "total", "solution": True}})
    verdict = {
        "points": sum(c["points"] for c in checks),
        "max_points": 6.0,
        "message": None,
        "hidden": False,
        "checks": checks,
    }
    test = new_code_cell(metadata={"nbgrader": {"grade_id": "t"}, "autograder": verdict})
    metadata = {"autograder": {"seconds": 0.5, "notes": []}}
    notebook = new_notebook(cells=[answer, test], metadata=metadata)
    for step in ("submitted", "autograded"):
        folder = root / step / student / "sums"
        folder.mkdir(parents=True)
        nbformat.write(notebook, folder / "sums.ipynb")


@pytest.fixture
def course(tmp_path: Path) -> CourseFolder:
    (tmp_path / "source" / "sums").mkdir(parents=True)
    source = new_notebook(cells=[new_markdown_cell("Write `total`."), new_code_cell("rows = []")])
    nbformat.write(source, tmp_path / "source" / "sums" / "sums.ipynb")
    hand_in(tmp_path, "ada", LOOP, [None, None, None])
    hand_in(tmp_path, "bob", LOOP.replace("result", "x"), [None, "It gives 3, not 4.", None])
    hand_in(tmp_path, "cy", OTHER, [None, "It gives 17.5, not 4.", "<b>too</b> deep"])
    hand_in(tmp_path, "di", "raise NotImplementedError()", [UNWRITTEN] * 3)
    return CourseFolder(tmp_path)


def test_counts_of_checks(course: CourseFolder) -> None:
    results = ClassResults.of(course, "sums")
    totals = {s.student: (s.points, s.max_points) for s in results.submissions}
    assert totals == {"ada": (6, 6), "bob": (4, 6), "cy": (2, 6), "di": (0, 6)}
    signs = results.checks["signs"]
    assert (signs.passed, signs.failures, signs.unwritten) == (1, 2, 1)
    assert signs.rate == pytest.approx(2 / 3), "who wrote nothing says nothing of the check"
    assert signs.messages == [("It gives 3, not 4.", 2)], "numbers alone do not make another kind"
    assert results.checks["deep"].hidden and results.checks["sums"].failures == 0
    assert command.unwritten(results) == {"total": 1}


def test_who_is_not_graded_is_named(course: CourseFolder) -> None:
    (course.root / "submitted" / "eve" / "sums").mkdir(parents=True)
    assert ClassResults.of(course, "sums").ungraded == ["eve"]
    with pytest.raises(CourseError, match="is 'none' an assignment"):
        ClassResults.of(course, "none")
    (course.root / "source" / "later").mkdir()
    nbformat.write(new_notebook(), course.root / "source" / "later" / "later.ipynb")
    with pytest.raises(CourseError, match="run `python -m autograder grade later` first"):
        ClassResults.of(course, "later")


def test_a_copy_with_other_names_is_alike_and_another_way_is_not() -> None:
    renamed = LOOP.replace("result", "acc").replace("value", "v").replace("row", "line")
    commented = "# mine\n" + renamed.replace("    acc = 0\n", "    acc = 0  # start\n\n")
    found = similar_pairs({"ada": LOOP, "bob": commented, "cy": OTHER})
    assert [(pair.first, pair.second) for pair in found] == [("ada", "bob")]
    assert found[0].share > 0.9


def test_what_the_class_or_the_release_has_is_nobodys_own() -> None:
    crowd = {f"s{i}": LOOP for i in range(12)}
    assert similar_pairs(crowd) == []
    assert similar_pairs({"ada": LOOP, "bob": LOOP}, released=LOOP) == []
    assert similar_pairs({"ada": "def f(:\n  'open", "bob": ""}) == []


def test_odd_submissions_come_first() -> None:
    kills = [Kill("no_scale", "scale", ("scale", "torch")), Kill("late_mask", "mask", ("mask",))]
    failures = {
        "ada": frozenset[str](),
        "bob": frozenset({"scale", "torch"}),
        "cy": frozenset({"mask", "empty", "torch"}),
    }
    cy, bob = likenesses(failures, kills)
    assert (cy.student, bob.student) == ("cy", "bob")
    assert bob.nearest[0] == ("no_scale", 1.0)
    assert cy.nearest[0] == ("late_mask", pytest.approx(1 / 3))


def test_histogram_counts_every_student() -> None:
    for totals, most in (([0.0, 3.5, 57.0, 57.0], 57.0), ([0.0], 0.0), ([2.0] * 5, 2.0)):
        svg = str(histogram(totals, most))
        numbers = re.findall(r"<title>(\d+) students", svg)
        assert sum(map(int, numbers)) == len(totals)
        assert len(numbers) <= 21


class Page(HTMLParser):
    """What a browser would fetch or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "img", "iframe"):
            self.outside.append(tag)
        self.outside += [name for name, _ in attributes if name in ("src", "href", "onclick")]
        if tag not in ("meta", "line", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "line":
            assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing(course: CourseFolder, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    assert command.main(["sums", "--course", str(course.root), "--to", str(target)]) == 0
    text = target.read_text("utf-8")
    page = Page(text)
    assert page.outside == [] and page.open == []
    assert "&lt;b&gt;too&lt;/b&gt; deep" in text, "messages are text, never markup"
    for words in ("67 %", "ada and bob", "Left as it was", "The check signs", "2 ×"):
        assert words in text, words


def test_the_command_says_what_is_missing(
    course: CourseFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["none", "--course", str(course.root)]) == 2
    assert "none" in capsys.readouterr().err
    assert command.main(["sums", "--course", str(course.root), "--to", "/no/where/x.html"]) == 2
    assert "/no/where" in capsys.readouterr().err
    assert command.main(["sums", "--course", str(course.root)]) == 0
    assert (course.root / "reports" / "sums.html").exists()

"""A term in one test: released, handed in, graded twice over, marked by clicking, regraded, sent.

Everything goes through nbgrader's own commands and the real formgrader, and once more through
``python -m autograder grade``; every total is compared with one that was added up by hand.
"""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from nbgrader.api import Gradebook

from tests.any_course.course import command, scores
from tests.classroom import term
from tests.classroom.server import TOKEN, jupyter
from tests.classroom.term import ASSIGNMENTS, BAD_POINTS, DUE, STUDENTS
from tests.harness import suites

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
FIRST, SECOND, THIRD = (chosen.folder for chosen in ASSIGNMENTS)
MARK, COMMENT = 2.5, "Say why variances add: the products are independent."


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three weeks: release, hand in, autograde; eve hands in her second one twice."""
    root = tmp_path_factory.mktemp("term") / "course"
    root.mkdir()
    term.make_course(root)
    for chosen in ASSIGNMENTS:
        for one in term.hand_ins(chosen):
            term.hand_in(root, one, DUE + one.late if one.late else DUE - timedelta(days=1))
    stub = root / "release" / SECOND / "multi_head.ipynb"
    shutil.copyfile(stub, root / "submitted" / "eve" / SECOND / "multi_head.ipynb")
    for chosen in ASSIGNMENTS:
        command(root, "nbgrader", "autograde", chosen.folder)
    return root


@pytest.fixture(scope="module")
def deserved(root: Path) -> dict[tuple[str, str], float]:
    """Points from checks by student and assignment, without the instructor's own bad test."""
    return {
        (one.student, chosen.folder): term.points_of(one, root)
        for chosen in ASSIGNMENTS
        for one in term.hand_ins(chosen)
    }


def from_checks(root: Path, assignment: str) -> dict[str, float]:
    found = scores(root, assignment)
    return {
        student: sum(score or 0.0 for score in cells.values()) for student, cells in found.items()
    }


def test_both_ways_of_grading_give_the_same(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "course"
    shutil.copytree(root, other, ignore=shutil.ignore_patterns("autograded"))
    with sqlite3.connect(other / "gradebook.db") as connection:
        connection.execute("DELETE FROM grade")
    for chosen in ASSIGNMENTS:
        command(other, "python", "-m", "autograder", "grade", chosen.folder, "--quiet")
        assert scores(other, chosen.folder) == scores(root, chosen.folder)


def test_first_grades_are_those_added_up_by_hand(
    root: Path, deserved: dict[tuple[str, str], float]
) -> None:
    first = from_checks(root, FIRST)
    assert set(first) == set(STUDENTS)
    for student in STUDENTS:
        assert first[student] == deserved[student, FIRST], student
    second = from_checks(root, SECOND)
    assert second["eve"] == 0, "her first try is the untouched stub"
    assert deserved["bob", FIRST] < deserved["ada", FIRST], "the specimen loses points"


def test_a_second_try_replaces_the_first(
    root: Path, deserved: dict[tuple[str, str], float]
) -> None:
    one = next(h for h in term.hand_ins(ASSIGNMENTS[1]) if h.student == "eve")
    term.hand_in(root, one, DUE - timedelta(hours=2))
    command(root, "nbgrader", "autograde", SECOND)
    assert from_checks(root, SECOND)["eve"] == deserved["eve", SECOND]


def test_late_work_pays_for_two_days(root: Path, deserved: dict[tuple[str, str], float]) -> None:
    with Gradebook(f"sqlite:///{root / 'gradebook.db'}") as gradebook:
        late = gradebook.find_submission(FIRST, "di")
        assert late.total_seconds_late == 30 * 60 * 60
        assert late.late_submission_penalty == pytest.approx(0.2 * deserved["di", FIRST])
        for student in set(STUDENTS) - {"di"}:
            assert gradebook.find_submission(FIRST, student).late_submission_penalty == 0


@pytest.fixture(scope="module")
def page(root: Path, browser: Any) -> Iterator[Any]:
    """The formgrader in a browser, logged in."""
    with jupyter(root) as address:
        opened = browser.new_page(viewport={"width": 1200, "height": 900})
        opened.goto(f"{address}/formgrader/?token={TOKEN}", wait_until="domcontentloaded")
        opened.address = address
        yield opened
        opened.close()


def test_a_person_marks_a_written_answer_by_clicking(root: Path, page: Any) -> None:
    question = next(iter(term.questions(ASSIGNMENTS[0])))
    page.goto(f"{page.address}/formgrader/gradebook/{FIRST}/attention")
    page.wait_for_selector("a:has-text('Submission #')")
    with sqlite3.connect(root / "gradebook.db") as connection:
        found = connection.execute(
            """SELECT n.id FROM submitted_notebook n
            JOIN submitted_assignment a ON a.id = n.assignment_id
            JOIN assignment ON assignment.id = a.assignment_id
            WHERE a.student_id = 'ada' AND assignment.name = ?""",
            (FIRST,),
        )
        submission = found.fetchone()[0]
    page.goto(f"{page.address}/formgrader/submissions/{submission}/")
    field = page.locator(f"input.score[id='{question}']")
    field.wait_for()
    page.wait_for_function(
        "() => window.formgrader && formgrader.grades.loaded && formgrader.comments.loaded"
    )
    field.fill(str(MARK))
    with page.expect_response(lambda r: "/api/grade/" in r.url and r.request.method == "PUT"):
        field.press("Tab")
    note = page.locator(f"textarea[id='{question}-comment']")
    note.fill(COMMENT)
    with page.expect_response(lambda r: "/api/comment/" in r.url and r.request.method == "PUT"):
        note.press("Tab")
    page.screenshot(path=str(root / "formgrader.png"))
    with Gradebook(f"sqlite:///{root / 'gradebook.db'}") as gradebook:
        grade = gradebook.find_grade(question, "attention", FIRST, "ada")
        assert grade.manual_score == MARK and not grade.needs_manual_grade
        comment = gradebook.find_comment(question, "attention", FIRST, "ada")
        assert comment.manual_comment == COMMENT


def mark_the_rest(root: Path) -> None:
    """What a person has not clicked gets one point, by nbgrader's own interface."""
    with Gradebook(f"sqlite:///{root / 'gradebook.db'}") as gradebook:
        for chosen in ASSIGNMENTS:
            for one in term.hand_ins(chosen):
                for question in term.questions(chosen):
                    args = (question, chosen.word, chosen.folder, one.student)
                    grade = gradebook.find_grade(*args)
                    if grade.manual_score is None:
                        grade.manual_score, grade.needs_manual_grade = 1.0, False
        gradebook.db.commit()


def test_a_mended_test_is_shown_before_it_counts(root: Path) -> None:
    before = from_checks(root, THIRD)
    term.add_test(root, term.GOOD_TEST)
    program = ["python", "-m", "autograder", "regrade", THIRD, "--workers", "1"]
    stale = command(root, *program, check=False)
    assert stale.returncode == 2 and "differs from the gradebook in own-test" in stale.stderr
    command(root, "nbgrader", "generate_assignment", THIRD, "--force")
    shown = command(root, *program).stdout
    handed_in = [one.student for one in term.hand_ins(ASSIGNMENTS[2])]
    for student in handed_in:
        assert f"{student}: {before[student]:g} → {before[student] + BAD_POINTS:g} (+2)" in shown
    assert "now passes own-test" in shown and "nothing was changed" in shown
    assert from_checks(root, THIRD) == before, "a look changes nothing"
    assert "--apply" in shown
    applied = command(root, *program, "--apply").stdout
    assert f"{len(handed_in)} of {len(handed_in)} submissions change" in applied
    after = from_checks(root, THIRD)
    assert after == {student: points + BAD_POINTS for student, points in before.items()}
    again = command(root, *program).stdout
    assert f"0 of {len(handed_in)} submissions change" in again


def expected_total(deserved: dict[tuple[str, str], float], student: str, assignment: str) -> float:
    """Points by hand: checks, one point a question (ada's clicked one apart), less lateness."""
    points = deserved[student, assignment]
    chosen = next(c for c in ASSIGNMENTS if c.folder == assignment)
    penalty = 0.2 * points if (student, assignment) == ("di", FIRST) else 0.0
    points += len(term.questions(chosen))
    if (student, assignment) == ("ada", FIRST):
        points += MARK - 1.0
    if assignment == THIRD:
        points += BAD_POINTS
    return points - penalty


def test_exports_hold_every_total(root: Path, deserved: dict[tuple[str, str], float]) -> None:
    blank = exported(root, "Canvas")
    assert blank["bob"][FIRST] == "", "it waits for a person's marks"
    mark_the_rest(root)
    for platform in ("Canvas", "Moodle"):
        rows = exported(root, platform)
        assert set(rows) == set(STUDENTS)
        for student, assignment in deserved:
            total = expected_total(deserved, student, assignment)
            assert float(rows[student][assignment]) == pytest.approx(total, abs=0.005), student
        assert rows["flo"][THIRD] == "", "nothing was handed in, so nothing is overwritten"


def exported(root: Path, platform: str) -> dict[str, dict[str, str]]:
    """The rows of an export by student."""
    target = root / f"{platform}.csv"
    name = f"autograder.exports.{platform}"
    command(root, "nbgrader", "export", f"--exporter={name}", f"--to={target}")
    with target.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    key = "SIS Login ID" if platform == "Canvas" else "username"
    if platform == "Canvas":
        assert rows[0]["Student"].strip() == "Points Possible"
        assert float(rows.pop(0)[FIRST]) > 50
    return {row[key]: row for row in rows}


def test_feedback_reaches_the_student(root: Path, deserved: dict[tuple[str, str], float]) -> None:
    command(root, "nbgrader", "generate_feedback", FIRST)
    command(root, "nbgrader", "release_feedback", FIRST)
    text = (root / "feedback" / "ada" / FIRST / "attention.html").read_text("utf-8")
    assert COMMENT in text and "hidden.score" not in text
    late = (root / "feedback" / "di" / FIRST / "attention.html").read_text("utf-8")
    assert "taken off for handing in late" in late
    released = list((root.parent / "exchange").rglob("*.html"))
    assert len(released) >= len(STUDENTS)


def test_the_report_of_the_term(root: Path) -> None:
    program = ["python", "-m", "autograder", "report", SECOND, "--no-specimens"]
    done = command(root, *program)
    text = Path(done.stdout.strip()).read_text("utf-8")
    assert "8</b><span>graded" in text
    possible = sum(check.points for suite in suites("multi_head") for check in suite.checks)
    possible += sum(term.questions(ASSIGNMENTS[1]).values())
    assert f" of {possible:g}</b><span>mean points" in text
    assert "cy" in text and "0</b><span>wait for a person" in text
    record = json.loads((root / "autograded" / "cy" / SECOND / "multi_head.ipynb").read_text())
    messages = [
        check["message"]
        for cell in record["cells"]
        for check in cell["metadata"].get("autograder", {}).get("checks", [])
        if check["message"]
    ]
    assert messages and any(message[:40] in text for message in messages)

"""A course's whole life with nbgrader's own commands, in a temporary course with its exchange."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest

from autograder.answers import with_answer
from course.syllabus import ROOT, exercise
from tests.any_course.course import command, environment, scores

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # eleven programs, one by one
CHOSEN = exercise("attention")
NAME = CHOSEN.folder
WRONG = ROOT / "tests/specimens/attention/wrong/always_causal.py"
COURSE = "transformers-by-hand"


def config(home: Path, folder: Path, more: str = "") -> None:
    """nbgrader's configuration of one person: this course's own, and the exchange's place."""
    folder.mkdir(parents=True, exist_ok=True)
    text = (ROOT / "nbgrader_config.py").read_text("utf-8")
    text += f"\nc.Exchange.root = {str(home / 'exchange')!r}\n{more}"
    (folder / "nbgrader_config.py").write_text(text)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """From release to exported grades; both students' and instructor's steps."""
    home = tmp_path_factory.mktemp("classroom")
    (home / "exchange").mkdir(mode=0o777)
    (home / "exchange").chmod(0o777)
    instructor, student = home / "course", home / "student"
    config(home, instructor)
    config(home, student)
    shutil.copytree(CHOSEN.assignment.parent, instructor / "assignments" / NAME)
    command(instructor, "nbgrader", "generate_assignment", NAME)
    command(instructor, "nbgrader", "release_assignment", NAME)
    command(student, "nbgrader", "fetch_assignment", NAME, "--course", COURSE)
    answer(student / NAME / "attention.ipynb", ROOT / "solutions" / "attention.py")
    command(student, "nbgrader", "submit", NAME, "--course", COURSE)
    command(instructor, "nbgrader", "collect", NAME)
    other = instructor / "submitted" / "Bø Ålund" / NAME
    shutil.copytree(next((instructor / "submitted").iterdir()) / NAME, other)
    (other / "attention.ipynb").chmod(0o644)
    answer(other / "attention.ipynb", WRONG)
    command(instructor, "nbgrader", "autograde", NAME)
    command(instructor, "nbgrader", "generate_feedback", NAME)
    command(instructor, "nbgrader", "release_feedback", NAME)
    command(student, "nbgrader", "fetch_feedback", NAME, "--course", COURSE)
    command(instructor, "nbgrader", "export", "--to=grades.csv")
    return home


def answer(path: Path, text: Path) -> None:
    """Write an answer file's text into a released notebook."""
    notebook = nbformat.read(path, as_version=4)
    notebook = with_answer(notebook, text.read_text("utf-8"))
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "question-scale":
            cell.source = "Variances add, so we divide by the root of d."
    nbformat.write(notebook, path)


def me(home: Path) -> str:
    """The name under which this test's own user handed in."""
    names = {path.name for path in (home / "course" / "submitted").iterdir()}
    return next(iter(names - {"Bø Ålund"}))


def test_the_release_holds_no_solution_and_no_hidden_test(home: Path) -> None:
    text = (home / "course" / "release" / NAME / "attention.ipynb").read_text()
    for secret in ("SOLUTION", "HIDDEN", "HELPERS", "MARK SCHEME", "autograder", "masked_fill"):
        assert secret not in text, secret
    assert "raise NotImplementedError()" in text


def test_scores_in_gradebook_and_export(home: Path) -> None:
    found = scores(home / "course", NAME)
    right, wrong = found[me(home)], found["Bø Ålund"]
    notebook = nbformat.read(CHOSEN.assignment, as_version=4)
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader", {})
        if marks.get("grade") and not marks.get("solution"):
            assert right[marks["grade_id"]] == marks["points"]
    checked = [key for key in right if not key.startswith("question")]
    assert sum(wrong[key] or 0 for key in checked) < sum(right[key] or 0 for key in checked)
    assert right["question-scale"] is None, "waits for a person"
    assert right["question-masks"] == 0, "left as it was"
    rows = list(csv.DictReader((home / "course" / "grades.csv").open()))
    assert len(rows) == 2
    assert {row["student_id"] for row in rows} == {me(home), "Bø Ålund"}


def test_the_student_s_feedback(home: Path) -> None:
    page = (home / "student" / NAME / "feedback").rglob("*.html")
    text = next(iter(page)).read_text("utf-8")
    assert "hidden.score" not in text
    assert "✓" in text and "http://" not in text.replace("http://www.w3.org", "")
    assert text.count('class="pass"') > 20


def test_the_wrong_one_reads_why(home: Path) -> None:
    path = home / "course" / "feedback" / "Bø Ålund" / NAME / "attention.html"
    text = path.read_text("utf-8")
    assert 'class="fail"' in text
    assert "BEGIN HIDDEN" not in text


def test_sandbox_and_seed_are_on_record(home: Path) -> None:
    course = home / "course"
    text = (course / "autograded" / me(home) / NAME / "attention.ipynb").read_text()
    record = json.loads(text)["metadata"]["autograder"]
    assert record["sandbox"]
    assert (course / ".secret_seed").stat().st_mode & 0o777 == 0o600


def test_validate_runs_the_visible_checks_in_a_plain_kernel(home: Path) -> None:
    notebook = nbformat.read(home / "student" / NAME / "attention.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "question-masks":
            cell.source = "All three look right."  # validate asks for every written answer, too
    path = home / "student" / "checked.ipynb"
    nbformat.write(notebook, path)
    done = command(home / "student", "nbgrader", "validate", str(path))
    assert "Success" in done.stdout + done.stderr


def test_a_student_s_own_run_reports_visible_checks(home: Path) -> None:
    path = home / "student" / "mine.ipynb"
    shutil.copy(home / "student" / NAME / "attention.ipynb", path)
    program = ["jupyter", "nbconvert", "--to", "notebook", "--execute", "--inplace", str(path)]
    done = subprocess.run(program, env=environment(), capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "All visible checks pass. Hidden checks remain" in path.read_text()

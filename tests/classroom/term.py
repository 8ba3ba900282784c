"""A term: eight students, three assignments, and what each of them hands in."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from autograder.answers import with_answer
from autograder.course_folder import CourseFolder
from course.syllabus import ROOT, Exercise, exercise
from tests.any_course.course import command
from tests.harness import failed, grade_in_process, suites
from tests.intake.course import mark

ASSIGNMENTS = [exercise("attention"), exercise("multi_head"), exercise("objectives")]
STUDENTS = ("ada", "bob", "cy", "di", "eve", "flo", "gil", "hal")
DUE = datetime(2025, 3, 4, 12, 0)
LATE = timedelta(hours=30)  # two days have begun: twice a tenth is taken off
ESSAY = "Variances add: the sum of d products has variance d, so we divide by its root."
WRONG = {
    ("bob", "attention"): "softmax_over_queries",
    ("cy", "multi_head"): "",
    ("hal", "objectives"): "",
}
MISSING = ("flo", "objectives")
BAD_TEST = "# The instructor's own, added in haste.\nassert 1 + 1 == 3, 'the sum is wrong'"
GOOD_TEST = "# The instructor's own, added in haste.\nassert 1 + 1 == 2, 'the sum is wrong'"
BAD_POINTS = 2.0


@dataclass(frozen=True)
class HandIn:
    """One submission: whose answer file, how late."""

    student: str
    chosen: Exercise
    answer: Path
    late: timedelta = timedelta(0)


def reference(chosen: Exercise) -> Path:
    return ROOT / "solutions" / f"{chosen.word}.py"


def specimen(chosen: Exercise, kind: str, name: str = "") -> Path:
    """A specimen by name, or the first of its kind."""
    found = sorted((ROOT / "tests" / "specimens" / chosen.word / kind).glob(f"{name or '*'}.py"))
    return found[0]


def hand_ins(chosen: Exercise) -> list[HandIn]:
    """What the class hands in, flo's last one apart; eve's second try replaces her first."""
    found = []
    for student in STUDENTS:
        if (student, chosen.word) == MISSING:
            continue
        answer = reference(chosen)
        if (student, chosen.word) in WRONG:
            answer = specimen(chosen, "wrong", WRONG[student, chosen.word])
        elif student == "gil":
            answer = specimen(chosen, "right")
        late = LATE if (student, chosen.word) == ("di", "attention") else timedelta(0)
        found.append(HandIn(student, chosen, answer, late))
    return found


def points_of(one: HandIn, root: Path) -> float:
    """The points that a submission deserves, added up check by check in this process.

    Under the course's own seed: a wrong answer may pass a neighbour of its check by chance.
    """
    seed = CourseFolder(root).seed(one.chosen.folder)
    lost = failed(grade_in_process(one.chosen.word, one.answer, seed))
    checks = [check for suite in suites(one.chosen.word) for check in suite.checks]
    return sum(check.points for check in checks if check.name not in lost)


def make_course(root: Path) -> None:
    """The instructor's folder: sources, configuration, due dates; one source has a bad test."""
    for chosen in ASSIGNMENTS:
        shutil.copytree(chosen.assignment.parent, root / "assignments" / chosen.folder)
    add_test(root, BAD_TEST)
    text = (ROOT / "nbgrader_config.py").read_text("utf-8")
    exchange = root.parent / "exchange"
    exchange.mkdir(mode=0o777, exist_ok=True)
    exchange.chmod(0o777)
    (root / "nbgrader_config.py").write_text(
        f"{text}\nc.Exchange.root = {str(exchange)!r}\n"
        "c.AssignLatePenalties.plugin_class = 'autograder.policies.PenaltyPerDay'\n"
    )
    for chosen in ASSIGNMENTS:
        command(root, "nbgrader", "generate_assignment", chosen.folder, "--create")
        words = ["nbgrader", "db", "assignment", "add", chosen.folder, f"--duedate={DUE} UTC"]
        command(root, *words)


def add_test(root: Path, text: str) -> None:
    """Put the instructor's own test into the last assignment's source, or replace it."""
    chosen = ASSIGNMENTS[-1]
    path = root / "assignments" / chosen.folder / f"{chosen.word}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    cells = [c for c in notebook.cells if c.get("id") != "own-test"]
    metadata = mark("own-test", "test", BAD_POINTS)
    notebook.cells = [*cells, new_code_cell(text, id="own-test", metadata=metadata)]
    nbformat.write(notebook, path)


def hand_in(root: Path, one: HandIn, moment: datetime) -> None:
    """Fill the released notebook and put it where ``nbgrader collect`` would."""
    name = f"{one.chosen.word}.ipynb"
    released = nbformat.read(root / "release" / one.chosen.folder / name, as_version=4)
    folder = root / "submitted" / one.student / one.chosen.folder
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(written(with_answer(released, one.answer.read_text("utf-8"))), folder / name)
    (folder / "timestamp.txt").write_text(f"{moment} UTC")
    (folder / "submission_secret.txt").write_text(f"{one.student} {one.chosen.word}")


def written(notebook: NotebookNode) -> NotebookNode:
    """The same answer to every written question."""
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "markdown" and marks.get("solution"):
            cell.source = ESSAY
    return notebook


def questions(chosen: Exercise) -> dict[str, float]:
    """The written questions of an assignment and their points."""
    return {
        cell.metadata.nbgrader.grade_id: cell.metadata.nbgrader.points
        for cell in nbformat.read(chosen.assignment, as_version=4).cells
        if cell.cell_type == "markdown" and cell.metadata.get("nbgrader", {}).get("grade")
    }

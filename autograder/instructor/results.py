"""A graded class, read from the autograded notebooks and the gradebook."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.course_folder import CourseError, CourseFolder

UNWRITTEN = "is not written yet: replace"
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[-+]?\d+)?")


@dataclass
class Submission:
    """One student's graded work: points, verdict of every check, time, the code handed in."""

    student: str
    points: float = 0.0  # from checks
    max_points: float = 0.0
    by_hand: float = 0.0  # what a person gave
    waiting: float = 0.0  # points that nobody has given or refused yet
    late_penalty: float = 0.0
    possible: float = 0.0  # everything that could be had, by checks and by persons
    seconds: float = 0.0
    messages: dict[str, str] = field(default_factory=dict)  # failed check -> its message
    answers: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def failed(self) -> frozenset[str]:
        """The checks that failed on something that was written."""
        return frozenset(name for name, said in self.messages.items() if UNWRITTEN not in said)

    @property
    def total(self) -> float:
        return max(0.0, self.points + self.by_hand - self.late_penalty)


@dataclass
class CheckStat:
    """How a class did on one check."""

    name: str
    about: str
    title: str
    hidden: bool
    points: float
    passed: int = 0
    unwritten: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, message: str | None) -> None:
        """Count one student's verdict; messages that differ in numbers alone are of one kind."""
        if message is None:
            self.passed += 1
        elif UNWRITTEN in message:
            self.unwritten += 1
        else:
            kind = NUMBER.sub("#", message)
            self.kinds[kind] += 1
            self.examples.setdefault(kind, message)

    @property
    def messages(self) -> list[tuple[str, int]]:
        """What students were told, most frequent first: one example of each kind, its count."""
        return [(self.examples[kind], count) for kind, count in self.kinds.most_common()]

    @property
    def failures(self) -> int:
        return sum(self.kinds.values())

    @property
    def rate(self) -> float:
        """The share that fails of those who wrote an answer."""
        return self.failures / max(1, self.failures + self.passed)


@dataclass
class ClassResults:
    """All graded submissions of an assignment, its checks, and who is missing."""

    assignment: str
    submissions: list[Submission]
    checks: dict[str, CheckStat]
    ungraded: list[str]

    @classmethod
    def of(cls, course: CourseFolder, assignment: str) -> ClassResults:
        """Read what grading wrote. Raises CourseError when nothing is graded yet."""
        names = [path.stem for path in course.notebooks(assignment)]
        found, missing = [], []
        checks: dict[str, CheckStat] = {}
        for student in course.students(assignment):
            folder = course.path("autograded", student, assignment)
            paths = [folder / f"{name}.ipynb" for name in names]
            if not all(path.exists() for path in paths):
                missing.append(student)
                continue
            submission = Submission(student)
            for path in paths:
                _read(path, submission, checks)
            found.append(submission)
        if not found:
            raise CourseError(
                f"nothing of {assignment!r} is graded in {course.root}: run "
                f"`python -m autograder grade {assignment}` first"
            )
        _by_hand(course, assignment, {s.student: s for s in found})
        return cls(assignment, found, checks, missing)


def _read(path: Path, submission: Submission, checks: dict[str, CheckStat]) -> None:
    """Add one autograded notebook to a submission and to the checks' counts."""
    try:
        notebook = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise CourseError(f"{path} cannot be read ({error}): grade it again") from None
    about = notebook["metadata"].get("autograder", {})
    submission.seconds += about.get("seconds", 0.0)
    submission.notes += about.get("notes", [])
    for cell in notebook["cells"]:
        marks = cell["metadata"].get("nbgrader", {})
        if cell["cell_type"] == "code" and marks.get("solution"):
            submission.answers += "".join(cell["source"]) + "\n\n"
        for name, found in _verdicts(cell, marks):
            stat = checks.setdefault(name, _stat(name, found))
            stat.add(found["message"])
            if found["message"] is not None:
                submission.messages[name] = found["message"]
            submission.points += found["points"]
            submission.max_points += found["max_points"]


def _verdicts(cell: dict, marks: dict) -> Iterator[tuple[str, dict[str, Any]]]:
    """The verdicts of a graded cell: its checks', or the cell's own when it has none."""
    record = cell["metadata"].get("autograder", {})
    if "max_points" not in record:
        return
    for check in record["checks"]:
        yield check["name"], check
    if not record["checks"]:
        name = marks["grade_id"]
        yield name, {**record, "title": "", "about": name}


def _stat(name: str, found: dict[str, Any]) -> CheckStat:
    about, title = found["about"], found.get("title", "")
    return CheckStat(name, about, title, found["hidden"], found["max_points"])


HAND = """SELECT submitted_assignment.student_id, grade.manual_score, grade.extra_credit,
grade.needs_manual_grade, grade.auto_score, grade_cell.max_score FROM grade
JOIN submitted_notebook ON submitted_notebook.id = grade.notebook_id
JOIN submitted_assignment ON submitted_assignment.id = submitted_notebook.assignment_id
JOIN assignment ON assignment.id = submitted_assignment.assignment_id
JOIN grade_cells AS grade_cell ON grade_cell.id = grade.cell_id WHERE assignment.name = ?"""
LATE = """SELECT submitted_assignment.student_id, submitted_notebook.late_submission_penalty
FROM submitted_notebook
JOIN submitted_assignment ON submitted_assignment.id = submitted_notebook.assignment_id
JOIN assignment ON assignment.id = submitted_assignment.assignment_id WHERE assignment.name = ?"""


def _by_hand(course: CourseFolder, assignment: str, found: dict[str, Submission]) -> None:
    """Add what persons gave, what waits for them, and late penalties, from the gradebook."""
    path = Path(course.db_url.removeprefix("sqlite:///"))
    if not course.db_url.startswith("sqlite:///") or not path.exists():
        return
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        for student, manual, extra, needs, auto, most in connection.execute(HAND, (assignment,)):
            if student not in found:
                continue
            found[student].possible += most
            if manual is not None:
                found[student].by_hand += manual - (auto or 0.0)
            elif needs:
                found[student].waiting += most
            found[student].by_hand += extra or 0.0
        for student, penalty in connection.execute(LATE, (assignment,)):
            if student in found:
                found[student].late_penalty += penalty or 0.0
    connection.close()

"""Grades for a learning platform: exporters for ``nbgrader export``.

    nbgrader export --exporter=autograder.exports.Canvas --to=canvas.csv
    nbgrader export --exporter=autograder.exports.Moodle --to=moodle.csv

One row a student, one column an assignment, late penalties taken off. A submission that waits for a
person's marks and one that was not handed in are left blank: a blank changes nothing there, a 0
would look like a grade.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.plugins import ExportPlugin


class PlatformExport(ExportPlugin):
    """What both platforms share: who and what is exported, and the score of each submission."""

    default = "grades.csv"

    def head(self, assignments: list[Any]) -> Iterator[list[str]]:
        """The rows above the students'."""
        raise NotImplementedError

    def who(self, student: Any) -> list[str]:
        """The columns that say who a row is about."""
        raise NotImplementedError

    def export(self, gradebook: Gradebook) -> None:
        """Write the file in one step; warns of submissions that are not marked yet."""
        wanted, chosen = set(map(str, self.assignment)), set(map(str, self.student))
        assignments = [a for a in gradebook.assignments if not wanted or a.name in wanted]
        students = [s for s in gradebook.students if not chosen or s.id in chosen]
        missing = wanted - {a.name for a in assignments} | chosen - {s.id for s in students}
        if missing:
            raise ValueError(f"the gradebook knows nothing of {', '.join(sorted(missing))}")
        target = Path(self.to or self.default)
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        with beside.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerows(self.head(assignments))
            for student in sorted(students, key=lambda s: s.id):
                scores = [self.score(gradebook, a.name, student.id) for a in assignments]
                writer.writerow([*self.who(student), *scores])
        beside.replace(target)
        count = len(assignments)
        self.log.info("wrote %s: %d students, %d assignments", target, len(students), count)

    def score(self, gradebook: Gradebook, assignment: str, student: str) -> str:
        """The points of a submission less its late penalty, with at most two decimals."""
        try:
            submission = gradebook.find_submission(assignment, student)
        except MissingEntry:
            return ""
        if submission.needs_manual_grade:
            self.log.warning("%s of %s waits for a person's marks: left blank", assignment, student)
            return ""
        points = max(0.0, submission.score - submission.late_submission_penalty)
        return f"{points:.2f}".rstrip("0").rstrip(".")


class Canvas(PlatformExport):
    """Canvas: upload under Grades, Import. The student's nbgrader id is the SIS login id."""

    default = "canvas.csv"

    def head(self, assignments: list[Any]) -> Iterator[list[str]]:
        columns = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
        yield [*columns, *(assignment.name for assignment in assignments)]
        points = [f"{assignment.max_score:g}" for assignment in assignments]
        yield ["    Points Possible", "", "", "", "", *points]

    def who(self, student: Any) -> list[str]:
        names = [student.last_name, student.first_name]
        name = ", ".join(part for part in names if part) or student.id
        return [name, student.lms_user_id or "", "", student.id, ""]


class Moodle(PlatformExport):
    """Moodle: upload under Grades, Import, CSV; map ``username`` or ``email`` to the user."""

    default = "moodle.csv"

    def head(self, assignments: list[Any]) -> Iterator[list[str]]:
        yield ["username", "email", *(assignment.name for assignment in assignments)]

    def who(self, student: Any) -> list[str]:
        return [student.id, student.email or ""]

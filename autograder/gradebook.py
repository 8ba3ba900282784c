"""nbgrader's gradebook, written with a handful of statements in one transaction a submission.

The tables are nbgrader's (``nbgrader/api.py``, schema version ``e43177bfe90b``); what is written is
what its own ``add_submission`` and ``SaveAutoGrades`` write. Grades given by hand stay untouched.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from autograder.course_folder import CourseError

SCHEMA = "e43177bfe90b"
WAIT = 120.0  # seconds to wait for another writer, the formgrader say
NO_ANSWER = "No response."

ADD_NOTEBOOK = "INSERT OR IGNORE INTO submitted_notebook VALUES (?, ?, ?, 0, NULL)"
ADD_GRADE = """INSERT INTO grade (id, notebook_id, cell_id, auto_score, needs_manual_grade)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT (cell_id, notebook_id) DO UPDATE SET auto_score = excluded.auto_score,
needs_manual_grade = excluded.needs_manual_grade OR manual_score IS NOT NULL"""
ADD_COMMENT = """INSERT INTO comment (id, notebook_id, cell_id, auto_comment) VALUES (?, ?, ?, ?)
ON CONFLICT (cell_id, notebook_id) DO UPDATE SET auto_comment = excluded.auto_comment"""
CELLS = """SELECT base_cell.id, base_cell.name, base_cell.type, notebook.name FROM base_cell
JOIN notebook ON notebook.id = base_cell.notebook_id WHERE notebook.assignment_id = ?"""
TEXTS = """SELECT notebook.name, source_cell.name, source_cell.source FROM source_cell
JOIN notebook ON notebook.id = source_cell.notebook_id WHERE notebook.assignment_id = ?"""


def new_id() -> str:
    return uuid.uuid4().hex


@dataclass
class Layout:
    """One assignment in the gradebook: its notebooks, and their cells by (notebook, type)."""

    assignment: str
    notebooks: dict[str, str] = field(default_factory=dict)
    graded: dict[str, dict[str, str]] = field(default_factory=dict)
    commented: dict[str, dict[str, str]] = field(default_factory=dict)
    texts: dict[str, dict[str, str]] = field(default_factory=dict)
    duedate: datetime | None = None


class Gradebook:
    """The one writer of a gradebook in SQLite."""

    def __init__(self, db_url: str) -> None:
        if not db_url.startswith("sqlite:///"):
            raise CourseError(
                f"the gradebook is at {db_url.split('@')[-1]}, but this command writes SQLite "
                "alone: use `nbgrader autograde`, which is as right and one at a time"
            )
        path = Path(db_url.removeprefix("sqlite:///"))
        if not path.exists():
            raise CourseError(f"there is no gradebook {path}: run `nbgrader generate_assignment`")
        self.connection = sqlite3.connect(path, timeout=WAIT, isolation_level=None)
        self._check_schema(path)

    def _check_schema(self, path: Path) -> None:
        try:
            found = self.connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.DatabaseError as error:
            raise CourseError(f"{path} is not a gradebook of nbgrader: {error}") from None
        if found is None or found[0] != SCHEMA:
            raise CourseError(
                f"{path} has the schema {found and found[0]}, expected {SCHEMA}: "
                "run `nbgrader db upgrade`, or grade with `nbgrader autograde`"
            )

    def close(self) -> None:
        self.connection.close()

    def layout(self, name: str) -> Layout:
        """What the gradebook knows of an assignment; raises CourseError when it knows nothing."""
        row = self.connection.execute(
            "SELECT id, duedate FROM assignment WHERE name = ?", (name,)
        ).fetchone()
        if row is None:
            raise CourseError(
                f"the gradebook has no assignment {name!r}: run `nbgrader generate_assignment`"
            )
        layout = Layout(row[0], duedate=datetime.fromisoformat(row[1]) if row[1] else None)
        for key, notebook in self.connection.execute(
            "SELECT id, name FROM notebook WHERE assignment_id = ?", (row[0],)
        ):
            layout.notebooks[notebook] = key
            layout.graded[notebook], layout.commented[notebook] = {}, {}
        for key, cell, kind, notebook in self.connection.execute(CELLS, (row[0],)):
            if kind in ("GradeCell", "TaskCell"):
                layout.graded[notebook][cell] = key
            if kind in ("SolutionCell", "TaskCell"):
                layout.commented[notebook][cell] = key
        for notebook, cell, text in self.connection.execute(TEXTS, (row[0],)):
            layout.texts.setdefault(notebook, {})[cell] = text or ""
        return layout

    def graded(self, layout: Layout) -> set[str]:
        """The students with a submission of the assignment in the gradebook."""
        found = self.connection.execute(
            "SELECT student_id FROM submitted_assignment WHERE assignment_id = ?",
            (layout.assignment,),
        )
        return {row[0] for row in found}

    def write(
        self,
        layout: Layout,
        student: str,
        moment: datetime | None,
        scores: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """Write one submission in one transaction; writing it twice changes nothing.

        ``scores`` are ``grading.as_json`` by notebook; ``moment`` is when it was handed in (UTC).
        """
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            self._write(layout, student, moment, scores)
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def _write(
        self,
        layout: Layout,
        student: str,
        moment: datetime | None,
        scores: Mapping[str, Mapping[str, Any]],
    ) -> None:
        run = self.connection.execute
        run("INSERT OR IGNORE INTO student (id) VALUES (?)", (student,))
        run(
            "INSERT OR IGNORE INTO submitted_assignment (id, assignment_id, student_id) "
            "VALUES (?, ?, ?)",
            (new_id(), layout.assignment, student),
        )
        where = (layout.assignment, student)
        found = run(
            "SELECT id FROM submitted_assignment WHERE assignment_id = ? AND student_id = ?", where
        )
        key = found.fetchone()[0]
        if moment is not None:
            text = moment.isoformat(" ", timespec="microseconds")
            run("UPDATE submitted_assignment SET timestamp = ? WHERE id = ?", (text, key))
        rows = [(new_id(), key, notebook) for notebook in layout.notebooks.values()]
        self.connection.executemany(ADD_NOTEBOOK, rows)
        run(
            "UPDATE submitted_notebook SET late_submission_penalty = NULL WHERE assignment_id = ?",
            (key,),
        )
        found = run(
            "SELECT notebook_id, id FROM submitted_notebook WHERE assignment_id = ?", (key,)
        )
        submitted = dict(found.fetchall())
        for name, notebook in layout.notebooks.items():
            self._write_notebook(layout, name, submitted[notebook], scores.get(name, {}))

    def _write_notebook(
        self, layout: Layout, name: str, key: str, score: Mapping[str, Any]
    ) -> None:
        cells = score.get("cells", {})
        grades = []
        for cell, cell_key in layout.graded[name].items():
            points = cells[cell][0] if cell in cells else 0.0
            grades.append((new_id(), key, cell_key, points, points is None))
        unanswered = set(score.get("unanswered", ()))
        comments = [
            (new_id(), key, cell_key, NO_ANSWER if cell in unanswered else None)
            for cell, cell_key in layout.commented[name].items()
        ]
        self.connection.executemany(ADD_GRADE, grades)
        self.connection.executemany(ADD_COMMENT, comments)

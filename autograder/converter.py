"""``nbgrader autograde`` for any submission: one pass a notebook, no student can stop the class."""

from __future__ import annotations

import shutil
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import nbgrader.apps.api
import nbgrader.apps.autogradeapp
import nbgrader.converters
from nbgrader.converters.base import BaseConverter

from autograder import preprocessor
from autograder.submission import choose_files, timestamp

STOCK = nbgrader.converters.Autograde
UNFINISHED = ".unfinished"


def install() -> None:
    """Let nbgrader's commands, and its buttons in formgrader, use the converter below."""
    for module in (nbgrader.converters, nbgrader.apps.autogradeapp, nbgrader.apps.api):
        module.Autograde = JudgedAutograde


class SafeCopy(BaseConverter):
    """Copies from a submission the files that may be taken, and follows no links."""

    def init_assignment(self, assignment_id: str, student_id: str) -> None:
        """Stands in for nbgrader's copying of everything."""
        source = Path(self._format_source(assignment_id, student_id))
        target = Path(self._format_dest(assignment_id, student_id))
        target.mkdir(parents=True, exist_ok=True)
        (target / UNFINISHED).touch()
        spec = preprocessor.judging(self).spec
        for name, path in choose_files(
            source, spec.allow, set(spec.files), set(spec.kept)
        ).taken.items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / name)
        moment, _ = timestamp(source)
        if moment is not None:
            (target / "timestamp.txt").write_text(f"{moment.isoformat(' ')} UTC\n")


class JudgedAutograde(STOCK, SafeCopy):  # type: ignore[misc, valid-type]
    """nbgrader's ``Autograde``, robust against whatever was handed in."""

    def __init__(self, coursedir: Any = None, **kwargs: Any) -> None:
        super().__init__(coursedir=coursedir, **kwargs)
        # nbgrader's own reader stops with an AttributeError at a time that it cannot read.
        coursedir.get_existing_timestamp = lambda path: timestamp(Path(path))[0]

    def start(self) -> None:
        """Grade, and stop the warm processes whatever happens."""
        try:
            super().start()
        finally:
            preprocessor.stop()

    def init_notebooks(self) -> None:
        """Every student with a folder is graded, also one whose notebook is missing or renamed."""
        self.assignments = {}
        self.notebooks: list[str] = []
        assignment, pattern = self.coursedir.assignment_id, self.coursedir.notebook_id
        course = preprocessor.course_of(self.coursedir, self.config)
        students = course.students(assignment, self.coursedir.student_id)
        names = preprocessor.judging(self).spec.notebooks if students else ()
        for student in students:
            folder = self._format_source(assignment, student)
            paths = [f"{folder}/{name}.ipynb" for name in names if fnmatch(name, pattern)]
            if paths:
                self.assignments[folder] = paths
        if not self.assignments:
            super().init_notebooks()  # it says what it looked for, and what comes near

    def init_destination(self, assignment_id: str, student_id: str) -> bool:
        """As nbgrader decides, but what a killed run left half done is done again."""
        target = Path(self._format_dest(assignment_id, student_id))
        if (target / UNFINISHED).exists():
            self.log.warning("Removing half graded assignment: %s", target)
            shutil.rmtree(target)
        return bool(super().init_destination(assignment_id, student_id))

    def convert_single_notebook(self, notebook_filename: str) -> None:
        """One pass: the intake has sanitised already."""
        self._sanitizing = True
        self.exporter._preprocessors = []
        for wanted in self.autograde_preprocessors:
            self.exporter.register_preprocessor(wanted)
        BaseConverter.convert_single_notebook(self, notebook_filename)

    def set_permissions(self, assignment_id: str, student_id: str) -> None:
        """The last step for a student: only now does the result count as finished."""
        super().set_permissions(assignment_id, student_id)
        (Path(self._format_dest(assignment_id, student_id)) / UNFINISHED).unlink(missing_ok=True)

"""nbgrader's preprocessors of a judged course: the judge instead of ``Execute``, its scores."""

from __future__ import annotations

import atexit
import json
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor, SaveAutoGrades

from autograder.course_folder import CourseFolder
from autograder.gradebook import NO_ANSWER
from autograder.pool import Pool
from autograder.preload import preload_of
from autograder.spec import Spec


class GradingFailed(RuntimeError):
    """The grader itself failed on a submission, which stays ungraded."""


class Judging:
    """The warm processes for one assignment; started at the first submission, one at a time."""

    def __init__(self, spec: Spec, preload: list[str]) -> None:
        self.spec = spec
        self.preload = preload
        self.pool: Pool | None = None

    def grade(self, student: str, folder: Path, notebook: str) -> Any:
        """The outcome of one notebook; raises GradingFailed when the grader failed."""
        if self.pool is None:
            self.pool = Pool(self.spec, preload=self.preload)
        outcome = self.pool.grade(student, folder, notebook)
        if outcome.error is not None:
            raise GradingFailed(outcome.error)
        return outcome


_judging: dict[tuple[str, str], Judging] = {}


@atexit.register
def stop() -> None:
    """Stop all warm processes."""
    while _judging:
        judged = _judging.popitem()[1]
        if judged.pool is not None:
            judged.pool.close()


def course_of(coursedir: Any, config: Any) -> CourseFolder:
    """nbgrader's course directory as the engine's course folder."""
    course = CourseFolder(Path(coursedir.root), config)
    course.root = Path(coursedir.root)
    course.db_url = coursedir.db_url
    return course


def judging(converter: Any) -> Judging:
    """The warm processes for the assignment that a converter is at."""
    coursedir = converter.coursedir
    key = (coursedir.root, coursedir.assignment_id)
    if key not in _judging:
        course = course_of(coursedir, converter.config)
        with Gradebook(coursedir.db_url, coursedir.course_id) as gradebook:
            texts = {
                notebook.name: {cell.name: cell.source or "" for cell in notebook.source_cells}
                for notebook in gradebook.find_assignment(coursedir.assignment_id).notebooks
            }
        spec = Spec.of(course, coursedir.assignment_id, texts)
        names = course.settings.preload
        if names is None:
            names = preload_of(course.notebooks(coursedir.assignment_id), course.root)
        _judging[key] = Judging(spec, names)
    return _judging[key]


class IntakeExporter(NotebookExporter):
    """Exports a notebook whose file may be broken or missing: the judge reads it, not nbformat."""

    def from_filename(
        self, filename: str, resources: Any = None, **kwargs: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Start from an empty notebook; ``JudgeNotebook`` puts the graded one in its place."""
        return super().from_notebook_node(nbformat.v4.new_notebook(), resources, **kwargs)


class JudgeNotebook(NbGraderPreprocessor):
    """Takes a submission in, runs and judges it; in place of nbgrader's ``Execute``."""

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """The graded notebook, and its scores for ``SaveVerdicts``."""
        about = resources["nbgrader"]
        converter = self.parent.parent
        folder = Path(converter._format_source(about["assignment"], about["student"]))
        name = about["notebook"]
        outcome = judging(converter).grade(about["student"], folder, name)
        resources["autograder"] = outcome.scores[name]
        for note in outcome.scores[name]["notes"]:
            self.log.warning("%s: %s", about["student"], note)
        return nbformat.from_dict(json.loads(outcome.notebooks[name])), resources


class SaveVerdicts(SaveAutoGrades):
    """Writes the judge's verdicts, and nothing that a cell printed, into the gradebook."""

    def _add_score(self, cell: NotebookNode, resources: Any) -> None:
        name = cell.metadata["nbgrader"]["grade_id"]
        where = (self.notebook_id, self.assignment_id, self.student_id)
        grade = self.gradebook.find_grade(name, *where)
        grade.auto_score = resources["autograder"]["cells"][name][0]
        grade.needs_manual_grade = grade.manual_score is not None or grade.auto_score is None
        self.gradebook.db.commit()

    def _add_comment(self, cell: NotebookNode, resources: Any) -> None:
        name = cell.metadata["nbgrader"]["grade_id"]
        where = (self.notebook_id, self.assignment_id, self.student_id)
        comment = self.gradebook.find_comment(name, *where)
        silent = name in resources["autograder"]["unanswered"] and not utils.is_task(cell)
        comment.auto_comment = NO_ANSWER if silent else None
        self.gradebook.db.commit()

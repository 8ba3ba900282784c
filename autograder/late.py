"""Late penalties by nbgrader's plugin, for submissions that ``grade`` has graded."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.preprocessors import AssignLatePenalties

from autograder.course_folder import CourseFolder


def assign_penalties(course: CourseFolder, assignment: str) -> int:
    """Set the penalty of every late notebook; returns how many submissions were late."""
    config: Any = course.config
    with Gradebook(course.db_url, course.course_id) as gradebook:
        late = [
            (submission.student.id, notebook.name)
            for submission in gradebook.find_assignment(assignment).submissions
            if submission.total_seconds_late > 0
            for notebook in submission.notebooks
        ]
    for student, notebook in late:
        about = SimpleNamespace(student=student, assignment=assignment, notebook=notebook)
        resources = {"nbgrader": vars(about) | {"db_url": course.db_url}}
        AssignLatePenalties(config=config).preprocess(NotebookNode(cells=[]), resources)
    return len({student for student, _ in late})

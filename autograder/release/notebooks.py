"""Notebooks as students get them: nbgrader's release, and metadata from a whitelist."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from autograder.course_folder import load_config
from course.syllabus import Exercise

NOTEBOOK_KEYS = {"kernelspec", "language_info"}
CELL_KEYS = {"nbgrader"}
NBGRADER_KEYS = {
    "cell_type", "checksum", "grade", "grade_id", "locked", "points", "schema_version",
    "solution", "task",
}  # fmt: skip


def released(root: Path, chosen: Exercise) -> NotebookNode:
    """The assignment as ``nbgrader generate_assignment`` makes it, then cleaned.

    Works on a copy, without gradebook. Raises nbgrader's own errors for a source notebook that it
    refuses (a delimiter that is never closed, a cell without an id).
    """
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "source" / chosen.folder
        source.mkdir(parents=True)
        name = chosen.assignment.name
        shutil.copyfile(root / "assignments" / chosen.folder / name, source / name)
        _generate(root, Path(place), chosen.folder)
        made = nbformat.read(Path(place) / "release" / chosen.folder / name, as_version=4)
    for cell in made.cells:
        cell.pop("attachments", None)
    return _stripped(made)


def _generate(root: Path, place: Path, assignment: str) -> None:
    from nbgrader.converters import GenerateAssignment
    from nbgrader.coursedir import CourseDirectory

    before = list(sys.path)
    config: Any = load_config(root)
    sys.path[:] = before  # a configuration may put its own folder first
    config.CourseDirectory.root = str(place)
    config.CourseDirectory.source_directory = "source"
    config.CourseDirectory.assignment_id = assignment
    config.CourseDirectory.db_url = f"sqlite:///{place / 'unused.db'}"
    config.SaveCells.enabled = False
    config.GenerateAssignment.no_database = True
    directory = CourseDirectory(config=config)
    GenerateAssignment(coursedir=directory, config=config).start()


def cleaned_lesson(path: Path) -> NotebookNode:
    """A lesson with its outputs, without any metadata that it does not need."""
    return _stripped(nbformat.read(path, as_version=4))


def _stripped(notebook: NotebookNode) -> NotebookNode:
    notebook.metadata = _kept(notebook.metadata, NOTEBOOK_KEYS)
    for cell in notebook.cells:
        cell.metadata = _kept(cell.metadata, CELL_KEYS)
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader = _kept(cell.metadata.nbgrader, NBGRADER_KEYS)
    return notebook


def _kept(metadata: Any, keys: set[str]) -> NotebookNode:
    return NotebookNode({key: value for key, value in metadata.items() if key in keys})

"""What grading an assignment needs, and what becomes of a submission, as plain data.

Imports nothing heavy: the process that only hands out the work starts in no time.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.course_folder import CourseFolder
from autograder.submission import choose_files


@dataclass
class Spec:
    """All that grading an assignment needs besides the submissions."""

    assignment: str
    notebooks: dict[str, str]
    texts: dict[str, dict[str, str]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    provided: dict[str, str] = field(default_factory=dict)
    allow: list[str] = field(default_factory=list)
    seed: int = 0
    cell_seconds: float = 60.0
    submission_seconds: float = 600.0
    require_sandbox: bool = False

    @classmethod
    def of(cls, course: CourseFolder, assignment: str, texts: Mapping[str, dict[str, str]]) -> Spec:
        """The assignment as it stands in the course folder; ``texts`` are the gradebook's."""
        settings = course.settings
        found = course.notebooks(assignment)
        return cls(
            assignment=assignment,
            notebooks={path.stem: path.read_text("utf-8") for path in found},
            texts=dict(texts),
            files={name: str(path) for name, path in course.source_files(assignment).items()},
            kept=sorted(course.kept_files(assignment)),
            provided=provided(settings.provide, assignment),
            allow=settings.allow,
            seed=course.seed(assignment),
            cell_seconds=settings.cell_seconds,
            submission_seconds=settings.submission_seconds,
            require_sandbox=settings.require_sandbox,
        )

    def __post_init__(self) -> None:
        # Only notebooks that the gradebook knows are graded, as nbgrader does.
        if self.texts:
            self.notebooks = {k: v for k, v in self.notebooks.items() if k in self.texts}


def provided(path: str | None, assignment: str) -> dict[str, str]:
    """What the course's own function lays into a student's work folder."""
    if path is None:
        return {}
    module, name = path.split(":")
    found = getattr(importlib.import_module(module), name)(assignment)
    return {key: str(value) for key, value in found.items()}


@dataclass
class Outcome:
    """What became of one submission: graded notebooks as JSON text, and their scores."""

    student: str
    notebooks: dict[str, str] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    seconds: float = 0.0


def files_beside(spec: Spec, folder: Path) -> dict[str, Path]:
    """The files that stand beside the notebooks in the autograded folder, by relative name."""
    taken = choose_files(folder, spec.allow, set(spec.files), set(spec.kept)).taken
    return {name: Path(path) for name, path in spec.files.items()} | taken

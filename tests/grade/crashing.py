"""Saves made-up outcomes and dies at a given step, as by kill -9: ``crashing.py ROOT STEP``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from autograder.course_folder import CourseFolder
from autograder.gradebook import Gradebook
from autograder.spec import Outcome, Spec
from autograder.store import Store
from tests.any_course.course import solved

STEPS = ("empty", "written", "ready", "in_transaction", "committed", "moved")


def outcome(student: str, points: float) -> Outcome:
    """A graded submission with the same points everywhere."""
    made = Outcome(student)
    for name in ("numbers", "structures"):
        cells = [c for c in solved(name).cells if c.metadata.get("nbgrader", {}).get("grade")]
        ids = [cell.metadata.nbgrader.grade_id for cell in cells]
        made.notebooks[name] = f'{{"points": {points}, "cells": []}}'
        made.scores[name] = {"cells": {key: [points, 5.0] for key in ids}, "unanswered": []}
    return made


def store_of(root: Path) -> tuple[Store, Spec]:
    """The store of the course's only assignment."""
    course = CourseFolder(root)
    gradebook = Gradebook(course.db_url)
    layout = gradebook.layout("week1")
    return Store(course, "week1", gradebook, layout), Spec.of(course, "week1", layout.texts)


def die(*_: Any, **__: Any) -> None:
    os._exit(137)


def dying_after(function: Any) -> Any:
    """The function, and then the end."""

    def call(*args: Any, **kwargs: Any) -> None:
        function(*args, **kwargs)
        die()

    return call


def crash(store: Store, step: str) -> None:
    """Let the store die at a step."""
    if step == "empty":
        store._write = die  # type: ignore[method-assign]
    elif step == "written":
        store._write = dying_after(store._write)  # type: ignore[method-assign]
    elif step == "ready":
        store._commit = die  # type: ignore[method-assign]
    elif step == "in_transaction":
        # SQLite's own functions cannot be patched: die between a notebook and the next.
        store.gradebook._write_notebook = dying_after(  # type: ignore[method-assign]
            store.gradebook._write_notebook
        )
    elif step == "committed":
        store.gradebook.write = dying_after(store.gradebook.write)  # type: ignore[method-assign]
    elif step == "moved":
        real = Path.unlink
        Path.unlink = lambda self, **kw: die() if self.name == ".scores.json" else real(self, **kw)  # type: ignore


if __name__ == "__main__":
    store, spec = store_of(Path(sys.argv[1]))
    crash(store, sys.argv[2])
    store.save(outcome("ada", 1.0), spec)
    os._exit(0)

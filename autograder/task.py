"""One submission as a piece of work: what goes in, what comes out, and the work itself.

The same work is done by ``nbgrader autograde``, by the processes of ``grade`` and by a cluster.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from autograder.authority import Authority
from autograder.grading import Graded, as_json, grade_reading
from autograder.light_nbformat import nbformat
from autograder.reading import Reading, find_notebook, read_bytes, read_cells
from autograder.spec import Outcome, Spec
from autograder.submission import choose_files


class Grader:
    """Grades the submissions of one assignment, one after another, in a judge's process."""

    def __init__(self, spec: Spec, zygote: Any) -> None:
        self.spec = spec
        self.zygote = zygote
        self.authorities = {
            name: Authority(nbformat.reads(text, as_version=4), spec.texts.get(name))
            for name, text in spec.notebooks.items()
        }

    def grade(self, student: str, folder: Path, only: str | None = None) -> Outcome:
        """Grade the notebooks in ``folder``, or ``only`` one of them.

        Never raises: the outcome's ``error`` says what failed in the grader itself.
        """
        outcome = Outcome(student)
        try:
            self._grade(outcome, folder, only)
        except Exception:
            outcome.error = traceback.format_exc()
        return outcome

    def _grade(self, outcome: Outcome, folder: Path, only: str | None) -> None:
        for name in self.authorities if only is None else [only]:
            graded = self.grade_one(name, *self.read(name, folder))
            outcome.notebooks[name] = to_text(graded.notebook)
            outcome.scores[name] = as_json(graded)
            outcome.seconds += graded.seconds

    def read(self, name: str, folder: Path) -> tuple[Reading, dict[str, Path]]:
        """The cells handed in as notebook ``name``, and the files taken with it."""
        others = frozenset(self.authorities) - {name}
        path, notes = find_notebook(folder, name, others)
        data = read_bytes(path) if path is not None else None
        if isinstance(data, bytes):
            reading = read_cells(data)
        else:
            reading = Reading(None, [data] if data else [])
        chosen = choose_files(folder, self.spec.allow, set(self.spec.files), set(self.spec.kept))
        reading.notes = [*notes, *reading.notes, *chosen.notes]
        return reading, chosen.taken

    def grade_one(self, name: str, reading: Reading, taken: Mapping[str, Path]) -> Graded:
        """Grade one notebook in a scratch folder that is gone afterwards."""
        with tempfile.TemporaryDirectory(prefix="grade-", ignore_cleanup_errors=True) as place:
            work, data = Path(place) / "work", Path(place) / "data"
            work.mkdir()
            data.mkdir()
            lay(work, self.spec.files)
            lay(work, {key: str(path) for key, path in taken.items()})
            lay(data, self.spec.files)
            readable = offer(work, self.spec.provided)
            return grade_reading(
                self.authorities[name],
                reading,
                zygote=self.zygote,
                folder=work,
                seed=self.spec.seed,
                readable=readable,
                data=data,
                cell_seconds=self.spec.cell_seconds,
                submission_seconds=self.spec.submission_seconds,
            )


def lay(folder: Path, files: Mapping[str, str]) -> None:
    """Copy files into a folder under their relative names."""
    for name, path in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def offer(folder: Path, things: Mapping[str, str]) -> list[Path]:
    """Lay out what the course provides: files are copied, folders made readable."""
    readable = []
    for name, path in things.items():
        target = folder / name
        clear(folder, target)
        if Path(path).is_dir():
            if not (Path(path) / "__init__.py").exists():  # packages are found where they are
                target.symlink_to(path)
            readable.append(Path(path))
        else:
            shutil.copyfile(path, target)
    return readable


def clear(folder: Path, target: Path) -> None:
    """Make place for ``target``: what a student handed in under such a name goes."""
    for path in [*reversed(target.parents), target]:
        if path == folder or folder not in path.parents:
            continue
        if path.is_dir() and not path.is_symlink():
            if path == target:
                shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
            if path != target:
                path.mkdir()


def to_text(notebook: NotebookNode) -> str:
    """A notebook as nbformat writes it, without its costly validation.

    What no file can hold, half a surrogate pair that a student printed, becomes a question mark.
    """
    cells = [{**cell, "source": cell.source.splitlines(True)} for cell in notebook.cells]
    whole = {**notebook, "cells": cells}
    text = json.dumps(whole, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    return text.encode("utf-8", "replace").decode("utf-8")

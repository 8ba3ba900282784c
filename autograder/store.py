"""Keep the outcomes of grading: autograded folders and gradebook change together, or not at all.

A graded submission is first written whole beside its place, under a name that ends in ``.ready``.
Then the gradebook gets its scores in one transaction, then the folder gets its name. A process that
is killed in between leaves a ``.ready`` folder, and ``recover`` does the missing steps from it.
"""

from __future__ import annotations

import glob
import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from autograder.course_folder import CourseFolder
from autograder.gradebook import Gradebook, Layout
from autograder.spec import Outcome, Spec, files_beside
from autograder.submission import timestamp

SCORES = ".scores.json"


@dataclass
class Store:
    """Where the graded submissions of one assignment go; there is one at a time."""

    course: CourseFolder
    assignment: str
    gradebook: Gradebook
    layout: Layout

    def place(self, student: str) -> Path:
        return self.course.path("autograded", student, self.assignment)

    def ready(self, student: str) -> Path:
        place = self.place(student)
        return place.with_name(f".{place.name}.ready")

    def is_done(self, student: str) -> bool:
        """Whether a student's submission is graded and nothing newer was handed in."""
        place = self.place(student)
        if not place.is_dir() or (place / ".unfinished").exists():
            return False
        new, _ = timestamp(self.course.path("submitted", student, self.assignment))
        old, _ = timestamp(place)
        return new is None or old is None or new <= old

    def recover(self) -> int:
        """Finish what a killed run had graded; returns how many submissions those were."""
        finished = 0
        for left in self._left("part*"):
            shutil.rmtree(left)
        for folder in self._left("ready"):
            told = json.loads((folder / SCORES).read_text("utf-8"))
            self._commit(told["student"], folder, told["scores"])
            finished += 1
        return finished

    def _left(self, kind: str) -> list[Path]:
        """What a killed run left beside the autograded folders."""
        sample = self.place("STUDENT").relative_to(self.course.root)
        beside = glob.escape(str(sample.with_name(f".{self.assignment}."))).replace("STUDENT", "*")
        return sorted(self.course.root.glob(beside + kind))

    def save(self, outcome: Outcome, spec: Spec) -> None:
        """Write one graded submission."""
        ready = self.ready(outcome.student)
        part = ready.with_name(f".{self.assignment}.part{os.getpid()}")
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(ready, ignore_errors=True)
        part.mkdir(parents=True)
        self._write(part, outcome, spec)
        part.rename(ready)
        self._commit(outcome.student, ready, outcome.scores)

    def _write(self, folder: Path, outcome: Outcome, spec: Spec) -> None:
        handed_in = self.course.path("submitted", outcome.student, self.assignment)
        for name, path in files_beside(spec, handed_in).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / name)
            (folder / name).chmod(0o444)
        for name, text in outcome.notebooks.items():
            path = folder / f"{name}.ipynb"
            path.write_text(text, "utf-8")
            path.chmod(0o444)
        moment, _ = timestamp(handed_in)
        if moment is not None:
            (folder / "timestamp.txt").write_text(f"{moment.isoformat(' ')} UTC\n")
        told = {"student": outcome.student, "scores": outcome.scores}
        (folder / SCORES).write_text(json.dumps(told), "utf-8")

    def _commit(self, student: str, ready: Path, scores: Mapping[str, Any]) -> None:
        moment = self._moment(ready)
        self.gradebook.write(self.layout, student, moment, scores)
        place = self.place(student)
        if place.exists():
            old = place.with_name(f".{place.name}.part-old-{time.time_ns()}")
            place.rename(old)
            ready.rename(place)
            shutil.rmtree(old)
        else:
            ready.rename(place)
        (place / SCORES).unlink()

    def _moment(self, folder: Path) -> datetime | None:
        return timestamp(folder)[0]

"""``python -m autograder regrade ASSIGNMENT``: grade again after a test was mended.

Prints who would gain and who would lose, and by which checks. Nothing is changed until it is
called with ``--apply``; what a person gave by hand stays, and is marked to be looked at again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder.course_folder import CourseError, CourseFolder
from autograder.grade import alone, outcomes, penalise, warm_up

if TYPE_CHECKING:
    from autograder.spec import Outcome, Spec


@dataclass
class Change:
    """What a regrade would do to one student's points from checks."""

    student: str
    before: float
    after: float
    gained: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        return bool(self.gained or self.lost) or self.before != self.after

    def __str__(self) -> str:
        sign = "+" if self.after > self.before else "−" if self.after < self.before else "±"
        line = f"{self.student}: {self.before:g} → {self.after:g} "
        line += f"({sign}{abs(self.after - self.before):g})"
        for mark, names in (("now passes", self.gained), ("now fails", self.lost)):
            if names:
                line += f"; {mark} {', '.join(names)}"
        return line


def verdicts(text: str) -> dict[str, tuple[float, bool]]:
    """Points and passing of every check (or cell without checks) in an autograded notebook."""
    found: dict[str, tuple[float, bool]] = {}
    for cell in json.loads(text)["cells"]:
        record = cell["metadata"].get("autograder", {})
        if "max_points" not in record:
            continue
        for check in record["checks"]:
            found[check["name"]] = (check["points"], check["message"] is None)
        rest = record["points"] - sum(check["points"] for check in record["checks"])
        if rest or not record["checks"]:
            grade_id = cell["metadata"]["nbgrader"]["grade_id"]
            found[grade_id] = (rest, record["points"] >= record["max_points"])
    return found


def compare(student: str, old: Iterable[str], new: Iterable[str]) -> Change:
    """Notebooks of one student, as graded before and as graded now."""
    before = {name: found for text in old for name, found in verdicts(text).items()}
    after = {name: found for text in new for name, found in verdicts(text).items()}
    change = Change(
        student,
        round(sum(points for points, _ in before.values()), 6),
        round(sum(points for points, _ in after.values()), 6),
    )
    for name in before.keys() | after.keys():
        was, now = before.get(name, (0.0, False)), after.get(name, (0.0, False))
        if now[0] > was[0] or (now[1] and not was[1]):
            change.gained.append(name)
        elif now[0] < was[0] or (was[1] and not now[1]):
            change.lost.append(name)
    change.gained.sort()
    change.lost.sort()
    return change


def regrade(course: CourseFolder, assignment: str, options: argparse.Namespace) -> list[Change]:
    """Grade everything again; saves the outcomes only with ``--apply``."""
    from autograder.gradebook import Gradebook
    from autograder.spec import Spec
    from autograder.store import Store

    zygote = warm_up(course, assignment, False)
    try:
        gradebook = Gradebook(course.db_url)
        layout = gradebook.layout(assignment)
        store = Store(course, assignment, gradebook, layout)
        store.recover()
        spec = Spec.of(course, assignment, layout.texts)
        check_gradebook(spec)
        students = [s for s in course.students(assignment) if store.place(s).is_dir()]
        if not students:
            raise CourseError(f"nothing of {assignment!r} is graded yet: use `grade`")
        items = [(s, course.path("submitted", s, assignment)) for s in students]
        done = list(progress(outcomes(spec, items, options, zygote), len(items)))
        failed = [outcome for outcome in done if outcome.error is not None]
        if failed:
            last = str(failed[0].error).strip().splitlines()[-1]
            raise CourseError(
                f"{len(failed)} submissions could not be graded, the first is "
                f"{failed[0].student}: {last}. Nothing was changed."
            )
        changes = [compare(o.student, _old(store, o), o.notebooks.values()) for o in done]
        if options.apply:
            for outcome in done:
                store.save(outcome, spec)
            penalise(course, assignment, layout)
        gradebook.close()
    finally:
        zygote.close()
    return sorted(changes, key=lambda change: (change.after - change.before, change.student))


def check_gradebook(spec: Spec) -> None:
    """Raise CourseError when the source's tests are newer than those in the gradebook.

    Grading takes tests from the gradebook, as nbgrader does: without this, a mended test would
    seem to change nothing.
    """
    newer = []
    for name, text in spec.notebooks.items():
        for cell in json.loads(text)["cells"]:
            marks = cell["metadata"].get("nbgrader", {})
            known = spec.texts.get(name, {}).get(marks.get("grade_id", ""))
            is_test = marks.get("grade") and not marks.get("solution")
            if is_test and known is not None and known != "".join(cell["source"]):
                newer.append(marks["grade_id"])
    if newer:
        raise CourseError(
            f"the source differs from the gradebook in {', '.join(newer)}: run `nbgrader "
            f"generate_assignment {spec.assignment} --force` first"
        )


def progress(found: Iterable[Outcome], total: int) -> Iterable[Outcome]:
    from tqdm import tqdm

    return tqdm(found, total=total, unit=" submissions", disable=None)


def _old(store: Any, outcome: Outcome) -> list[str]:
    """The student's notebooks as they were graded before."""
    paths = [store.place(outcome.student) / f"{name}.ipynb" for name in outcome.notebooks]
    return [path.read_text("utf-8") for path in paths if path.exists()]


def main(argv: list[str]) -> int:
    """0 when everything was graded again, 2 when it could not be."""
    parser = argparse.ArgumentParser(prog="python -m autograder regrade", description=__doc__)
    parser.add_argument("assignment", metavar="ASSIGNMENT")
    parser.add_argument("--apply", action="store_true", help="save the new grades")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--course", type=Path, default=Path(), metavar="DIR", help="course folder")
    options = parser.parse_args(argv)
    options.scheduler = None
    try:
        course = CourseFolder(options.course.resolve())
        with alone(course.root):
            changes = regrade(course, options.assignment, options)
    except CourseError as error:
        print(f"regrade: {error}", file=sys.stderr)
        return 2
    report(changes, options)
    return 0


def report(changes: list[Change], options: argparse.Namespace) -> None:
    """Losers first, then winners, then how many stay as they are."""
    for change in changes:
        if change.differs:
            print(change)
    same = sum(not change.differs for change in changes)
    print(f"{len(changes) - same} of {len(changes)} submissions change, {same} stay as they are")
    if not options.apply:
        print("nothing was changed: call it again with --apply to save these grades")

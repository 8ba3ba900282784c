"""``python -m autograder grade ASSIGNMENT``: grade a class, many submissions at once.

Writes the gradebook and the folder ``autograded/`` just as ``nbgrader autograde`` does. It can be
killed at any moment: started again, it goes on where it was.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder.course_folder import CourseError, CourseFolder

if TYPE_CHECKING:
    from autograder.spec import Outcome, Spec

Items = list[tuple[str, Path]]


def parser() -> argparse.ArgumentParser:
    """The options of ``grade``."""
    made = argparse.ArgumentParser(prog="python -m autograder grade", description=__doc__)
    made.add_argument("assignment", metavar="ASSIGNMENT", help="the assignment's name")
    made.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N")
    made.add_argument("--student", default="*", metavar="GLOB", help="only these students")
    made.add_argument("--force", action="store_true", help="grade again what is graded")
    made.add_argument("--scheduler", metavar="tcp://…", help="let a Dask cluster do the work")
    made.add_argument("--require-sandbox", action="store_true", help="refuse less than all of it")
    made.add_argument("--course", type=Path, default=Path(), metavar="DIR", help="course folder")
    made.add_argument("--quiet", action="store_true", help="no progress bar")
    return made


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Hold the course's lock: two graders at once would do the same work twice."""
    with (root / ".grading.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CourseError(f"another `grade` is running in {root}: wait for it") from None
        yield


def main(argv: list[str]) -> int:
    """Grade; 0 when every submission is graded, 1 when some could not be, 2 when none could."""
    options = parser().parse_args(argv)
    try:
        course = CourseFolder(options.course.resolve())
        with alone(course.root):
            return run(course, options)
    except CourseError as error:
        print(f"grade: {error}", file=sys.stderr)
        return 2


def run(course: CourseFolder, options: argparse.Namespace) -> int:
    """The whole command, once the course is known to be ours alone."""
    started = time.perf_counter()
    zygote = None
    if not options.scheduler:
        zygote = warm_up(course, options.assignment, options.require_sandbox)
    try:
        from autograder.gradebook import Gradebook
        from autograder.spec import Spec
        from autograder.store import Store

        gradebook = Gradebook(course.db_url)
        layout = gradebook.layout(options.assignment)
        store = Store(course, options.assignment, gradebook, layout)
        recovered = store.recover()
        if recovered:
            print(f"finished {recovered} submissions that a stopped run had graded")
        spec = Spec.of(course, options.assignment, layout.texts)
        spec.require_sandbox = spec.require_sandbox or options.require_sandbox
        students = course.students(options.assignment, options.student)
        todo = [s for s in students if options.force or not store.is_done(s)]
        items = [(s, course.path("submitted", s, options.assignment)) for s in todo]
        failed = grade_all(store, spec, items, options, zygote) if items else []
        penalise(course, options.assignment, layout)
        gradebook.close()
    finally:
        if zygote is not None:
            zygote.close()
    seconds = time.perf_counter() - started
    done = len(todo) - len(failed)
    print(f"graded {done} of {len(students)} submissions in {seconds:.1f} s", end="")
    print(f", {len(students) - len(todo)} were graded before" if len(students) > len(todo) else "")
    for student, error in failed:
        print(f"NOT graded: {student}: {error}", file=sys.stderr)
    if not students:
        print(f"grade: nothing was handed in for {options.assignment!r}", file=sys.stderr)
    return 1 if failed or not students else 0


def warm_up(course: CourseFolder, assignment: str, require_sandbox: bool) -> Any:
    """Start the warm process first of all: it imports torch while the rest is prepared."""
    from autograder.pool import start
    from autograder.preload import preload_of

    names = course.settings.preload or preload_of(course.notebooks(assignment), course.root)
    return start(names, require_sandbox or course.settings.require_sandbox)


def outcomes(
    spec: Spec, items: Items, options: argparse.Namespace, zygote: Any
) -> Iterable[Outcome]:
    """Graded submissions as they get ready, by this machine's processes or by a cluster."""
    if options.scheduler:
        from autograder.cluster import Cluster

        with Cluster(options.scheduler, spec) as cluster:
            yield from cluster.run(items)
        return
    from autograder.pool import Pool

    with Pool(spec, workers=min(options.workers, len(items)), zygote=zygote) as pool:
        yield from pool.run(items)


def grade_all(
    store: Any, spec: Spec, items: Items, options: argparse.Namespace, zygote: Any
) -> list[tuple[str, str]]:
    """Grade and save; returns the students that could not be graded, with the reason."""
    from tqdm import tqdm

    failed = []
    bar = tqdm(total=len(items), unit=" submissions", disable=options.quiet, smoothing=0.1)
    sandbox: list[str] = []
    with bar:
        for outcome in outcomes(spec, items, options, zygote):
            if outcome.error is None:
                try:
                    store.save(outcome, spec)
                except (OSError, ValueError) as error:  # odd files cost this student alone
                    outcome.error = f"the result could not be written: {error}"
            if outcome.error is None:
                for score in outcome.scores.values():
                    sandbox = sandbox or list(score["sandbox"])
            else:
                failed.append((outcome.student, outcome.error.strip().splitlines()[-1]))
            bar.update()
    if sandbox:
        print("sandbox: " + ", ".join(sandbox))
    return failed


def penalise(course: CourseFolder, assignment: str, layout: Any) -> None:
    """Late penalties, where the assignment has a due date (by nbgrader's own plugin)."""
    if layout.duedate is not None:
        from autograder.late import assign_penalties

        assign_penalties(course, assignment)

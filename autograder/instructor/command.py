"""The command: read the graded class, draw the page, write it in one step."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape

from autograder.course_folder import CourseError, CourseFolder
from autograder.instructor.kills import Kill, Likeness, kill_matrix, likenesses
from autograder.instructor.pictures import histogram
from autograder.instructor.results import ClassResults
from autograder.instructor.similar import similar_pairs
from course.syllabus import Exercise, exercises

TEMPLATES = Path(__file__).parent.parent / "templates"
MESSAGES = 3  # of one check


def page(course: CourseFolder, assignment: str, specimens: bool = True) -> str:
    """The report as HTML."""
    results = ClassResults.of(course, assignment)
    kills, odd = [], []
    chosen = exercise_of(assignment)
    if chosen is not None and specimens:
        kills = kill_matrix(chosen)
        odd = likenesses({s.student: s.failed for s in results.submissions}, kills)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=select_autoescape(), trim_blocks=True
    )
    environment.filters["number"] = lambda value: f"{value:.1f}".removesuffix(".0")
    environment.filters["percent"] = lambda value: f"{100 * value:.0f} %"
    return environment.get_template("report.html").render(
        **summary(results), kills=matrix(kills, results), odd=odd, pairs=pairs(course, results)
    )


def exercise_of(assignment: str) -> Exercise | None:
    """The exercise of this course that an assignment is, if it is one."""
    return next((e for e in exercises().values() if e.folder == assignment), None)


def summary(results: ClassResults) -> dict[str, Any]:
    """What the page says of the class as a whole, and of each check."""
    submissions = results.submissions
    totals = [submission.total for submission in submissions]
    seconds = sorted(submission.seconds for submission in submissions)
    most = max(max(s.possible, s.max_points, s.total) for s in submissions)
    checks = sorted(results.checks.values(), key=lambda check: (-check.rate, check.name))
    return {
        "assignment": results.assignment,
        "students": sorted(submissions, key=lambda s: (-s.total, s.student)),
        "ungraded": results.ungraded,
        "mean": statistics.fmean(totals),
        "median": statistics.median(totals),
        "most": most,
        "waiting": sum(submission.waiting > 0 for submission in submissions),
        "late": sum(submission.late_penalty > 0 for submission in submissions),
        "histogram": histogram(totals, most),
        "failing": [check for check in checks if check.failures],
        "passing": [check for check in checks if not check.failures],
        "unwritten": unwritten(results),
        "messages": MESSAGES,
        "seconds": sum(seconds),
        "median_seconds": statistics.median(seconds),
        "slowest": max(submissions, key=lambda s: s.seconds),
    }


def unwritten(results: ClassResults) -> dict[str, int]:
    """How many students left a task as it was, by the name that they should have written."""
    found: dict[str, int] = {}
    for check in results.checks.values():
        if check.unwritten:
            found[check.about] = max(check.unwritten, found.get(check.about, 0))
    return found


def pairs(course: CourseFolder, results: ClassResults) -> list[Any]:
    """Submissions that are alike beyond what was released."""
    released = ""
    for path in course.notebooks(results.assignment):
        released += path.read_text("utf-8")
    answers = {submission.student: submission.answers for submission in results.submissions}
    return similar_pairs(answers, released)[:20]


def matrix(kills: list[Kill], results: ClassResults) -> list[dict[str, Any]]:
    """The kill matrix, a row a specimen, with how many students fail just the same checks."""
    failures = [submission.failed for submission in results.submissions]
    return [
        {"kill": kill, "same": sum(frozenset(kill.failed) == failed for failed in failures)}
        for kill in kills
    ]


def main(argv: list[str]) -> int:
    """0 when the page is written, 2 when it cannot be."""
    parser = argparse.ArgumentParser(
        prog="python -m autograder report", description="Write a page on how a class did."
    )
    parser.add_argument("assignment", metavar="ASSIGNMENT")
    parser.add_argument("--course", type=Path, default=Path(), metavar="DIR", help="course folder")
    parser.add_argument(
        "--to", type=Path, metavar="FILE", help="default: reports/ASSIGNMENT.html of the course"
    )
    parser.add_argument(
        "--no-specimens", action="store_true", help="leave out the kill matrix, which takes longer"
    )
    options = parser.parse_args(argv)
    try:
        course = CourseFolder(options.course.resolve())
        text = page(course, options.assignment, not options.no_specimens)
        target = options.to or course.root / "reports" / f"{options.assignment}.html"
        if options.to is None:
            target.parent.mkdir(exist_ok=True)
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        beside.write_text(text, "utf-8")
        beside.replace(target)
    except (CourseError, OSError) as error:
        print(f"report: {error}", file=sys.stderr)
        return 2
    print(target)
    return 0


__all__ = ["Likeness", "main", "page"]

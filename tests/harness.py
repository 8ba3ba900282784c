"""What the tests of every exercise share: specimens, a grader for one file, the kill matrix."""

from __future__ import annotations

import importlib
import re
import runpy
from pathlib import Path

from autograder.answers import grade_answer
from course.checks import Result, Suite, collect, seeded
from course.syllabus import exercise
from tests.warm import zygote

SPECIMENS = Path(__file__).parent / "specimens"


def specimens(word: str, kind: str) -> list[Path]:
    """The ``wrong`` or ``right`` specimens of an exercise, by name."""
    return sorted((SPECIMENS / word / kind).glob("*.py"))


def caught_by(path: Path) -> str:
    """The check that must catch a wrong specimen, as its first line names it."""
    first = path.read_text("utf-8").splitlines()[0]
    match = re.fullmatch(r"# caught by: (\w+)", first.strip())
    if match is None:
        raise ValueError(f"{path}: the first line must read '# caught by: <check>', not {first!r}")
    return match[1]


def suites(word: str) -> list[Suite]:
    """The visible and the hidden suite of an exercise."""
    modules = (f"course.checks.{word}", f"autograder.checks.{word}")
    return [importlib.import_module(module).suite for module in modules]


def grade_in_process(
    word: str, path: Path, seed: int = 1, about: str | None = None
) -> list[Result]:
    """Run every check on a file in this process, as a student's own notebook would.

    ``about`` chooses the checks of one name alone.
    """
    namespace = runpy.run_path(str(path))
    with seeded(seed), collect() as results:
        for name in exercise(word).names if about is None else [about]:
            for suite in suites(word):
                if any(check.about == name for check in suite.checks):
                    suite.score(name, namespace[name])
    return results


def grade_file(word: str, path: Path, seed: int = 1) -> list[Result]:
    """Run every check on a file through judge and worker, as a submission is graded."""
    return grade_answer(path, exercise(word), zygote(), seed)


def failed(results: list[Result]) -> dict[str, str]:
    """The messages of the checks that failed, by name."""
    return {result.name: result.message for result in results if result.message is not None}


def kill_matrix(word: str) -> str:
    """Wrong specimens against the checks that caught them, as text; ``*`` is the check it names."""
    lines = [f"kill matrix of {word}"]
    for path in specimens(word, "wrong"):
        names = [n + "*" * (n == caught_by(path)) for n in failed(grade_file(word, path))]
        lines.append(f"  {path.stem:<40} {', '.join(names) or 'SURVIVES'}")
    return "\n".join(lines)

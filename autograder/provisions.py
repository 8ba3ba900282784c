"""What this course lays into a student's work folder when a submission is graded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from course.syllabus import ROOT, exercises


def for_assignment(assignment: str) -> dict[str, Path]:
    """The course package, and those modules of ``solutions`` that the assignment may use."""
    provided = {"course": ROOT / "course"}
    for exercise in exercises().values():
        if exercise.folder == assignment and exercise.earlier:
            provided["solutions/__init__.py"] = ROOT / "solutions" / "__init__.py"
            for word in exercise.earlier:
                name = f"solutions/{word}.py"
                provided[name] = ROOT / name
    return provided


def lay_out(folder: Path, earlier: Sequence[str]) -> list[Path]:
    """Put this course's package, and the earlier solutions alone, where a student can import them.

    Returns what the sandbox must let the worker read besides.
    """
    if earlier:
        package = folder / "solutions"
        package.mkdir(exist_ok=True)
        (package / "__init__.py").write_text("")
        for word in earlier:
            text = (ROOT / "solutions" / f"{word}.py").read_text("utf-8")
            (package / f"{word}.py").write_text(text, "utf-8")
    return [ROOT / "course"]

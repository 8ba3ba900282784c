"""What this course lays into a student's work folder when a submission is graded."""

from __future__ import annotations

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

"""What belongs to a release: which exercises are out, which of their solutions are due."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autograder.course_folder import CourseError
from course.syllabus import Exercise, exercises


@dataclass(frozen=True)
class Plan:
    """A release through exercise number ``through``; solutions up to number ``due`` are public."""

    root: Path
    through: int
    due: int

    @classmethod
    def of(cls, root: Path, through: int, due: int | None = None) -> Plan:
        """Check the numbers; ``due`` is by default ``through - 1``.

        Raises CourseError for a number outside the syllabus, or for a lesson of the bundle that
        imports a solution which would not be in it.
        """
        last = max(chosen.number for chosen in exercises().values())
        if not 1 <= through <= last:
            raise CourseError(f"--through is {through}: the syllabus has exercises 1 to {last}")
        chosen = cls(root, through, through - 1 if due is None else due)
        if not 0 <= chosen.due <= through:
            raise CourseError(
                f"--due is {chosen.due}: solutions can be due from 0 (none) to {through}, the last "
                "exercise of this release"
            )
        return chosen

    @property
    def out(self) -> list[Exercise]:
        """The exercises that students have."""
        return [chosen for chosen in exercises().values() if chosen.number <= self.through]

    @property
    def public(self) -> list[str]:
        """Words whose solutions students may read."""
        return [chosen.word for chosen in exercises().values() if chosen.number <= self.due]

    @property
    def secret(self) -> list[str]:
        """Words whose solutions are still to be written by students."""
        return [chosen.word for chosen in exercises().values() if chosen.number > self.due]

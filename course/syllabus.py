"""The syllabus as objects: one entry an exercise, read from ``syllabus.toml``."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Exercise:
    """One exercise: its word opens every room of the house."""

    word: str
    title: str
    number: int
    minutes: int
    difficulty: int
    systems: tuple[str, ...]
    names: tuple[str, ...]
    earlier: tuple[str, ...]

    @property
    def folder(self) -> str:
        """The nbgrader assignment's name, for example ``01_attention``."""
        return f"{self.number:02d}_{self.word}"

    @property
    def lesson(self) -> Path:
        return ROOT / "course" / f"{self.folder}.ipynb"

    @property
    def assignment(self) -> Path:
        return ROOT / "assignments" / self.folder / f"{self.word}.ipynb"


def address() -> tuple[str, str]:
    """The students' repository, without a slash at the end, and the branch that they read."""
    listed = tomllib.loads((Path(__file__).parent / "syllabus.toml").read_text("utf-8"))
    return listed["repository"].rstrip("/"), listed["branch"]


@functools.cache
def exercises() -> dict[str, Exercise]:
    """All exercises by word, in order."""
    listed = tomllib.loads((Path(__file__).parent / "syllabus.toml").read_text("utf-8"))
    found = {}
    for entry in listed["exercise"]:
        lists = {key: tuple(entry[key]) for key in ("systems", "names", "earlier")}
        found[entry["word"]] = Exercise(**(entry | lists))
    return found


def exercise(word: str) -> Exercise:
    """The exercise of that word; raises KeyError that lists the words there are."""
    try:
        return exercises()[word]
    except KeyError:
        known = ", ".join(exercises())
        raise KeyError(f"no exercise is called {word!r}; there are {known}") from None

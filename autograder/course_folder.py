"""A course folder as nbgrader lays it out, read without importing nbgrader, which is slow."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from autograder.configure import ALLOWED, SECTION

IGNORED = [".ipynb_checkpoints", "*.pyc", "__pycache__", "feedback"]
SEED_FILE = ".secret_seed"


class CourseError(Exception):
    """Something about the course folder that the instructor must put right."""


@dataclass
class Settings:
    """What ``configure`` was told; its defaults where a course tells nothing."""

    cell_seconds: float = 60.0
    submission_seconds: float = 600.0
    allow: list[str] = field(default_factory=lambda: list(ALLOWED))
    provide: str | None = None
    preload: list[str] | None = None
    require_sandbox: bool = False

    @classmethod
    def of(cls, config: Any) -> Settings:
        """The settings in an nbgrader configuration."""
        told = config.get(SECTION, {})
        return cls(**{name: told[name] for name in cls.__dataclass_fields__ if name in told})


def load_config(root: Path) -> Any:
    """The configuration in ``root/nbgrader_config.py``; empty when there is none."""
    from traitlets.config.loader import Config, PyFileConfigLoader

    if not (root / "nbgrader_config.py").exists():
        return Config()
    before = Path.cwd()
    os.chdir(root)
    try:
        return PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
    finally:
        os.chdir(before)


class CourseFolder:
    """Where a course keeps what; ``root`` is the folder of its ``nbgrader_config.py``."""

    def __init__(self, root: Path, config: Any = None) -> None:
        self.config = load_config(root) if config is None else config
        self.settings = Settings.of(self.config)
        told = self.config.get("CourseDirectory", {})
        self.root = Path(told.get("root", root)).resolve()
        self._names = {
            step: told.get(f"{step}_directory", step)
            for step in ("source", "submitted", "autograded", "feedback")
        }
        self._structure = told.get(
            "directory_structure", "{nbgrader_step}/{student_id}/{assignment_id}"
        )
        self.ignore = list(told.get("ignore", IGNORED))
        self.course_id = told.get("course_id", "")
        self.db_url = told.get("db_url", f"sqlite:///{self.root / 'gradebook.db'}")
        self.excluded = set(str(told.get("student_id_exclude", "")).split(",")) - {""}

    def path(self, step: str, student: str, assignment: str) -> Path:
        """The folder of one step for one student and assignment."""
        name = self._structure.format(
            nbgrader_step=self._names[step], student_id=student, assignment_id=assignment
        )
        return Path(os.path.normpath(self.root / name))

    def source(self, assignment: str) -> Path:
        return self.path("source", ".", assignment)

    def students(self, assignment: str, pattern: str = "*") -> list[str]:
        """Who handed in something, links and stray names left out, sorted."""
        before, _, after = self._structure.partition("{student_id}")
        head = before.format(nbgrader_step=self._names["submitted"], assignment_id=assignment)
        tail = after.strip("/").format(assignment_id=assignment)
        found = []
        base = self.root / head
        for folder in sorted(base.iterdir()) if base.is_dir() else []:
            wanted = fnmatch(folder.name, pattern) and folder.name not in self.excluded
            if wanted and not folder.name.startswith(".") and not folder.is_symlink():
                inside = folder / tail
                if inside.is_dir() and not inside.is_symlink():
                    found.append(folder.name)
        return found

    def notebooks(self, assignment: str) -> list[Path]:
        """The source notebooks of an assignment; raises CourseError when there are none."""
        folder = self.source(assignment)
        found = sorted(folder.glob("*.ipynb"))
        if not found:
            raise CourseError(
                f"no source notebooks in {folder}: is {assignment!r} an assignment of the course "
                f"in {self.root}? Give the course's folder with --course."
            )
        return found

    def source_files(self, assignment: str) -> dict[str, Path]:
        """The assignment's other files, by their name in the folder."""
        folder = self.source(assignment)
        return dict(files_under(folder, self.ignore)) if folder.is_dir() else {}

    def kept_files(self, assignment: str) -> set[str]:
        """Files of the source that a student's own version replaces (nbgrader's setting)."""
        told = self.config.get("Autograde", {})
        return set(dict(told.get("exclude_overwriting", {})).get(assignment, []))

    def seed(self, assignment: str) -> int:
        """The secret seed of an assignment: the same at every regrade, known to nobody else."""
        digest = hashlib.sha256(f"{self._secret()}\0{assignment}".encode()).digest()
        return int.from_bytes(digest[:16], "big")

    def _secret(self) -> str:
        path = self.root / SEED_FILE
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return path.read_text("ascii").strip()
        secret = secrets.token_hex(16)
        with os.fdopen(handle, "w") as stream:
            stream.write(secret + "\n")
        ignored = self.root / ".gitignore"
        if (self.root / ".git").exists() and SEED_FILE not in _text(ignored):
            with ignored.open("a", encoding="utf-8") as stream:
                stream.write(f"{SEED_FILE}\n")
        return secret


def _text(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""


def files_under(folder: Path, ignore: list[str]) -> Iterator[tuple[str, Path]]:
    """Regular files below a folder that are no notebooks, by relative name; links are left out."""
    for base, folders, names in os.walk(folder, followlinks=False):
        here = Path(base)
        folders[:] = sorted(f for f in folders if not _ignored(f, ignore))
        folders[:] = [f for f in folders if not (here / f).is_symlink()]
        for name in sorted(names):
            path = here / name
            if _ignored(name, ignore) or name.endswith(".ipynb"):
                continue
            if path.is_file() and not path.is_symlink():
                yield str(path.relative_to(folder)), path


def _ignored(name: str, ignore: list[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in ignore)

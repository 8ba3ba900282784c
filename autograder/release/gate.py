"""The gate: every way in which a bundle could hold what students must not see."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat

from autograder.release.bundle import MANIFEST, digests, files
from autograder.release.notebooks import CELL_KEYS, NBGRADER_KEYS, NOTEBOOK_KEYS
from autograder.release.plan import Plan
from autograder.release.reading import texts
from autograder.release.secrets import RUN, Secrets, lines_of

SUFFIXES = {
    "", ".conll", ".gz", ".css", ".html", ".ipynb", ".js", ".json", ".md", ".py", ".safetensors",
    ".toml", ".txt",
}  # fmt: skip
TOP = {"course", "assignments", "solutions", "docs", "scripts"}
PAPERS = {"README.md", "LICENSE", "constraints.txt", "pyproject.toml", MANIFEST}
DELIMITERS = [
    f"{edge} {what}"
    for edge in ("BEGIN", "END")
    for what in ("SOLUTION", "HIDDEN TESTS", "MARK SCHEME", "HELPERS")
]
NOUNS = re.compile(r"SOL|LUT|HID|IDD|TES|MAR|SCH|HEM|HEL|LPE")  # at least a part is spelt right
NEAR = 0.82  # BEGIN SOLUTON, BEGN HIDDEN TESTS and the like; BEGIN HERE is at 0.67
HIDDEN_CHECKS = re.compile(r"autograder[./]checks|^\s*(?:from|import)\s+autograder\b", re.MULTILINE)


@dataclass(frozen=True)
class Leak:
    """Something that must not be in the bundle: the file, and what is wrong with it."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def leaks(folder: Path, plan: Plan, secrets: Secrets) -> list[Leak]:
    """Everything that the gate objects to, each thing once."""
    found = list(_layout(folder, plan))
    for path in files(folder):
        if path.is_symlink():
            continue
        where = path.relative_to(folder).as_posix()
        for text in texts(path):
            found += [Leak(where, what) for what in _told(text, secrets)]
        if path.suffix == ".ipynb":
            found += [Leak(where, what) for what in _shape(path, where)]
    return list(dict.fromkeys([*found, *_manifest(folder)]))


def _layout(folder: Path, plan: Plan) -> Iterator[Leak]:
    """Files that have no place in a bundle."""
    for path in files(folder):
        where = path.relative_to(folder)
        name = where.as_posix()
        if path.is_symlink():
            yield Leak(name, "a link: a bundle holds files alone")
        elif any(part.startswith(".") for part in where.parts):
            yield Leak(name, "a dotfile")
        elif "__pycache__" in where.parts or path.suffix == ".pyc":
            yield Leak(name, "a cache, which may hold what its source no longer does")
        elif path.suffix not in SUFFIXES:
            yield Leak(name, f"a file of the kind {path.suffix}, which no bundle needs")
        elif where.parts[0] not in TOP and name not in PAPERS:
            yield Leak(name, "it has no place in a bundle")
        elif where.parts[0] == "solutions" and where.stem in plan.secret:
            yield Leak(name, f"the solution of {where.stem}, which is not due yet")


def _told(text: str, secrets: Secrets) -> Iterator[str]:
    """What one text gives away."""
    for canary, origin in secrets.canaries.items():
        if canary in text:
            yield f"holds what was planted in {origin}"
    lines = lines_of(text)
    for start in range(len(lines) - RUN + 1):
        origin = secrets.runs.get(tuple(lines[start : start + RUN]), "")
        if origin:
            yield f"has {RUN} lines in common with {origin}, from {lines[start][:40]!r}"
            break
    for line in lines:
        if line in secrets.lines:
            yield f"has a line of the {secrets.lines[line]}: {line[:40]!r}"
            break
    if HIDDEN_CHECKS.search(text):
        yield "names the instructor's package autograder"
    for line in text.splitlines():
        if len(line) < 80 and (near := _delimiter(line)):
            yield f"has the line {line.strip()!r}, which looks like nbgrader's {near!r}"


def _delimiter(line: str) -> str | None:
    """The delimiter of a secret region that a line is or nearly is."""
    words = " ".join(re.findall(r"[A-Z]+", line.upper()))
    if not 8 <= len(words) <= 24 or not NOUNS.search(words):
        return None
    near = difflib.get_close_matches(words, DELIMITERS, n=1, cutoff=NEAR)
    return near[0] if near else None


def _shape(path: Path, where: str) -> Iterator[str]:
    """What a notebook must not have besides text."""
    notebook = nbformat.read(path, as_version=4)
    yield from _extra("notebook", notebook.metadata, NOTEBOOK_KEYS)
    for cell in notebook.cells:
        yield from _extra("cell", cell.metadata, CELL_KEYS)
        yield from _extra("nbgrader", cell.metadata.get("nbgrader", {}), NBGRADER_KEYS)
        if cell.get("attachments"):
            yield f"a cell has attachments: {', '.join(cell.attachments)}"
        if cell.cell_type == "raw":
            yield "it has a raw cell, which no release needs"
        if where.startswith("assignments/") and cell.get("outputs"):
            yield "a cell has outputs, which may show what a solution prints"


def _extra(kind: str, metadata: dict, allowed: set[str]) -> Iterator[str]:
    extra = sorted(set(metadata) - allowed)
    if extra:
        yield f"{kind} metadata holds {', '.join(extra)}"


def _manifest(folder: Path) -> Iterator[Leak]:
    """A bundle that was changed after it was made."""
    path = folder / MANIFEST
    if not path.exists():
        yield Leak(MANIFEST, "it is missing: this is no bundle, or not a whole one")
        return
    told = json.loads(path.read_text("utf-8"))["sha256"]
    found = digests(folder)
    for name in sorted(told.keys() | found.keys()):
        if told.get(name) != found.get(name):
            yield Leak(name, "it is not the file that the manifest lists")

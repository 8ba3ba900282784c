"""Plant canaries in a copy of the sources, so that a release shows what slips through.

A canary goes wherever something secret can stand: into every region that a release clears, every
solution that is not due, every hidden check; into metadata, outputs, attachments, raw cells,
dotfiles and caches.
"""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import nbformat
from nbformat.v4 import new_output

from autograder.release.plan import Plan
from autograder.release.secrets import new_canary

OPENINGS = (
    "### BEGIN SOLUTION", "### BEGIN HELPERS", "### BEGIN HIDDEN TESTS",
    "=== BEGIN MARK SCHEME ===",
)  # fmt: skip
COPIED = ("course", "assignments", "solutions", "autograder", "scripts", "docs")
PAPERS = ("LICENSE", "constraints.txt", "pyproject.toml", "nbgrader_config.py")


def planted(plan: Plan, place: Path) -> dict[str, str]:
    """Copy the sources to ``place`` and plant; returns where each canary stands."""
    for name in COPIED:
        shutil.copytree(
            plan.root / name, place / name, ignore=shutil.ignore_patterns("__pycache__", ".*")
        )
    for name in PAPERS:
        shutil.copyfile(plan.root / name, place / name)
    canaries: dict[str, str] = {}
    secret = [place / "solutions" / f"{word}.py" for word in plan.secret]
    for path in [*secret, *(place / "autograder").rglob("*.py")]:
        if path.exists():
            path.write_text(f"{path.read_text('utf-8')}\n# {_new(canaries, path, place)}\n")
    for path in list((place / "assignments").glob("*/*.ipynb")):
        _in_assignment(path, place, canaries)
        _beside(path.parent, place, canaries)
    for path in list((place / "course").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        notebook.metadata["note"] = _new(canaries, path, place, "notebook metadata")
        notebook.cells[0].metadata["note"] = _new(canaries, path, place, "cell metadata")
        nbformat.write(notebook, path)
    _beside(place / "course", place, canaries)
    return canaries


def _new(canaries: dict[str, str], path: Path, place: Path, what: str = "") -> str:
    canary = new_canary()
    canaries[canary] = f"{what} of {path.relative_to(place)}".removeprefix(" of ")
    return canary


def _in_assignment(path: Path, place: Path, canaries: dict[str, str]) -> None:
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata["note"] = _new(canaries, path, place, "notebook metadata")
    for cell in notebook.cells:
        for opening in OPENINGS:
            if opening in cell.source:
                line = f"{opening}\n# {_new(canaries, path, place, opening)}"
                cell.source = cell.source.replace(opening, line)
        cell.metadata["note"] = _new(canaries, path, place, "cell metadata")
        if cell.cell_type == "code":
            text = _new(canaries, path, place, "outputs")
            cell.outputs = [new_output("stream", name="stdout", text=text)]
        else:
            text = _new(canaries, path, place, "attachments")
            data = base64.b64encode(text.encode()).decode()
            cell["attachments"] = {"note.txt": {"text/plain": data}}
    nbformat.write(notebook, path)


def _beside(folder: Path, place: Path, canaries: dict[str, str]) -> None:
    """A dotfile, a checkpoint and a cache."""
    for name in (".notes", ".ipynb_checkpoints/old.ipynb", "__pycache__/old.cpython-311.pyc"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(_new(canaries, path, place), "utf-8")

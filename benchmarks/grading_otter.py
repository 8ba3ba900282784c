"""otter-grader as one more way to grade the class of ``grading_class.py``, in its own environment.

The environment holds otter-grader and what the course's lacks of otter's needs; torch and
transformers come from the course's through a path file. ``otter assign`` makes the assignment from
the same cells and tests; the answers of ``grading_class.submission`` go into its student notebook.

``otter grade`` runs Docker containers; grading without them is ``otter run``, one submission a
command. ``otter.run.main`` is the function behind it and behind ``otter.api.grade_submission``;
called in a loop, it pays otter's own start-up once for the class.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_raw_cell

from benchmarks.grading_class import ANSWERS, NOTEBOOK, TESTS, source, submission

VERSION = "7.0.0"
ONE_BY_ONE = "`otter run`, one by one"
LOOP = "otter's `run` in one process"
WAYS = (ONE_BY_ONE, LOOP)
CONFIG = "# ASSIGNMENT CONFIG\nrequirements: []\nexport_cell: false\n"
EACH = """set -e
for notebook in submitted/*/*.ipynb; do
    "$0" run --no-logo -a autograder.zip -o "${notebook%/*}" "$notebook"
done"""
ALL = """from pathlib import Path
from otter.run import main
for notebook in sorted(Path("submitted").glob("*/*.ipynb")):
    main(str(notebook), autograder="autograder.zip", output_dir=str(notebook.parent), no_logo=True)
"""


def run(*words: str | Path, folder: Path | None = None) -> str:
    """What a command prints; raises RuntimeError with its last words when it fails."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [str(word) for word in words], cwd=folder, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{words} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return done.stdout


def make_environment(folder: Path) -> Path:
    """Build otter's environment in ``folder``, or take the one that is there; its ``bin``.

    Raises ValueError for a folder inside the course's environment or one with other contents.
    """
    folder = folder.resolve()
    if folder.is_relative_to(Path(sys.prefix).resolve()):
        raise ValueError(f"{folder} lies in the course's environment: give otter another folder")
    if not (folder / "pyvenv.cfg").exists():
        if folder.exists() and any(folder.iterdir()):
            raise ValueError(f"{folder} has other contents: give otter a new or an empty folder")
        run(sys.executable, "-m", "venv", folder)
    python = folder / "bin" / "python"
    # Before pip, which then fetches only what is missing; it never removes anything outside its
    # own environment.
    where = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    link = Path(run(python, "-c", where).strip()) / "course.pth"
    link.write_text(sysconfig.get_paths()["purelib"] + "\n")
    run(python, "-m", "pip", "install", "--quiet", f"otter-grader=={VERSION}")
    return folder / "bin"


def master() -> NotebookNode:
    """The instructor's notebook in otter's format: the same cells, each test worth 2 points."""
    made = source()
    cells = [new_raw_cell(CONFIG)]
    cells += [cell for cell in made.cells if cell.id in ("title", "imports")]
    for name, answer in ANSWERS.items():
        cells += [new_raw_cell(f"# BEGIN QUESTION\nname: {name}\npoints: 2")]
        cells += [new_raw_cell("# BEGIN SOLUTION"), new_code_cell(answer.replace("### ", "# "))]
        cells += [new_raw_cell("# END SOLUTION"), new_raw_cell("# BEGIN TESTS")]
        cells += [new_code_cell(TESTS[name]), new_raw_cell("# END TESTS")]
        cells += [new_raw_cell("# END QUESTION")]
    for cell in cells:
        cell.metadata = NotebookNode()
    made.cells = cells
    return made


def filled(student: NotebookNode, number: int) -> NotebookNode:
    """otter's student notebook with the answers of student ``number``, in place."""
    answers = [cell.source for cell in submission(number).cells if cell.id in ANSWERS]
    empty = [c for c in student.cells if "otter_answer_cell" in c.metadata.get("tags", [])]
    for cell, answer in zip(empty, answers, strict=True):
        cell.source = answer
    return student


def make_class(folder: Path, size: int, binaries: Path) -> None:
    """``autograder.zip`` and ``size`` submissions; otter assign tries its tests on the solution."""
    nbformat.write(master(), folder / f"{NOTEBOOK}.ipynb")
    run(binaries / "otter", "assign", "--no-pdfs", f"{NOTEBOOK}.ipynb", "made", folder=folder)
    (archive,) = (folder / "made" / "autograder").glob("*.zip")
    archive.rename(folder / "autograder.zip")
    for number in range(size):
        place = folder / "submitted" / f"student{number:03d}"
        place.mkdir(parents=True)
        student = nbformat.read(folder / "made" / "student" / f"{NOTEBOOK}.ipynb", 4)
        nbformat.write(filled(student, number), place / f"{NOTEBOOK}.ipynb")


def command(name: str, binaries: Path) -> list[str | Path]:
    """The command that grades a class, one submission after the other."""
    if name == LOOP:
        return [binaries / "python", "-c", ALL]
    return ["sh", "-c", EACH, binaries / "otter"]


def points_of(folder: Path, size: int) -> list[float | None]:
    """Every student's points as otter wrote them; None for one without results."""
    found: list[float | None] = []
    for number in range(size):
        path = folder / "submitted" / f"student{number:03d}" / "results.json"
        tests: list[dict[str, Any]] = json.loads(path.read_text())["tests"] if path.exists() else []
        found.append(sum(float(test.get("score", 0)) for test in tests) if tests else None)
    return found

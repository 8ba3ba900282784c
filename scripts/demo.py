"""Grade a small class from nothing: ``make demo``.

Builds ``demo/``, an nbgrader course of its own: the released assignment, one submission a
specimen, graded notebooks, feedback pages and ``grades.csv``. Then prints who lost what, and why.
"""

from __future__ import annotations

import argparse
import ast
import csv
import os
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import nbformat

from autograder.sync import is_code_answer, names_in_cell
from course.syllabus import ROOT, Exercise, exercise, exercises

SPECIMENS = ROOT / "tests" / "specimens"
STUDENTS = ("Ada", "Blaise", "Clara", "Dmitri", "Emmy", "Fatima", "Grace", "Hedy", "Iris", "Julia")
ESSAY = "A dot product of independent unit-variance entries has variance d, so we divide by √d."
WRONG = 5


class Step:
    """Says what is going on and how long it took."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        self.started = time.perf_counter()
        print(f"{self.what} …", end=" ", flush=True)

    def __exit__(self, *failure: object) -> None:
        print(f"{time.perf_counter() - self.started:.0f} s" if failure[0] is None else "failed")


def nbgrader(folder: Path, *words: str) -> None:
    """Run one nbgrader command in the demo's course; its output is shown only when it fails."""
    program = Path(sys.executable).parent / "nbgrader"
    path = os.pathsep.join([str(program.parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        [program, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": path},
    )
    if done.returncode:
        sys.exit(f"nbgrader {' '.join(words)} failed:\n{done.stdout}{done.stderr}")


def make_course(folder: Path, chosen: Exercise) -> None:
    """A fresh nbgrader course with one assignment, released."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copytree(chosen.assignment.parent, folder / "assignments" / chosen.folder)
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    nbgrader(folder, "generate_assignment", chosen.folder, "--create")


def spread(paths: list[Path], count: int) -> list[Path]:
    """``count`` paths spread evenly over a list."""
    return [paths[i * len(paths) // count] for i in range(min(count, len(paths)))]


def answers(chosen: Exercise) -> list[tuple[str, Path | None]]:
    """Who hands in what: the reference, right-but-different, wrong ones, an unsolved stub."""
    folder = SPECIMENS / chosen.word
    right = spread(sorted((folder / "right").glob("*.py")), 2)
    wrong = spread(sorted((folder / "wrong").glob("*.py")), WRONG)
    reference = ROOT / "solutions" / f"{chosen.word}.py"
    handed_in: list[Path | None] = [reference, *right, *wrong, None]
    return list(zip(STUDENTS, handed_in, strict=False))


def fill(notebook: nbformat.NotebookNode, text: str, chosen: Exercise) -> None:
    """Put an answer file into a released notebook, each definition into its own cell."""
    lines = text.splitlines()
    own = {
        node.name: range(node.lineno - 1, node.end_lineno or node.lineno)
        for node in ast.parse(text).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name in chosen.names
    }
    taken = {line for span in own.values() for line in span}
    rest = [line for i, line in enumerate(lines) if i not in taken]
    if rest[0].startswith("#"):  # a specimen's first line names its mistake: not for this page
        del rest[0]
    for cell in filter(is_code_answer, notebook.cells):
        parts = [
            "\n".join(lines[i] for i in own[n]) for n in names_in_cell(cell, chosen) if n in own
        ]
        cell.source = "\n\n\n".join(["\n".join(rest).strip(), *parts]).strip()
        rest = []


def hand_in(folder: Path, chosen: Exercise) -> list[tuple[str, Path | None]]:
    """Write one submission a student into ``submitted/``; None hands in the released stub."""
    released = folder / "release" / chosen.folder / f"{chosen.word}.ipynb"
    students = answers(chosen)
    for student, answer in students:
        notebook = nbformat.read(released, as_version=4)
        if answer is not None:
            fill(notebook, answer.read_text("utf-8"), chosen)
            for cell in notebook.cells:
                if cell.cell_type == "markdown" and cell.metadata.get("nbgrader", {}).get(
                    "solution"
                ):
                    cell.source = ESSAY
        place = folder / "submitted" / student / chosen.folder
        place.mkdir(parents=True)
        nbformat.write(notebook, place / f"{chosen.word}.ipynb")
    return students


def lost(folder: Path, student: str, chosen: Exercise) -> tuple[float, float, list[str]]:
    """A student's points from checks, the points to be had, and why points were lost."""
    path = folder / "autograded" / student / chosen.folder / f"{chosen.word}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    verdicts = [cell.metadata["autograder"] for cell in notebook.cells if graded(cell)]
    reasons = []
    for verdict in verdicts:
        for check in verdict["checks"]:
            if check["message"]:
                reasons.append(f"{check['about']} · {check['name']}: {check['message']}")
    return (
        sum(verdict["points"] for verdict in verdicts),
        sum(verdict["max_points"] for verdict in verdicts),
        reasons,
    )


def graded(cell: nbformat.NotebookNode) -> bool:
    """Whether a cell of an autograded notebook carries a verdict."""
    return "checks" in cell.metadata.get("autograder", {})


def show(folder: Path, chosen: Exercise, students: list[tuple[str, Path | None]]) -> None:
    """Print the table of students and the reasons for each lost point."""
    width = min(shutil.get_terminal_size((100, 24)).columns, 110)
    print(f"\n{chosen.title}: {len(students)} students\n")
    for student, answer in students:
        points, most, reasons = lost(folder, student, chosen)
        handed = "the unsolved stub" if answer is None else f"{answer.parent.name}/{answer.name}"
        print(f"{student:<8} {points:>5g} of {most:g}   {handed}")
        if answer is None:
            print(f"{'':<8} {len(reasons)} checks say: {reasons[0].split(': ', 1)[1]}")
            continue
        for reason in reasons:
            print(textwrap.fill(reason, width, initial_indent=" " * 9, subsequent_indent=" " * 13))


def main() -> int:
    """Build, grade and show; returns 0 when every command ended well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("word", nargs="?", default="attention", choices=list(exercises()))
    parser.add_argument("--to", type=Path, default=ROOT / "demo", metavar="DIR")
    options = parser.parse_args()
    chosen, folder = exercise(options.word), options.to.absolute()
    with Step("making the released assignment"):
        make_course(folder, chosen)
    with Step("handing in"):
        students = hand_in(folder, chosen)
    with Step(f"grading {len(students)} notebooks (nbgrader autograde)"):
        nbgrader(folder, "autograde", chosen.folder)
    with Step("writing feedback (nbgrader generate_feedback)"):
        nbgrader(folder, "generate_feedback", chosen.folder)
    with Step("exporting grades.csv (nbgrader export)"):
        nbgrader(folder, "export", "--to=grades.csv")
    show(folder, chosen, students)
    rows = list(csv.DictReader((folder / "grades.csv").open()))
    feedback = sorted((folder / "feedback").rglob("*.html"))
    place = os.path.relpath(folder)
    print(f"\n{place}/grades.csv: {len(rows)} grades; written answers wait for a person's marks.")
    print(f"{place}/feedback: {len(feedback)} pages, for example")
    print(f"  {os.path.relpath(feedback[-1])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

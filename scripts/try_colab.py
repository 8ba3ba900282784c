"""Try a lesson as Colab would: ``python scripts/try_colab.py PYTHON --lesson encoder``.

PYTHON is the interpreter of an environment like Colab's: Python 3.12, its own torch, numpy and
transformers, ipykernel, and nothing of this course. The bundle's wheel is built, the lesson is put
into an empty folder and run there from its set-up cell to its end; then every version that was
installed before must still be the same.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

from autograder.release import proofs
from autograder.release.bundle import build, wheel
from autograder.release.plan import Plan
from course.syllabus import ROOT, Exercise, exercise, exercises


def versions(python: str) -> dict[str, str]:
    """What is installed in an environment."""
    code = "import importlib.metadata as m\nfor d in m.distributions(): print(d.name, d.version)"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


def first_cell(python: str, chosen: Exercise) -> float:
    """Run the set-up cell of a lesson; the seconds that it takes."""
    cells = nbformat.read(chosen.lesson, as_version=4).cells
    source = next(cell.source for cell in cells if cell.id == "colab")
    started = time.perf_counter()
    subprocess.run([python, "-c", source], check=True)
    return time.perf_counter() - started


def main() -> int:
    """Returns 1 when the lesson fails or a version has changed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("python", help="the interpreter of an environment like Colab's")
    parser.add_argument("--lesson", default="encoder", choices=list(exercises()), metavar="WORD")
    options = parser.parse_args()
    chosen = exercise(options.lesson)
    with tempfile.TemporaryDirectory() as place:
        bundle, alone = Path(place) / "bundle", Path(place) / "alone"
        bundle.mkdir()
        (alone / "course").mkdir(parents=True)
        build(Plan.of(ROOT, chosen.number), bundle)
        os.environ["COURSE_WHEEL"] = str(wheel(bundle, Path(place) / "wheel"))
        os.environ["COLAB_RELEASE_TAG"] = "try"
        before = versions(options.python)
        print(f"set-up cell: {first_cell(options.python, chosen):.0f} s")
        shutil.copy(chosen.lesson, alone / "course")
        problems = [str(leak) for leak in proofs.lesson(Path(options.python), alone, chosen)]
    after = versions(options.python)
    problems += [f"{n} was {v}, is {after.get(n)}" for n, v in before.items() if after.get(n) != v]
    print("\n".join(problems) or f"{chosen.lesson.name} runs, {len(before)} packages unchanged")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

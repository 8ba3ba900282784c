"""Write the Colab badge and the set-up cell into every notebook; with ``--check`` only compare.

The address of the students' repository is one setting, in ``course/syllabus.toml``. A notebook
that already has badge and cell gets the present ones.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from course.syllabus import ROOT, address, exercises

BADGE = "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
CELL = "colab"
VARIABLE = "COLAB_RELEASE_TAG"
WHEEL = "transformers_by_hand_student-{version}-py3-none-any.whl"


def wheel() -> str:
    """The name of the wheel in the repository's latest release."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    return WHEEL.format(version=version)


def badge(path: Path) -> str:
    """The line with the badge of a notebook."""
    repository, branch = address()
    owner = repository.removeprefix("https://github.com/")
    where = path.relative_to(ROOT).as_posix()
    return f"{BADGE}(https://colab.research.google.com/github/{owner}/blob/{branch}/{where})"


def set_up() -> str:
    """The set-up cell: on Colab it installs the course, elsewhere it does nothing."""
    return f'''import os
import subprocess
import sys

if "{VARIABLE}" in os.environ:  # Colab keeps its own torch, numpy and transformers
    release = "{address()[0]}/releases/latest/download"
    wheel = f"{{release}}/{wheel()}"
    wheel = os.environ.get("COURSE_WHEEL", wheel)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", wheel]
    subprocess.run(pip, check=True)
    subprocess.run([sys.executable, "-m", "course", "colab"], check=True)'''


def with_colab(notebook: NotebookNode, path: Path) -> NotebookNode:
    """The notebook with its badge under the title and the set-up cell as first code cell."""
    made = nbformat.from_dict(notebook)
    title, _, rest = made.cells[0].source.partition("\n")
    lines = [line for line in rest.split("\n") if not line.startswith(BADGE)]
    made.cells[0].source = f"{title}\n\n{badge(path)}\n\n" + "\n".join(lines).strip("\n")
    # By its text as well as by its id: tools that build notebooks give cells new ids.
    made.cells = [cell for cell in made.cells if VARIABLE not in cell.source]
    cell = new_code_cell(set_up(), id=CELL)
    if path.parent.parent.name == "assignments":
        cell.metadata["nbgrader"] = {
            "cell_type": "code",
            "grade": False,
            "grade_id": CELL,
            "locked": True,
            "schema_version": 3,
            "solution": False,
        }
    made.cells.insert(1, cell)
    return renumbered(made)


def renumbered(notebook: NotebookNode) -> NotebookNode:
    """Execution counts from one on, for notebooks that were executed."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if any(cell.execution_count for cell in code[1:]):
        for count, cell in enumerate(code, start=1):
            cell.execution_count = count
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = count
    return notebook


def main() -> int:
    """Returns 1 when a notebook differs and only a check was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing")
    options = parser.parse_args()
    differ = []
    for chosen in exercises().values():
        for path in (chosen.lesson, chosen.assignment):
            if not path.exists():
                continue
            notebook = nbformat.read(path, as_version=4)
            wanted = with_colab(notebook, path)
            if wanted != notebook:
                differ.append(path)
                if not options.check:
                    nbformat.write(wanted, path)
    for path in differ:
        print(f"{path.relative_to(ROOT)} {'is out of date' if options.check else 'rewritten'}")
    if options.check and differ:
        print("run: python scripts/colab.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

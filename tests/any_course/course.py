"""A small nbgrader course that knows nothing of this one: plain asserts, partial credit, data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course.syllabus import ROOT
from tests.intake.course import mark

TWO_LINES = "from autograder.configure import configure\nconfigure(c)\n"
PRICES = "item,price\napple,3\nbread,5\ncheese,10\n"

READ_PRICES = '''def read_prices(path="data/prices.csv"):
    """Prices by item, from the table that comes with the assignment."""
    with open(path) as table:
        return {row["item"]: float(row["price"]) for row in csv.DictReader(table)}


CURRENCY = "EUR"'''
MEAN = '''def mean_price(prices):
    """The mean of the prices in a dict."""
    ### BEGIN SOLUTION
    return sum(prices.values()) / len(prices)
    ### END SOLUTION'''
MEAN_TEST = """assert mean_price({"a": 1, "b": 3}) == 2
assert mean_price(read_prices()) == 6, "use every row of the table"
### BEGIN HIDDEN TESTS
assert abs(mean_price({"a": 0.1, "b": 0.2, "c": 51966.0}) - 17322.1) < 1e-9
### END HIDDEN TESTS"""
CHEAPEST = '''def cheapest(prices, count=1):
    """The names of the cheapest items, cheapest first; ValueError when there are too few."""
    ### BEGIN SOLUTION
    if count > len(prices):
        raise ValueError("too few items")
    return sorted(prices, key=prices.get)[:count]
    ### END SOLUTION'''
CHEAPEST_TEST = """score = 0
prices = read_prices()
if list(cheapest(prices)) == ["apple"]:
    score += 1
if list(cheapest(prices, count=2)) == ["apple", "bread"]:
    score += 2
try:
    cheapest({}, 1)
except ValueError:
    score += 1
score"""
STACK = '''class Stack:
    """Last in, first out."""
    ### BEGIN SOLUTION
    def __init__(self):
        self.items = []
    def push(self, item):
        self.items.append(item)
    def pop(self):
        return self.items.pop()
    def __len__(self):
        return len(self.items)
    ### END SOLUTION'''
STACK_TEST = """stack = Stack()
for item in ("a", "b"):
    stack.push(item)
assert len(stack) == 2
assert stack.pop() == "b" and stack.pop() == "a"
try:
    stack.pop()
except IndexError:
    pass
else:
    assert False, "an empty stack raises IndexError"
"""
EVENS = '''def evens(limit):
    """Yields the even numbers below limit."""
    ### BEGIN SOLUTION
    yield from range(0, limit, 2)
    ### END SOLUTION'''


def numbers() -> NotebookNode:
    """Two functions on a data file, a variable, and a locked cell that calls an answer."""
    cells = [
        new_markdown_cell("# Prices", id="n0"),
        new_code_cell("import csv\nimport math", id="n1", metadata=mark("libraries", "locked")),
        new_code_cell(READ_PRICES, id="n2", metadata=mark("read", "locked")),
        new_code_cell(MEAN, id="n3", metadata=mark("mean", "answer")),
        new_code_cell(
            "print(CURRENCY, mean_price(read_prices()))", id="n4", metadata=mark("show", "locked")
        ),
        new_code_cell(MEAN_TEST, id="n5", metadata=mark("mean-test", "test", 3)),
        new_code_cell(CHEAPEST, id="n6", metadata=mark("cheapest", "answer")),
        new_code_cell(CHEAPEST_TEST, id="n7", metadata=mark("cheapest-test", "test", 4)),
        new_code_cell(
            "### BEGIN SOLUTION\nanswer = math.floor(42.5)\n### END SOLUTION",
            id="n8",
            metadata=mark("answer", "answer"),
        ),
        new_code_cell("assert answer == 42", id="n9", metadata=mark("answer-test", "test", 1)),
        new_markdown_cell("YOUR ANSWER HERE", id="n10", metadata=mark("why", "written", 2)),
    ]
    return notebook(cells)


def structures() -> NotebookNode:
    """A class and a generator."""
    cells = [
        new_code_cell(STACK, id="s1", metadata=mark("stack", "answer")),
        new_code_cell(STACK_TEST, id="s2", metadata=mark("stack-test", "test", 5)),
        new_code_cell(EVENS, id="s3", metadata=mark("evens", "answer")),
        new_code_cell(
            "assert list(evens(7)) == [0, 2, 4, 6]\nassert sum(evens(101)) == 2550",
            id="s4",
            metadata=mark("evens-test", "test", 2),
        ),
    ]
    return notebook(cells)


def notebook(cells: list[NotebookNode]) -> NotebookNode:
    made: NotebookNode = new_notebook(cells=cells)
    made.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    return made


SOURCES = {"numbers": numbers, "structures": structures}


def make_course(root: Path, config: str = TWO_LINES) -> Path:
    """The course folder with the assignment ``week1`` in ``source/``."""
    folder = root / "source" / "week1"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "prices.csv").write_text(PRICES)
    for name, make in SOURCES.items():
        nbformat.write(make(), folder / f"{name}.ipynb")
    (root / "nbgrader_config.py").write_text(f"c = get_config()\n{config}")
    return root


def solved(name: str, **answers: str) -> NotebookNode:
    """A submission of one notebook: the solutions, or other texts by grade id."""
    made = SOURCES[name]()
    for cell in made.cells:
        marks = cell.metadata.get("nbgrader", {})
        if marks.get("solution"):
            kept = [line for line in cell.source.split("\n") if "SOLUTION" not in line]
            default = "Because it is so." if marks["grade"] else "\n".join(kept)
            cell.source = answers.get(marks["grade_id"], default)
        elif marks.get("grade"):
            cell.source = cell.source.split("### BEGIN HIDDEN")[0]
    return made


def hand_in(root: Path, student: str, **notebooks: NotebookNode | bytes | None) -> Path:
    """Put a submission into ``submitted/``; notebooks left out are the solutions, None: missing."""
    folder = root / "submitted" / student / "week1"
    folder.mkdir(parents=True, exist_ok=True)
    for name in SOURCES:
        given = notebooks.get(name, solved(name) if name not in notebooks else None)
        if isinstance(given, bytes):
            (folder / f"{name}.ipynb").write_bytes(given)
        elif given is not None:
            (folder / f"{name}.ipynb").write_text(json.dumps(given))
    return folder


def environment() -> dict[str, str]:
    """For nbgrader's commands: they need its environment's programs on the path."""
    programs = str(Path(sys.executable).parent)
    path = os.pathsep.join([programs, os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def command(root: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program of the environment in the course folder."""
    program = Path(sys.executable).parent / words[0]
    first = [sys.executable] if words[0] == "python" else [str(program)]
    done = subprocess.run(
        [*first, *words[1:]],
        cwd=root,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0 or not check, f"{' '.join(words)}:\n{done.stdout}\n{done.stderr}"
    return done


def scores(root: Path, assignment: str = "week1") -> dict[str, dict[str, float | None]]:
    """Automatic scores in the gradebook, by student and cell."""
    import sqlite3

    connection = sqlite3.connect(root / "gradebook.db")
    rows = connection.execute(
        """SELECT submitted_assignment.student_id, base_cell.name, grade.auto_score FROM grade
        JOIN submitted_notebook ON submitted_notebook.id = grade.notebook_id
        JOIN submitted_assignment ON submitted_assignment.id = submitted_notebook.assignment_id
        JOIN assignment ON assignment.id = submitted_assignment.assignment_id
        JOIN base_cell ON base_cell.id = grade.cell_id WHERE assignment.name = ?""",
        (assignment,),
    ).fetchall()
    connection.close()
    found: dict[str, dict[str, float | None]] = {}
    for student, cell, score in rows:
        found.setdefault(student, {})[cell] = score
    return found

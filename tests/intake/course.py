"""A small source notebook and a fake engine: these tests need neither torch nor a sandbox."""

from __future__ import annotations

import contextlib
import copy
import io
import json
from dataclasses import dataclass, field
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.authority import Authority, cut
from autograder.grading import Graded, Run, nothing
from autograder.intake import take_in
from autograder.reading import Reading, read_cells

DOUBLE = '''def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION'''
COUNTER = '''class Counter:
    """Counts calls of add."""
    ### BEGIN SOLUTION
    def __init__(self):
        self.total = 0
    def add(self):
        self.total += 1
        return self.total
    ### END SOLUTION'''
COUNTER_TEST = """counter = Counter()
counter.add()
assert counter.add() == 2
### BEGIN HIDDEN TESTS
assert [counter.add() for _ in range(3)] == [3, 4, 5]
### END HIDDEN TESTS"""


def mark(grade_id: str, kind: str, points: float = 0) -> dict[str, Any]:
    """nbgrader's metadata for one kind of cell."""
    marks: dict[str, Any] = {
        "grade_id": grade_id,
        "grade": kind in ("test", "written"),
        "solution": kind in ("answer", "written"),
        "locked": kind in ("test", "locked"),
        "task": False,
        "schema_version": 3,
    }
    if marks["grade"]:
        marks["points"] = points
    return {"nbgrader": marks}


def source() -> NotebookNode:
    """The instructor's notebook: 2 + 3 points by tests, 4 by hand."""
    cells = [
        new_markdown_cell("# Two small things", id="title"),
        new_code_cell("import math", id="imports", metadata=mark("imports", "locked")),
        new_markdown_cell("Write `double(x)`: it returns twice its argument.", id="ask-double"),
        new_code_cell(DOUBLE, id="double", metadata=mark("double", "answer")),
        new_code_cell(
            "assert double(3) == 6\nassert double(math.pi) == 2 * math.pi",
            id="double-visible",
            metadata=mark("double-visible", "test", 2),
        ),
        new_markdown_cell("Write `Counter`: `add` counts its own calls.", id="ask-counter"),
        new_code_cell(COUNTER, id="counter", metadata=mark("counter", "answer")),
        new_code_cell(COUNTER_TEST, id="counter-hidden", metadata=mark("counter-test", "test", 3)),
        new_markdown_cell("Why does `Counter` need `self`? Two sentences.", id="ask-why"),
        new_markdown_cell("YOUR ANSWER HERE", id="why", metadata=mark("why", "written", 4)),
        new_markdown_cell("That was all. Save, then hand in.", id="end"),
    ]
    notebook: NotebookNode = new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    return notebook


def release() -> NotebookNode:
    """What a student gets."""
    authority = Authority(source())
    made = source()
    for cell, known in zip(made.cells, authority.cells, strict=True):
        cell.source = known.released
        if known.grade_id:
            cell.metadata.nbgrader["checksum"] = "0" * 32
            cell.metadata.nbgrader["cell_type"] = cell.cell_type
    return made


def answered() -> NotebookNode:
    """An honest submission that deserves all 5 points of the tests."""
    made = release()
    for cell, known in zip(made.cells, source().cells, strict=True):
        if cell.id in ("double", "counter"):
            lines = cut(known.source, ("BEGIN NOTHING", "END NOTHING"))[0].split("\n")
            cell.source = "\n".join(line for line in lines if "SOLUTION" not in line)
        if cell.id == "why":
            cell.source = "Because each counter keeps its own total."
    return made


def at(notebook: NotebookNode, cell_id: str) -> NotebookNode:
    """The cell of that id."""
    return next(cell for cell in notebook.cells if cell.id == cell_id)


def without(notebook: NotebookNode, *ids: str) -> NotebookNode:
    """The notebook without some cells."""
    notebook.cells = [cell for cell in notebook.cells if cell.id not in ids]
    return notebook


def bare(notebook: NotebookNode) -> NotebookNode:
    """The notebook without any metadata and ids, as some editors leave it."""
    made = copy.deepcopy(notebook)
    for cell in made.cells:
        cell.metadata = NotebookNode()
        cell.pop("id", None)
    made.metadata = NotebookNode()
    return made


def to_bytes(notebook: Any) -> bytes:
    return json.dumps(notebook).encode()


@dataclass
class FakeExecution:
    outputs: list[NotebookNode] = field(default_factory=list)
    error: str | None = None
    seconds: float = 0.0


@dataclass
class FakeVerdict:
    points: float
    max_points: float
    message: str | None = None
    results: list[Any] = field(default_factory=list)
    outputs: list[NotebookNode] = field(default_factory=list)
    by_student: bool = True


class FakeSession:
    """Runs cells in this very process: nothing is kept apart."""

    sandbox = ("none: a fake",)

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}

    def execute(self, text: str, *, seconds: float | None = None) -> FakeExecution:
        said = io.StringIO()
        error = None
        try:
            with contextlib.redirect_stdout(said):
                exec(text, self.names)
        except BaseException as problem:
            error = f"{type(problem).__name__}: {problem}"
        stream = NotebookNode(output_type="stream", name="stdout", text=said.getvalue())
        return FakeExecution([stream] if said.getvalue() else [], error)


class FakeJudge:
    """Judges in this very process: full points when no test raises."""

    def __init__(self, session: FakeSession) -> None:
        self.session = session

    def bind(self, text: str, *, imports_only: bool = False) -> None:
        pass

    def judge(self, text: str, max_points: float) -> FakeVerdict:
        done = self.session.execute(text)
        return FakeVerdict(0.0 if done.error else max_points, max_points, done.error)


def grade(data: bytes | NotebookNode | Reading) -> Graded:
    """Grade a submission, given as a file's bytes or as a notebook, by the fake engine."""
    if isinstance(data, Reading):
        reading = data
    else:
        reading = read_cells(data if isinstance(data, bytes) else to_bytes(data))
    authority = Authority(source())
    taken = take_in(authority, reading)
    if reading.cells is None:
        return nothing(authority, taken)
    session = FakeSession()
    return Run(authority, taken, session, FakeJudge(session)).grade()

"""What the instructor's notebook says: kinds of cells, what was released, points, names.

The source notebook is the authority. A submission supplies answers and nothing else.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nbformat import NotebookNode

Kind = Literal["test", "answer", "written", "locked", "task", "free"]

CODE_STUB = "# YOUR CODE HERE\nraise NotImplementedError()"
TEXT_STUB = "YOUR ANSWER HERE"
HIDDEN = ("BEGIN HIDDEN TESTS", "END HIDDEN TESTS")
SOLUTION = ("BEGIN SOLUTION", "END SOLUTION")
MARK_SCHEME = ("BEGIN MARK SCHEME", "END MARK SCHEME")
HELPERS = ("BEGIN HELPERS", "END HELPERS")


def cut(text: str, region: tuple[str, str], stub: str | None = None) -> tuple[str, bool]:
    """``text`` without the regions between two delimiters, and whether there were any.

    Each region gives way to ``stub``, indented as its first line is.
    """
    kept: list[str] = []
    inside = found = False
    for line in text.split("\n"):
        if region[0] in line and not inside:
            inside = found = True
            indent = line[: len(line) - len(line.lstrip())]
            if stub is not None:
                kept += [indent + stub_line for stub_line in stub.split("\n")]
        elif region[1] in line and inside:
            inside = False
        elif not inside:
            kept.append(line)
    return "\n".join(kept), found


def bound_names(text: str) -> frozenset[str]:
    """Public names that a cell binds at module level; by pattern where it does not parse."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        found = re.findall(r"^(?:async\s+def|def|class)\s+(\w+)|^(\w+)\s*=[^=]", text, re.MULTILINE)
        return frozenset(name for pair in found for name in pair if name and name[0] != "_")
    return frozenset(name for name in _targets(body) if not name.startswith("_"))


def _targets(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            for part in node.targets if isinstance(node, ast.Assign) else [node.target]:
                yield from (n.id for n in ast.walk(part) if isinstance(n, ast.Name))


@dataclass(frozen=True)
class SourceCell:
    """One cell of the source notebook; ``text`` is what runs, ``released`` what students got."""

    index: int
    kind: Kind
    cell_type: str
    text: str
    released: str
    cell_id: str
    grade_id: str | None = None
    points: float = 0.0
    names: frozenset[str] = frozenset()
    marks: dict[str, Any] = field(default_factory=dict)

    @property
    def hidden(self) -> bool:
        """Whether the cell holds something that no student may see."""
        return self.kind == "test" and self.text != self.released

    @property
    def runs(self) -> bool:
        return self.cell_type == "code"


def kind_of(marks: Mapping[str, Any]) -> Kind:
    """The kind of a cell, from its nbgrader metadata."""
    if marks.get("task"):
        return "task"
    if marks.get("solution"):
        return "written" if marks.get("grade") else "answer"
    if marks.get("grade"):
        return "test"
    return "locked" if marks.get("locked") else "free"


def released(text: str, kind: Kind, cell_type: str) -> str:
    """What ``nbgrader generate_assignment`` makes of a source cell's text."""
    text, helped = cut(text, HELPERS)
    if helped:
        text = text.strip("\n")
    if kind in ("answer", "written"):
        stub = CODE_STUB if cell_type == "code" else TEXT_STUB
        text, regions = cut(text, SOLUTION, stub)
        # A cell whose text is a stub already, as the gradebook keeps it, stays as it is.
        if not regions and "YOUR CODE HERE" not in text and TEXT_STUB not in text:
            text = stub
    text = cut(text, HIDDEN)[0]
    return cut(text, MARK_SCHEME)[0]


def checksum(cell_type: str, text: str, marks: Mapping[str, Any]) -> str:
    """The checksum that nbgrader writes into a cell (``nbgrader.utils.compute_checksum``)."""
    grade, solution = bool(marks.get("grade")), bool(marks.get("solution"))
    locked = not solution and (grade or bool(marks.get("locked")))
    parts = [text, cell_type, str(grade), str(solution), str(locked), str(marks["grade_id"])]
    if grade:
        parts.append(str(float(marks["points"])))
    return hashlib.md5("".join(parts).encode()).hexdigest()


class Authority:
    """A source notebook, read once for a whole class.

    ``texts`` are the cells' texts by grade id as the gradebook keeps them (solutions cleared,
    tests instantiated); they go before those of the notebook.
    """

    def __init__(self, source: NotebookNode, texts: Mapping[str, str] | None = None) -> None:
        self.cells: list[SourceCell] = []
        known = texts or {}
        for index, cell in enumerate(source.cells):
            self.cells.append(self._read(index, cell, known))
        self.by_grade_id = {c.grade_id: c for c in self.cells if c.grade_id}
        kernel = source.metadata.get("kernelspec")
        self.metadata: dict[str, Any] = {"kernelspec": dict(kernel)} if kernel else {}
        self.metadata["language_info"] = {"name": "python"}

    def _read(self, index: int, cell: NotebookNode, known: Mapping[str, str]) -> SourceCell:
        marks = {k: v for k, v in cell.metadata.get("nbgrader", {}).items() if k != "checksum"}
        kind = kind_of(marks)
        grade_id = None if kind == "free" else str(marks["grade_id"])
        if kind == "free":
            marks = {}
        text = known.get(grade_id, cell.source) if grade_id else cell.source
        cleared = grade_id in known and kind in ("answer", "written")
        given = text if cleared else released(text, kind, cell.cell_type)
        if kind in ("answer", "written"):
            text = given  # an answer comes from the student alone
        names = bound_names(cell.source) if kind == "answer" else frozenset()
        points = float(marks.get("points", 0)) if marks.get("grade") or kind == "task" else 0.0
        return SourceCell(
            index=index,
            kind=kind,
            cell_type=cell.cell_type,
            text=text,
            released=given,
            cell_id=cell.get("id", f"cell-{index}"),
            grade_id=grade_id,
            points=points,
            names=names,
            marks=marks,
        )

    @property
    def max_points(self) -> float:
        return sum(cell.points for cell in self.cells)

    def node(self, cell: SourceCell, text: str | None = None) -> NotebookNode:
        """A cell for the autograded notebook: the source's metadata and an answer's text."""
        made = NotebookNode(id=cell.cell_id, cell_type=cell.cell_type, metadata=NotebookNode())
        made.source = cell.text if text is None else text
        if cell.grade_id:
            marks: dict[str, Any] = {
                "schema_version": 3,
                "grade": False,
                "solution": False,
                "locked": False,
            }
            marks |= {"task": False} | cell.marks | {"cell_type": cell.cell_type}
            marks["checksum"] = checksum(cell.cell_type, cell.text, cell.marks)
            made.metadata["nbgrader"] = NotebookNode(marks)
        if cell.cell_type == "code":
            made.outputs = []
            made.execution_count = None
        return made

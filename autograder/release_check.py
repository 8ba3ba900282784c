"""``python -m autograder check ASSIGNMENT``: which cells cannot be graded from outside.

Looks at the source notebook's test and locked cells for what does not work from outside, and grades
the instructor's own solution: whatever loses points there would cost every student those points.
"""

from __future__ import annotations

import argparse
import ast
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder.course_folder import CourseError, CourseFolder
from autograder.light_nbformat import nbformat

if TYPE_CHECKING:
    from nbformat import NotebookNode

SOLUTION_MARKS = ("BEGIN SOLUTION", "END SOLUTION", "BEGIN HELPERS", "END HELPERS")
KERNEL_ONLY = {
    "get_ipython": "it asks for the notebook's kernel, and the judge has none",
    "globals": "it looks at the student's namespace, which lives in another process",
    "locals": "it looks at the student's namespace, which lives in another process",
    "vars": "it looks into the student's objects, which live in another process",
    "input": "nobody is there to answer",
}
LIVE_OBJECT = {
    "isinstance": "a student's object is a stand-in here; ask what it does, not what it is",
    "issubclass": "a student's class is a stand-in here; ask what it does, not what it is",
    "type": "a student's object is a stand-in here; ask what it does, not what it is",
}


@dataclass(frozen=True)
class Problem:
    """A cell that cannot be graded from outside, and why."""

    notebook: str
    cell: str
    why: str

    def __str__(self) -> str:
        return f"{self.notebook}, cell `{self.cell}`: {self.why}"


@dataclass(frozen=True)
class Written:
    """What students write: the names of functions and of classes."""

    functions: frozenset[str]
    classes: frozenset[str]

    @classmethod
    def of(cls, notebook: NotebookNode) -> Written:
        """The definitions in the answer cells of a source notebook."""
        functions: set[str] = set()
        classes: set[str] = set()
        for cell in notebook.cells:
            marks = cell.metadata.get("nbgrader", {})
            if cell.cell_type == "code" and marks.get("solution"):
                for node in statements(cell.source):
                    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                        functions.add(node.name)
                    elif isinstance(node, ast.ClassDef):
                        classes.add(node.name)
        return cls(frozenset(functions), frozenset(classes))


def statements(text: str) -> list[ast.stmt]:
    """A cell's statements; none when it is not Python."""
    try:
        return ast.parse(text).body
    except SyntaxError:
        return []


def is_test(cell: NotebookNode) -> bool:
    marks = cell.metadata.get("nbgrader", {})
    return bool(cell.cell_type == "code" and marks.get("grade") and not marks.get("solution"))


def suspicions(text: str, written: Written) -> Iterator[str]:
    """Why a test cell's code will not do from outside, one sentence a finding."""
    lines = [line for line in text.splitlines() if line.lstrip().startswith(("%", "!"))]
    if lines:
        yield f"the judge runs plain Python, and `{lines[0].strip()}` is IPython's"
        return
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        yield f"line {error.lineno} is not Python: {error.msg}"
        return
    live = instances(tree, written) | written.functions | written.classes
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield from _call(node, node.func.id, written, live)
        elif isinstance(node, ast.Attribute) and is_private(node, live):
            yield f"`{ast.unparse(node)}`: names with an underscore are not handed out"


def is_private(node: ast.Attribute, live: set[str]) -> bool:
    """Whether an attribute of a student's object has a name that is not handed out."""
    owner = node.value
    return isinstance(owner, ast.Name) and owner.id in live and node.attr.startswith("_")


def instances(tree: ast.AST, written: Written) -> set[str]:
    """The variables that hold an instance of a student's class."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _makes_one(node.value, written):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def _makes_one(node: ast.expr, written: Written) -> bool:
    call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    return call and node.func.id in written.classes  # type: ignore[attr-defined]


def _call(node: ast.Call, name: str, written: Written, live: set[str]) -> Iterator[str]:
    if name in KERNEL_ONLY:
        yield f"`{name}()`: {KERNEL_ONLY[name]}"
    elif name in LIVE_OBJECT and node.args:
        asked = node.args[0]
        if _makes_one(asked, written) or (isinstance(asked, ast.Name) and asked.id in live):
            yield f"`{ast.unparse(node)}`: {LIVE_OBJECT[name]}"
    elif name in live:
        values = [*node.args, *(keyword.value for keyword in node.keywords)]
        if any(isinstance(value, ast.Lambda) for value in values):
            why = "hands a function of the judge to the student's process, where it cannot go"
            yield f"`{ast.unparse(node)}` {why}"


def look(name: str, notebook: NotebookNode) -> list[Problem]:
    """What can be told of a source notebook by reading it."""
    written = Written.of(notebook)
    found = []
    for cell in notebook.cells:
        if is_test(cell):
            marks = cell.metadata.nbgrader
            whys = dict.fromkeys(suspicions(cell.source, written))
            found += [Problem(name, marks.grade_id, why) for why in whys]
    return found


def solved(notebook: NotebookNode) -> NotebookNode:
    """The source notebook as if a student had handed in the instructor's solution."""
    made = nbformat.from_dict(notebook)
    for cell in made.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            lines = cell.source.split("\n")
            kept = [line for line in lines if not any(mark in line for mark in SOLUTION_MARKS)]
            cell.source = "\n".join(kept)
    return made


def try_out(course: CourseFolder, assignment: str) -> list[Problem]:
    """Grade the instructor's solution; every lost point is a problem."""
    from autograder.pool import Pool
    from autograder.preload import preload_of
    from autograder.spec import Spec

    found: list[Problem] = []
    paths = course.notebooks(assignment)
    spec = Spec.of(course, assignment, {})
    preload = course.settings.preload or preload_of(paths, course.root)
    with Pool(spec, preload=preload) as pool, tempfile.TemporaryDirectory() as place:
        for path in paths:
            notebook = nbformat.read(path, as_version=4)
            nbformat.write(solved(notebook), Path(place) / path.name)
            outcome = pool.grade("instructor", Path(place), path.stem)
            if outcome.error:
                raise CourseError(f"{path.name} cannot be graded: {outcome.error}")
            graded = nbformat.reads(outcome.notebooks[path.stem], as_version=4)
            found += list(lost(path.stem, graded))
    return found


def lost(name: str, graded: Any) -> Iterator[Problem]:
    """The test cells in which the instructor's solution lost points."""
    for cell in graded.cells:
        record = cell.metadata.get("autograder", {})
        if "max_points" not in record or record["points"] >= record["max_points"]:
            continue
        said = [c["message"] for c in record["checks"] if c["message"]] or [record["message"]]
        why = f"your solution gets {record['points']:g} of {record['max_points']:g}: {said[0]}"
        yield Problem(name, cell.metadata.nbgrader.grade_id, why)


def check(course: CourseFolder, assignment: str) -> list[Problem]:
    """All problems of an assignment's source notebooks."""
    found = []
    for path in course.notebooks(assignment):
        found += look(path.stem, nbformat.read(path, as_version=4))
    return found + try_out(course, assignment)


def main(argv: list[str]) -> int:
    """Print the problems; 0 when there are none, 1 when there are, 2 when it cannot be told."""
    parser = argparse.ArgumentParser(prog="python -m autograder check", description=__doc__)
    parser.add_argument("assignment", metavar="ASSIGNMENT")
    parser.add_argument("--course", type=Path, default=Path(), metavar="DIR")
    options = parser.parse_args(argv)
    try:
        problems = check(CourseFolder(options.course.resolve()), options.assignment)
    except CourseError as error:
        print(f"check: {error}", file=sys.stderr)
        return 2
    for problem in problems:
        print(problem)
    if not problems:
        print(f"{options.assignment}: every test cell can be graded from outside")
    return 1 if problems else 0

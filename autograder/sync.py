"""Rewrite the solution regions of an assignment from the text of ``solutions/``.

A solution cell holds one or more of the exercise's names. Signature and docstring stand outside
the region, the body within it. Private helpers that a name uses stand between ``### BEGIN
HELPERS`` and ``### END HELPERS`` and vanish from the released version. The points of graded cells
are set to those of their checks.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import textwrap
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course.syllabus import ROOT, Exercise, exercise, exercises

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
BEGIN_HELPERS, END_HELPERS = "### BEGIN HELPERS", "### END HELPERS"
Definition = ast.FunctionDef | ast.ClassDef


class Source:
    """The text of one module of ``solutions``, by top-level definition."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = path.read_text("utf-8").splitlines()
        body = ast.parse("\n".join(self.lines)).body
        self.nodes: dict[str, ast.stmt] = {}
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                self.nodes[node.name] = node
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.nodes[node.targets[0].id] = node
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                self.nodes[node.target.id] = node

    def text(self, first: int, last: int) -> list[str]:
        """Lines ``first`` to ``last``, counted from one, both included."""
        return self.lines[first - 1 : last]

    def helpers(self, names: list[str]) -> list[str]:
        """Private top-level names that ``names`` use, directly or not, in the module's order."""
        found: set[str] = set()
        waiting = list(names)
        while waiting:
            for used in _names_in(self.nodes[waiting.pop()]):
                if used.startswith("_") and used in self.nodes and used not in found:
                    found.add(used)
                    waiting.append(used)
        return [name for name in self.nodes if name in found]


def _names_in(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id


def _first_line(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(d.lineno for d in decorators)])


def _last_line(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno


def _region(source: Source, node: ast.FunctionDef) -> list[str]:
    """A function with its body, after the docstring, between the solution delimiters."""
    body = node.body
    documented = ast.get_docstring(node, clean=False) is not None
    if documented and len(body) == 1:
        raise ValueError(f"{source.path.name}: {node.name} has no body to leave out")
    head_end = _last_line(body[0]) if documented else _header_end(source, node)
    indent = " " * (node.col_offset + 4)
    head = source.text(_first_line(node), head_end)
    inner = source.text(head_end + 1, _last_line(node))
    return [*head, indent + BEGIN, *inner, indent + END]


def _header_end(source: Source, node: ast.FunctionDef) -> int:
    """The last line of an undocumented function's signature."""
    line = node.body[0].lineno - 1
    while not source.lines[line - 1].rstrip().endswith(":"):
        line -= 1  # comments may stand between the signature and the first statement
    return line


def _class(source: Source, node: ast.ClassDef) -> list[str]:
    """A class: public methods cleared of their bodies, private ones wholly the student's."""
    out: list[str] = []
    done = _first_line(node) - 1
    for part in node.body:
        if not isinstance(part, ast.FunctionDef):
            continue
        out += source.text(done + 1, _first_line(part) - 1)
        private = part.name.startswith("_") and not part.name.endswith("__")
        if private:
            method = source.text(_first_line(part), _last_line(part))
            out += ["    " + BEGIN_HELPERS, *method, "    " + END_HELPERS]
        else:
            out += _region(source, part)
        done = _last_line(part)
    return out + source.text(done + 1, _last_line(node))


def render(source: Source, names: list[str], given: set[str]) -> str:
    """The text of a solution cell for ``names``; ``given`` helpers stand in an earlier cell."""
    blocks: list[str] = []
    helpers = [name for name in source.helpers(names) if name not in given]
    if helpers:
        texts = []
        for name in helpers:
            node = source.nodes[name]
            texts.append("\n".join(source.text(_first_line(node), _last_line(node))))
        # Two blank lines before the closing comment, as the formatter wants them after a function.
        blocks.append("\n".join([BEGIN_HELPERS, "\n\n\n".join(texts), "", "", END_HELPERS]))
        given.update(helpers)
    for name in names:
        node = source.nodes[name]
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            raise ValueError(f"{source.path.name}: {name} is not a function or class")
        lines = _class(source, node) if isinstance(node, ast.ClassDef) else _region(source, node)
        blocks.append(textwrap.dedent("\n".join(lines)))
    return "\n\n\n".join(blocks)


def names_in_cell(cell: NotebookNode, exercise: Exercise) -> list[str]:
    """The exercise's names that a cell defines at its top level."""
    body = ast.parse(cell.source).body
    defined = [n.name for n in body if isinstance(n, (ast.FunctionDef, ast.ClassDef))]
    return [name for name in defined if name in exercise.names]


def is_code_answer(cell: NotebookNode) -> bool:
    """Whether a cell is one that a student fills with code."""
    return cell.cell_type == "code" and bool(cell.metadata.get("nbgrader", {}).get("solution"))


def synced(notebook: NotebookNode, exercise: Exercise) -> list[tuple[NotebookNode, str]]:
    """Every solution cell with its due text; raises ValueError when a name has no cell."""
    source = Source(ROOT / "solutions" / f"{exercise.word}.py")
    given: set[str] = set()
    pairs = []
    seen: list[str] = []
    for cell in notebook.cells:
        if is_code_answer(cell):
            names = names_in_cell(cell, exercise)
            if names:
                seen += names
                pairs.append((cell, render(source, names, given)))
    missing = [name for name in exercise.names if name not in seen]
    if missing:
        raise ValueError(f"{exercise.assignment.name} has no solution cell for {missing}")
    return pairs


def due_points(notebook: NotebookNode, exercise: Exercise) -> list[tuple[NotebookNode, float]]:
    """Every graded code cell with the points of the checks that it runs."""
    pairs = []
    for package, kind in (("course", "visible"), ("autograder", "hidden")):
        suite = importlib.import_module(f"{package}.checks.{exercise.word}").suite
        due = {f"{name}-{kind}": suite.points(name) for name in exercise.names}
        for cell in notebook.cells:
            grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
            if grade_id in due:
                pairs.append((cell, due[grade_id]))
    return pairs


def main(argv: list[str]) -> int:
    """``python -m autograder sync``: rewrite, or with ``--check`` only compare."""
    parser = argparse.ArgumentParser(prog="python -m autograder sync", description=__doc__)
    parser.add_argument("word", nargs="*", help="exercises; all when none is named")
    parser.add_argument(
        "--check", action="store_true", help="change nothing, exit 1 on a difference"
    )
    options = parser.parse_args(argv)
    differing = 0
    for word in options.word or exercises():
        chosen = exercise(word)
        notebook = nbformat.read(chosen.assignment, as_version=4)
        stale = [(cell, text) for cell, text in synced(notebook, chosen) if cell.source != text]
        for cell, text in stale:
            print(f"{word}: {cell.metadata.nbgrader.grade_id} differs from solutions/{word}.py")
            cell.source = text
        off = [(c, p) for c, p in due_points(notebook, chosen) if c.metadata.nbgrader.points != p]
        for cell, points in off:
            print(f"{word}: {cell.metadata.nbgrader.grade_id} is worth {points:g} points")
            cell.metadata.nbgrader["points"] = points
        differing += len(stale) + len(off)
        if (stale or off) and not options.check:
            nbformat.write(notebook, chosen.assignment)
    print(f"{differing} cells {'differ' if options.check else 'rewritten'}")
    return 1 if options.check and differing else 0

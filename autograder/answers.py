"""``python -m autograder try WORD FILE.py …``: grade answer files, check by check.

Each file's definitions take the place of the assignment's solution regions, and the notebook that
results is graded by the path that every submission takes.
"""

from __future__ import annotations

import argparse
import ast
import copy
import json
import re
import secrets
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from nbformat import NotebookNode

from autograder.sync import is_code_answer
from course.syllabus import Exercise, exercise, exercises

if TYPE_CHECKING:
    from autograder.zygote import Zygote
    from course.checks import Result


class AnswerError(ValueError):
    """A file that cannot be graded; the message names the file, the place and the way out."""


@dataclass
class Tried:
    """One file's grade: its checks, or the error that kept it from being graded."""

    file: str
    word: str
    points: float = 0.0
    max_points: float = 0.0
    checks: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None

    def line(self) -> str:
        """The JSON object of one line."""
        return json.dumps(self.__dict__, ensure_ascii=False)


def bound_names(body: list[ast.stmt]) -> Iterator[str]:
    """Names that statements bind at module level, in whatever way."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from ((a.asname or a.name).split(".")[0] for a in node.names)
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                yield part.id
            elif isinstance(part, (ast.FunctionDef, ast.ClassDef)):
                yield part.name  # within an if, try or with


def read_answer(path: Path, chosen: Exercise) -> str:
    """The text of an answer file; raises AnswerError when it cannot be read, parsed or is short."""
    try:
        text = path.read_text("utf-8")
        body = ast.parse(text, str(path)).body
    except OSError as error:
        raise AnswerError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise AnswerError(f"{path}: is not UTF-8 text (byte {error.start})") from None
    except SyntaxError as error:
        raise AnswerError(f"{path}, line {error.lineno}: syntax error: {error.msg}") from None
    except ValueError as error:  # null bytes
        raise AnswerError(f"{path}: is not Python source: {error}") from None
    star = any(isinstance(n, ast.ImportFrom) and n.names[0].name == "*" for n in body)
    missing = sorted(set(chosen.names) - set(bound_names(body)), key=chosen.names.index)
    if missing and not star:
        every = ", ".join(chosen.names)
        raise AnswerError(
            f"{path}: does not define {', '.join(missing)}. A file must define all of: {every}"
        )
    return text


def with_answer(source: NotebookNode, text: str) -> NotebookNode:
    """The source notebook as a submission whose answers are ``text``."""
    submission = copy.deepcopy(source)
    answers = [cell for cell in submission.cells if is_code_answer(cell)]
    answers[0].source = text
    for cell in answers[1:]:
        cell.source = "# The answer stands in the first answer cell."
    return submission


def import_error(graded: NotebookNode, path: Path, source: NotebookNode, text: str) -> str | None:
    """What the answer's own cell raised, with its line in the file, or None."""
    # IPython counts lines from the first that is not empty.
    skipped = len(text) - len(text.lstrip("\n"))
    first = next(c.metadata.nbgrader.grade_id for c in source.cells if is_code_answer(c))
    for cell in graded.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") != first:
            continue
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                trace = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(output.get("traceback", [])))
                lines = re.findall(r"Cell [^\n]*?, line (\d+)|^-+> ?(\d+)", trace, re.MULTILINE)
                place = f", line {int(lines[0][0] or lines[0][1]) + skipped}" if lines else ""
                said = " ".join(f"{output.ename}: {output.evalue}".split())[:300]
                return f"{path}{place}: raises on import: {said}"
    return None


def grade_answer(path: Path, chosen: Exercise, zygote: Zygote, seed: int) -> list[Result]:
    """Grade one file; returns the results of its checks.

    Raises AnswerError when the file cannot be read, parsed or imported, or lacks a name.
    """
    from autograder.grading import grade_notebook

    text = read_answer(path, chosen)
    source = nbformat.read(chosen.assignment, as_version=4)
    with tempfile.TemporaryDirectory(prefix="try-") as folder:
        graded = grade_notebook(
            source,
            with_answer(source, text),
            zygote=zygote,
            folder=Path(folder),
            seed=seed,
            earlier=chosen.earlier,
        )
    raised = import_error(graded.notebook, path, source, text)
    if raised is not None:
        raise AnswerError(raised)
    results = [found for cell in graded.cells.values() for found in cell.results]
    if not results:
        raise AnswerError(f"{path}: no check could be run: {'; '.join(graded.notes)}")
    return results


def try_file(path: Path, chosen: Exercise, zygote: Zygote, seed: int) -> Tried:
    """Grade one file. Never raises on a bad file: the result's ``error`` says what is wrong."""
    tried = Tried(str(path), chosen.word)
    try:
        results = grade_answer(path, chosen, zygote, seed)
    except AnswerError as error:
        tried.error = str(error)
        return tried
    for found in results:
        tried.checks.append(
            {
                "name": found.name,
                "for": found.about,
                "hidden": found.hidden,
                "points": found.points,
                "max_points": found.max_points,
                "message": found.message,
            }
        )
    tried.points = sum(found.points for found in results)
    tried.max_points = sum(found.max_points for found in results)
    return tried


def show(tried: Tried) -> str:
    """One file's result as text for a person."""
    if tried.error is not None:
        return f"{tried.file}\n  could not be graded: {tried.error}"
    lines = [f"{tried.file}: {tried.points:g} of {tried.max_points:g} points"]
    about = None
    for check in tried.checks:
        if check["for"] != about:
            about = check["for"]
            lines.append(f"  {about}")
        mark = "pass" if check["message"] is None else "FAIL"
        kind = "hidden" if check["hidden"] else "visible"
        lines.append(f"    {mark}  {check['name']} ({check['max_points']:g}, {kind})")
        if check["message"]:
            lines.append(f"          {check['message']}")
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """The options of ``try``."""
    made = argparse.ArgumentParser(prog="python -m autograder try", description=__doc__)
    made.add_argument("word", choices=list(exercises()), metavar="WORD", help="the exercise")
    made.add_argument("file", nargs="+", type=Path, metavar="FILE.py", help="answer files")
    made.add_argument("--json", action="store_true", help="one JSON object a line, one line a file")
    made.add_argument("--seed", type=int, help="draw the checks' inputs from this seed")
    return made


def main(argv: list[str]) -> int:
    """Grade the files; 0 when every file could be graded, 2 when one could not."""
    options = parser().parse_args(argv)
    from autograder.zygote import Zygote

    chosen = exercise(options.word)
    seed = secrets.randbits(48) if options.seed is None else options.seed
    failed = False
    with Zygote.start() as zygote:
        for path in options.file:
            tried = try_file(path, chosen, zygote, seed)
            failed |= tried.error is not None
            print(tried.line() if options.json else show(tried), flush=True)
            if tried.error is not None and options.json:
                print(tried.error, file=sys.stderr)
    return 2 if failed else 0

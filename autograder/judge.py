"""Run test cells on the judge's side; names that it does not know are the student's."""

from __future__ import annotations

import ast
import builtins
import contextlib
import hashlib
import io
import math
import numbers
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import nbformat.v4
from nbformat import NotebookNode

from autograder.errors import TimeLimit, UnfitCell, WorkerLost
from autograder.session import DEFINING, HUNG, Session
from course.checks.base import CheckFailed, Result, collect, seeded

MAX_PRINTED = 100_000
SLACK = 5.0  # seconds beyond a cell's time in which the judge's own work must end


@dataclass(frozen=True)
class Verdict:
    """The judgement of one test cell. ``results`` is empty for cells of plain asserts."""

    points: float
    max_points: float
    message: str | None
    results: list[Result]
    outputs: list[NotebookNode]
    by_student: bool = False  # whether the message may hold words of the student's code


class Names(dict[str, Any]):
    """The judge's globals: its own names first, then the student's public ones."""

    def __init__(self, session: Session) -> None:
        super().__init__(__builtins__=builtins, __name__="__judge__")
        self.session = session
        self.asked_for: set[str] = set()  # what the source's solution cells define

    def __missing__(self, name: str) -> Any:
        own = name not in self.asked_for and hasattr(builtins, name)
        if name.startswith("_") or own:
            raise KeyError(name)
        return self.session.get(name)


class Judge:
    """Judges the test cells of one submission, in order."""

    def __init__(
        self, session: Session, *, seed: int, cell_seconds: float = 60, ask_seconds: float = 10
    ) -> None:
        self.session = session
        self.seed = seed
        self.cell_seconds = cell_seconds
        session.ask_seconds = ask_seconds
        self.names = Names(session)
        self.bound: set[str] = set()
        self.tests: set[str] = set()  # functions, classes and imports of test cells
        self._seen = 0

    def bind(self, source: str, *, imports_only: bool = False) -> None:
        """Take over what a cell of the source notebook defines without the student's help.

        Imports always; functions always, because they look their names up when they are called;
        classes and assignments when every name that they read is known here. ``imports_only`` is
        for solution cells: what else they define is the student's to write, be it named ``sum``.
        """
        for statement in _statements(source):
            if imports_only and not isinstance(statement, (ast.Import, ast.ImportFrom)):
                self.names.asked_for |= stored_names(statement)
            if not self._own(statement, imports_only):
                continue
            code = compile(ast.Module([statement], []), "<source notebook>", "exec")
            with contextlib.suppress(Exception):
                exec(code, self.names)
                self.bound |= stored_names(statement)
                for name in stored_names(statement):
                    self.session.shared[name] = self.names[name]

    def _own(self, statement: ast.stmt, imports_only: bool) -> bool:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            return True
        if imports_only:
            return False
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            outer = [*statement.decorator_list, *statement.args.defaults]
            return all(self._knows(part) for part in outer)
        if isinstance(statement, ast.ClassDef):
            return all(self._knows(part) for part in [*statement.bases, *statement.decorator_list])
        if isinstance(statement, (ast.Assign, ast.AnnAssign)):
            return self._knows(statement)
        return False

    def _knows(self, node: ast.AST) -> bool:
        read = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and _is_read(n)}
        return all(name in self.names or hasattr(builtins, name) for name in read)

    def judge(self, source: str, max_points: float) -> Verdict:
        """Run a test cell: an exception costs all points, a number at its end gives that many."""
        self._make_way()
        # One more try in each cell for a name that ran too long in the cell before.
        self.session.hung = {n: min(c, HUNG - 1) for n, c in self.session.hung.items()}
        printed = io.StringIO()
        message, value, by_student = None, None, False
        self.session.deadline = time.monotonic() + self.cell_seconds
        self.settle(source)
        results: list[Result] = []
        try:
            with (
                seeded(self.seed),
                collect() as results,
                contextlib.redirect_stdout(printed),
                self._watched(),
            ):
                value = self._run(source)
        except (Exception, WorkerLost) as error:
            message = explain(error)
            by_student = not isinstance(error, (WorkerLost, UnfitCell, CheckFailed))
        finally:
            self.session.deadline = None
        self.tests |= {name for part in _statements(source) for name in _defined(part)}
        points = 0.0 if message is not None else credit(value, max_points)
        return Verdict(points, max_points, message, results, _shown(printed), by_student)

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        """End the test cell's own work too when it goes on beyond the cell's time."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def look(*_: Any) -> None:
            end = self.session.deadline
            if end is not None and not self.session.replaying and time.monotonic() > end + SLACK:
                self.session.close()  # it may be in the middle of an answer
                raise TimeLimit("the checks of this cell used up their time")

        before = signal.signal(signal.SIGALRM, look)
        signal.setitimer(signal.ITIMER_REAL, 1.0, 1.0)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, before)

    def settle(self, salt: str) -> None:
        """Seed the student's process for what comes, the same in every grading of a submission.

        The number tells nothing about the checks' own draws. A process that cannot be seeded loses
        nothing by it: the next question finds out what is wrong with it.
        """
        digest = hashlib.sha256("\0".join([str(self.seed), "worker", salt]).encode()).digest()
        with contextlib.suppress(Exception, WorkerLost):
            self.session.ask("seed", int.from_bytes(digest[:4], "big"))

    def _run(self, source: str) -> Any:
        """Execute a cell; its last expression's value if that is the judge's own."""
        tree = ast.parse(source)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "<test cell>", "exec"), self.names)
        if not isinstance(last, ast.Expr):
            return None
        value = eval(compile(ast.Expression(last.value), "<test cell>", "eval"), self.names)
        if not self._is_score(last.value):
            return None
        if is_sum(tree, last.value) and not isinstance(value, numbers.Real):
            kind = type(value).__name__
            raise CheckFailed(f"The points of this cell came out as a {kind}, not as a number.")
        return value

    def _is_score(self, node: ast.expr) -> bool:
        """Whether an expression is the judge's: a student's call alone never gives points."""
        while isinstance(node, (ast.Call, ast.Attribute, ast.Subscript)):
            node = node.func if isinstance(node, ast.Call) else node.value
        if not isinstance(node, ast.Name):
            return True
        return node.id in self.names or hasattr(builtins, node.id)

    def _make_way(self) -> None:
        """Names that the student's later cells set hide those that an earlier test cell set.

        But never its functions, classes and imports, unless a solution cell asks for that name.
        """
        bound = self.bound | (self.tests - self.names.asked_for)
        for cell in self.session.cells[self._seen :]:
            for statement in _statements(cell.source):
                for name in stored_names(statement) - bound:
                    self.names.pop(name, None)
        self._seen = len(self.session.cells)


def is_sum(cell: ast.Module, last: ast.expr) -> bool:
    """Whether a cell's last expression can only be meant as points that were added up."""
    if isinstance(last, ast.Name):
        steps = [n for n in ast.walk(cell) if isinstance(n, ast.AugAssign)]
        return any(isinstance(s.target, ast.Name) and s.target.id == last.id for s in steps)
    if isinstance(last, ast.Call) and isinstance(last.func, ast.Name):
        return last.func.id in ("sum", "round", "float", "int", "min", "max")
    return isinstance(last, ast.BinOp)


def credit(value: Any, max_points: float) -> float:
    """Points for the value of a test cell's last expression."""
    if isinstance(value, (bool, complex)) or not isinstance(value, numbers.Real):
        return float(max_points)
    number = float(value)
    return 0.0 if math.isnan(number) else min(max(number, 0.0), float(max_points))


def explain(error: BaseException) -> str:
    """A failed test cell in words for the student."""
    text = " ".join(str(error).split())[:1000]
    if isinstance(error, CheckFailed):
        return text
    if isinstance(error, WorkerLost):
        return f"{text[:1].upper()}{text[1:]}."
    if isinstance(error, AssertionError):
        return text or f"An assertion of this cell does not hold{_line(error)}."
    if isinstance(error, UnfitCell):
        return f"This test cell cannot be judged: {text}. Please tell your instructor."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _line(error: BaseException) -> str:
    """The line of the test cell that an error came from."""
    found = error.__traceback__
    line = None
    while found is not None:
        if found.tb_frame.f_code.co_filename == "<test cell>":
            line = found.tb_lineno
        found = found.tb_next
    return "" if line is None else f" (line {line})"


def _shown(printed: io.StringIO) -> list[NotebookNode]:
    text = printed.getvalue()[:MAX_PRINTED]
    return [nbformat.v4.new_output("stream", name="stdout", text=text)] if text else []


def _statements(source: str) -> list[ast.stmt]:
    """A cell's top-level statements; none for what is no plain Python (magics)."""
    try:
        return ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        lines = [line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))]
        with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            return ast.parse("\n".join(lines)).body
        return []


def _is_read(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Load)


def _defined(statement: ast.stmt) -> set[str]:
    """The names of a top-level function, class or import."""
    return stored_names(statement) if isinstance(statement, DEFINING) else set()


def stored_names(statement: ast.stmt) -> set[str]:
    """The names that a top-level statement sets."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return {(a.asname or a.name).split(".")[0] for a in statement.names}
    found = [n for n in ast.walk(statement) if isinstance(n, ast.Name)]
    return {name.id for name in found if not _is_read(name)}

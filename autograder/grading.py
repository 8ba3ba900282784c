"""Grade one notebook: run what the student wrote in a worker, judge it from outside.

The source notebook decides what is tested, in which order, and for how many points.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbformat import NotebookNode

from autograder import report
from autograder.authority import Authority, SourceCell
from autograder.intake import Intake, Planned, take_in
from autograder.provisions import lay_out
from autograder.reading import Reading, raw_cell

if TYPE_CHECKING:
    from course.checks import Result

TOO_LONG = "The notebook as a whole ran longer than is allowed; this cell was not run any more."
TOO_LARGE = "[The outputs of this notebook are too large: these are not kept.]\n"
MAX_OUTPUTS = 64 << 20  # bytes of all cells' outputs together
OURS = ("TimeLimit", "ProcessEnded", "MemoryLimit", "DiskLimit")  # the words are the judge's
UNQUOTED = "What it says is not shown, because this test ran after hidden ones."
NOTHING = "Nothing could be graded, because no readable notebook was handed in."


@dataclass
class CellGrade:
    """The verdict on one graded cell; ``points`` is None where a person must grade."""

    grade_id: str
    points: float | None
    max_points: float
    message: str | None = None
    results: list[Result] = field(default_factory=list)


@dataclass
class Graded:
    """A graded notebook with the worker's outputs, and everything that feedback needs."""

    notebook: NotebookNode
    cells: dict[str, CellGrade]
    notes: list[str] = field(default_factory=list)
    sandbox: list[str] = field(default_factory=list)
    seconds: float = 0.0
    unanswered: list[str] = field(default_factory=list)

    @property
    def points(self) -> float:
        """Points so far; those that a person must give count as none."""
        return sum(cell.points or 0.0 for cell in self.cells.values())


def grade_notebook(
    source: NotebookNode,
    submission: NotebookNode | None,
    *,
    zygote: Any,
    folder: Path,
    seed: int,
    readable: Sequence[Path] = (),
    limits: Any = None,
    earlier: Sequence[str] = (),
) -> Graded:
    """Grade ``submission`` (None: nothing was handed in) against ``source``.

    ``folder`` is the student's scratch folder. ``earlier`` names modules of ``solutions`` that the
    student's code may import. Raises what the engine raises, never what a student's code raises.
    """
    authority = Authority(source)
    if submission is None:
        reading = Reading(None, ["No notebook was handed in."])
    else:
        cells = [cell for cell in map(raw_cell, submission.cells) if cell is not None]
        reading = Reading(cells)
    readable = [*readable, *lay_out(folder, earlier)]
    return grade_reading(
        authority,
        reading,
        zygote=zygote,
        folder=folder,
        seed=seed,
        readable=readable,
        limits=limits,
    )


def grade_reading(
    authority: Authority,
    reading: Reading,
    *,
    zygote: Any,
    folder: Path,
    seed: int,
    readable: Sequence[Path] = (),
    limits: Any = None,
    data: Path | None = None,
    cell_seconds: float = 60.0,
    submission_seconds: float = 600.0,
) -> Graded:
    """Grade what was read from a submission. ``data`` is the folder in which test cells run."""
    started = time.perf_counter()
    taken = take_in(authority, reading)
    if reading.cells is None:
        graded = nothing(authority, taken)
    else:
        from autograder.judge import Judge
        from autograder.session import Limits, Session

        session = Session(zygote, folder, readable=tuple(readable), limits=limits or Limits())
        try:
            asks = min(10.0, cell_seconds)
            judge = Judge(session, seed=seed, cell_seconds=cell_seconds, ask_seconds=asks)
            run = Run(authority, taken, session, judge)
            run.cell_seconds = cell_seconds
            run.ends = started + submission_seconds
            session.ends = time.monotonic() + submission_seconds - (time.perf_counter() - started)
            judge.settle("the student's own cells")
            with working_in(data):
                graded = run.grade()
            graded.sandbox = list(session.sandbox)
        finally:
            session.close()
    graded.seconds = time.perf_counter() - started
    record(graded)
    return graded


@contextlib.contextmanager
def working_in(folder: Path | None) -> Iterator[None]:
    """Run test cells in a folder with the assignment's data, untouched by the student."""
    before = Path.cwd()
    if folder is not None:
        os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


class Run:
    """The cells of one submission, executed and judged in order."""

    def __init__(self, authority: Authority, taken: Intake, session: Any, judge: Any) -> None:
        self.authority = authority
        self.taken = taken
        self.session = session
        self.judge = judge
        self.count = 0
        self.cell_seconds = 60.0
        self.ends = float("inf")
        self.hidden_ran = False
        self.room = MAX_OUTPUTS
        self.graded = Graded(blank(authority), {}, list(taken.notes))

    def grade(self) -> Graded:
        """Run all cells in their order; returns the graded notebook."""
        for planned in self.taken.cells:
            source = planned.source
            if source is not None and source.kind == "test" and source.runs:
                self._judge(planned.node, source)
            elif planned.node.cell_type == "code" and planned.node.source.strip():
                self._execute(planned)
            if source is not None and source.kind in ("written", "task", "answer"):
                self._note_answer(planned, source)
            self.graded.notebook.cells.append(planned.node)
        return self.graded

    def _note_answer(self, planned: Planned, source: SourceCell) -> None:
        grade_id = str(source.grade_id)
        if not planned.answered:
            self.graded.unanswered.append(grade_id)
        if source.kind != "answer":
            points = 0.0 if source.kind == "written" and not planned.answered else None
            self.graded.cells[grade_id] = CellGrade(grade_id, points, source.points)

    def _execute(self, planned: Planned) -> None:
        node, source = planned.node, planned.source
        seconds = min(self.cell_seconds, self.ends - time.perf_counter())
        if seconds <= 0:
            node.outputs = [error_output(f"TimeoutError: {TOO_LONG}")]
            return
        done = self.session.execute(node.source, seconds=seconds)
        self.count += 1
        node.execution_count = self.count
        node.outputs = self._kept(done.outputs)
        for output in node.outputs:
            if output.output_type == "execute_result":
                output.execution_count = self.count
        if done.error and not any(o.output_type == "error" for o in node.outputs):
            node.outputs.append(error_output(done.error))
        if self.hidden_ran:
            # What runs after a hidden test may have seen its values: no output of it goes out.
            node.metadata.setdefault("autograder", NotebookNode())["after_hidden"] = True
        if source is not None and source.runs:
            self._bind(source)

    def _kept(self, outputs: Sequence[NotebookNode]) -> list[NotebookNode]:
        """A cell's outputs, as long as those of the whole notebook are not too large."""
        self.room -= sum(len(json.dumps(output)) for output in outputs)
        if self.room >= 0:
            return list(outputs)
        return [NotebookNode(output_type="stream", name="stderr", text=TOO_LARGE)]

    def _bind(self, source: SourceCell) -> None:
        """Let the judge know the source's own imports and locked helpers, never the student's."""
        if source.kind == "locked":
            self.judge.bind(source.text)
        elif source.kind in ("free", "answer"):
            self.judge.bind(source.released, imports_only=True)

    def _judge(self, node: NotebookNode, source: SourceCell) -> None:
        self.count += 1
        node.execution_count = self.count
        by_student = False
        if time.perf_counter() >= self.ends:
            said: Any = (0.0, source.points, TOO_LONG, [])
            node.outputs = [report.output(*said)]
        else:
            verdict = self.judge.judge(source.text, source.points)
            by_student = verdict.by_student
            points = min(max(float(verdict.points), 0.0), source.points)
            said = (points, source.points, verdict.message, verdict.results)
            node.outputs = [*verdict.outputs, report.output(*said)]
        grade = CellGrade(str(source.grade_id), *said)
        self.graded.cells[grade.grade_id] = grade
        record = cell_record(grade, source)
        if self.hidden_ran and not source.hidden:
            unquote(record, by_student)
        node.metadata["autograder"] = record
        self.hidden_ran = self.hidden_ran or source.hidden


def blank(authority: Authority) -> NotebookNode:
    """A notebook without cells, with the source's kernel."""
    return NotebookNode(
        nbformat=4,
        nbformat_minor=5,
        metadata=NotebookNode(
            {
                k: NotebookNode(v) if isinstance(v, dict) else v
                for k, v in authority.metadata.items()
            }
        ),
        cells=[],
    )


def nothing(authority: Authority, taken: Intake) -> Graded:
    """No readable notebook: the source's cells with no points, and nothing run."""
    graded = Graded(blank(authority), {}, list(taken.notes))
    for planned in taken.cells:
        source = planned.source
        graded.notebook.cells.append(planned.node)
        if source is None or source.kind in ("free", "locked"):
            continue
        graded.unanswered.append(str(source.grade_id))
        if source.kind != "answer":
            grade = CellGrade(str(source.grade_id), 0.0, source.points, NOTHING)
            graded.cells[grade.grade_id] = grade
            if source.kind == "test":
                planned.node.metadata["autograder"] = cell_record(grade, source)
    return graded


def cell_record(grade: CellGrade, source: SourceCell) -> NotebookNode:
    """A verdict as metadata of its cell: all that feedback shows of it."""
    checks = [NotebookNode(asdict(found)) for found in grade.results]
    return NotebookNode(
        points=grade.points,
        max_points=grade.max_points,
        message=grade.message,
        hidden=source.hidden,
        visible_text=source.released,
        visible_lines=common_lines(source.text, source.released),
        checks=checks,
    )


def unquote(record: NotebookNode, by_student: bool) -> None:
    """Take out of a visible test's record what the student's code said in an exception.

    It may have kept what an earlier hidden test passed in. ``by_student`` says whether the message
    of the whole cell holds words of the student's.
    """
    for check in record.checks:
        found = report.STOPPED.match(check.message or "")
        if found and found[2] not in OURS:
            check.message = f"{found[1]}. {UNQUOTED}"
    said = record.message or ""
    if not by_student or report.LINE.search(said) or said.strip(" .") in record.visible_text:
        return
    kind = re.match(r"\w+(?=: )", said)
    record.message = f"{kind[0] if kind else 'A test of this cell did not pass'}. {UNQUOTED}"


def common_lines(text: str, released: str) -> int:
    """How many lines, from the first on, a cell's text and what was released have in common."""
    pairs = zip(text.split("\n"), released.split("\n"), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def record(graded: Graded) -> None:
    """Write notes, sandbox and time into the notebook's metadata."""
    graded.notebook.metadata["autograder"] = NotebookNode(
        notes=list(graded.notes),
        sandbox=list(graded.sandbox),
        seconds=round(graded.seconds, 2),
        unanswered=list(graded.unanswered),
    )


def error_output(error: str) -> NotebookNode:
    """An error output for what ended a cell from outside, a timeout or a crash."""
    name, _, value = error.partition(":")
    return NotebookNode(
        output_type="error", ename=name.strip(), evalue=value.strip(), traceback=[error]
    )


def as_json(graded: Graded) -> Mapping[str, Any]:
    """A graded notebook's scores as plain data, for other processes and machines."""
    return {
        "cells": {k: [c.points, c.max_points] for k, c in graded.cells.items()},
        "unanswered": graded.unanswered,
        "notes": graded.notes,
        "sandbox": graded.sandbox,
        "seconds": graded.seconds,
        "points": graded.points,
        "max_points": sum(cell.max_points for cell in graded.cells.values()),
    }

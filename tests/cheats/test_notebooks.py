"""Whole notebooks that cheat: each is graded by a judge's process, then written and shown.

What can go wrong here goes beyond points: a judge that dies or hangs, a result that cannot be
written, a page that tells what hidden tests pass in.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder import pool as pools
from autograder.feedback import render
from autograder.pool import Pool
from autograder.sandbox import kernel
from autograder.spec import Outcome, Spec
from tests.intake.course import mark
from tests.warm import zygote

pytestmark = pytest.mark.skipif(not kernel.LINUX, reason="the sandbox is Linux's")
SECRETS = ("123457", "246914", "97531", "48765")
DOUBLE, HALF = "def double(x): return 2 * x", "def half(x): return x / 2"
KEEP = "seen = []\ndef double(x):\n    seen.append(x)\n    return 2 * x"
FORGE = """
import gc
for found in gc.get_objects():
    if type(found).__name__ == "Capture":
        found.finish = lambda: [{}]
"""
DIES_LATER = "import os, time\nif time.time() - os.stat('.').st_mtime > 2: os._exit(3)"
EXITS = "import os\ndef {}(x): os._exit(1)"
DEEP = "def f(): return " + "+".join(["1"] * 2000) + "\nimport os; os._exit(0)"
SHOW = "from IPython.display import publish_display_data as show\n"
ODD_MIMES = """
show({"text/plain": {"a": 1}}); show({"text/html": None}); show({"image/png": 123})
show({"image/svg+xml": ["<svg", {}]}); show({"text/html": ["<b>", 5]}); show({"image/png": {}})
show({"text/plain": "x"}, {"autograder": ["report"], "a": {"b": 1}}); show("no bundle")
"""


def source(hidden: str = "assert double(123457) == 246914") -> Any:
    """Two answers of 2 + 3 points each, with visible and hidden tests by turns."""
    cells = [
        new_code_cell("import numpy as np", id="imports", metadata=mark("imports", "locked")),
        new_code_cell("### BEGIN SOLUTION\n### END SOLUTION", id="a", metadata=mark("a", "answer")),
        new_code_cell("assert double(3) == 6", id="av", metadata=mark("av", "test", 2)),
        new_code_cell(concealed(hidden), id="ah", metadata=mark("ah", "test", 3)),
        new_code_cell("### BEGIN SOLUTION\n### END SOLUTION", id="b", metadata=mark("b", "answer")),
        new_code_cell("assert half(8) == 4", id="bv", metadata=mark("bv", "test", 2)),
        new_code_cell(
            concealed("assert half(97531) == 48765.5"), id="bh", metadata=mark("bh", "test", 3)
        ),
    ]
    return new_notebook(cells=cells)


def concealed(text: str) -> str:
    return f"### BEGIN HIDDEN TESTS\n{text}\n### END HIDDEN TESTS"


def submission(*extra: str, a: str = DOUBLE, b: str = HALF) -> Any:
    """A notebook with these answers, and cells of the student's own before them."""
    made = source()
    made.cells[1].source, made.cells[4].source = a, b
    made.cells[1:1] = [new_code_cell(text) for text in extra]
    return made


def grade(folder: Path, handed_in: Any, hidden: str | None = None, **settings: Any) -> Outcome:
    """Grade a notebook in a judge's process of its own."""
    text = nbformat.writes(source() if hidden is None else source(hidden))
    spec = Spec("week", {"nb": text}, seed=5, **{"cell_seconds": 3.0, **settings})
    (folder / "nb.ipynb").write_text(json.dumps(handed_in), "ascii")
    with Pool(spec, zygote=zygote()) as pool:
        return pool.grade("eve", folder)


def points(outcome: Outcome) -> list[float]:
    assert outcome.error is None, outcome.error
    return [got for got, _ in outcome.scores["nb"]["cells"].values()]


def page(outcome: Outcome) -> str:
    """The feedback page, once the result has stood the way to a file."""
    notebook = nbformat.reads(outcome.notebooks["nb"].encode("utf-8").decode("utf-8"), 4)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.metadata.nbgrader["score"] = cell.metadata.autograder.points
    about = {"notebook": "nb", "assignment": "week", "student": "eve", "max_score": 10.0}
    shown = render(notebook, {**about, "score": 1.0, "late_penalty": 0})
    shown.encode("utf-8")
    return shown


HARMLESS = {
    "a surrogate is printed": "print('\\ud800')",
    "a surrogate in an error": "raise ValueError('\\ud800')",
    "a surrogate in HTML": SHOW + "show({'text/html': '\\ud800<b>x</b>'})",
    "a tensor as an output": FORGE.format(
        "{'output_type': 'display_data', 'metadata': {}, "
        "'data': {'text/plain': __import__('torch').ones(2)}}"
    ),
    "a traceback of no lines": FORGE.format(
        "{'output_type': 'error', 'ename': 'x', 'evalue': 'y', 'traceback': [{}, 3, None]}"
    ),
    "not a number in metadata": FORGE.format(
        "{'output_type': 'display_data', 'metadata': {'a': float('nan')}, 'data': {3: b'x'}}"
    ),
    "representations that are no text": SHOW + ODD_MIMES,
    "a deep expression in a fatal cell": DEEP,
    "an expression that is too deep": "x = 1\n" + "1+" * 100_000 + "1",
    "a class with a name of megabytes": "raise type('A' * 5_000_000, (Exception,), {})('x')",
}


@pytest.mark.parametrize("name", HARMLESS)
def test_a_cell_of_ones_own_harms_nobody(tmp_path: Path, name: str) -> None:
    outcome = grade(tmp_path, submission(HARMLESS[name]))
    assert points(outcome) == [2, 3, 2, 3]
    page(outcome)


def test_an_attachment_whose_name_is_no_text(tmp_path: Path) -> None:
    handed_in = submission()
    attached = {"\ud800.png": {"image/png": "iVBORw0KGgo="}}
    handed_in.cells.insert(1, new_markdown_cell("x", attachments=attached))
    outcome = grade(tmp_path, handed_in)
    assert points(outcome) == [2, 3, 2, 3]
    page(outcome)


@pytest.mark.parametrize(
    "answers",
    [
        {"a": KEEP, "b": "def half(x): raise ValueError(f'seen {seen}')"},
        {"a": KEEP, "b": "def half(x): raise AssertionError(f'half(8) == 4 {seen}')"},
        {"a": KEEP, "b": "def half(x): raise type(f'Seen{seen[-1]}', (Exception,), {})"},
        {"a": KEEP, "b": "class TimeLimit(Exception): pass\ndef half(x): raise TimeLimit(seen)"},
        {"a": KEEP, "b": "print(seen)\nraise ValueError(seen)"},
        {"a": "def double(x): raise type(f'E{x}', (ValueError,), {})(x)"},
        {"a": "def double(x): assert x < 9, f'double(3) == 6 {x}'\n    return 2 * x"},
    ],
)
def test_no_page_tells_what_hidden_tests_pass_in(tmp_path: Path, answers: dict[str, str]) -> None:
    outcome = grade(tmp_path, submission(**answers))
    assert sum(points(outcome)) < 10
    shown = page(outcome)
    assert not [secret for secret in SECRETS if secret in shown]


TESTS = "def near(a, b): return abs(a - b) < 1e-9\nassert near(double(4), 8)"


def test_the_tests_own_helpers_cannot_be_replaced(tmp_path: Path) -> None:
    notebook = source(TESTS)
    notebook.cells[5].source = "assert near(half(8), 4)"
    handed_in = submission(b="def near(a, b): return True\ndef half(x): return 0")
    spec = Spec("week", {"nb": nbformat.writes(notebook)}, seed=5)
    (tmp_path / "nb.ipynb").write_text(json.dumps(handed_in))
    with Pool(spec, zygote=zygote()) as pool:
        assert points(pool.grade("eve", tmp_path)) == [2, 3, 0, 0]


SLOW: dict[str, Any] = {
    "cells that sleep are run again and again": (
        submission(*["import time; time.sleep(1)"] * 3, a=EXITS.format("double")),
        "for i in range(20):\n    try: double(i)\n    except BaseException: pass\nassert False",
    ),
    "cells that end the process only when they are run again": (
        submission(*[DIES_LATER] * 400, "import time; time.sleep(2.5)", a=EXITS.format("double")),
        None,
    ),
    "a number of rounds": (
        submission(a="def double(x): return 10**12"),
        "total = 0\nfor i in range(double(3)): total += i\nassert not total",
    ),
}


@pytest.mark.parametrize("name", SLOW)
def test_a_submission_ends_in_its_time(tmp_path: Path, name: str) -> None:
    handed_in, hidden = SLOW[name]
    start = time.monotonic()
    outcome = grade(tmp_path, handed_in, hidden, submission_seconds=12.0)
    assert time.monotonic() - start < 30
    assert points(outcome)[1] == 0
    page(outcome)


@pytest.mark.timeout(60)
def test_a_judge_that_no_alarm_reaches_is_stopped_and_the_class_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set of numbers with one hash keeps C code busy for hours."""
    monkeypatch.setattr(pools, "SLACK", 1.0)
    a = "def double(x): return [2305843009213693951 * k for k in range(300_000)]"
    text = nbformat.writes(source("assert len(set(double(3))) == 3"))
    spec = Spec("week", {"nb": text}, seed=5, cell_seconds=1.0, submission_seconds=5.0)
    folders = [("eve", tmp_path / "eve"), ("ada", tmp_path / "ada")]
    for (_, folder), handed_in in zip(folders, (submission(a=a), submission()), strict=True):
        folder.mkdir()
        (folder / "nb.ipynb").write_text(json.dumps(handed_in))
    with Pool(spec, zygote=zygote()) as pool:
        found = {outcome.student: outcome for outcome in pool.run(folders)}
    assert "took more than" in str(found["eve"].error)
    assert points(found["ada"])[2:] == [2, 3]


def test_outputs_of_all_cells_have_a_bound(tmp_path: Path) -> None:
    cells = [SHOW + "show({'text/plain': 'x' * 8_000_000})"] * 12
    outcome = grade(tmp_path, submission(*cells))
    assert points(outcome) == [2, 3, 2, 3]
    assert 56_000_000 < len(outcome.notebooks["nb"]) < 70_000_000

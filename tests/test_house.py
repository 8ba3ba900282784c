"""One word opens every room, and every room is where the design says."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from autograder.sync import synced
from course.syllabus import ROOT, Exercise, exercises
from tests.harness import caught_by, specimens, suites

WORDS = list(exercises())
each_exercise = pytest.mark.parametrize("chosen", exercises().values(), ids=WORDS)
MAY_IMPORT = {
    # what each package may import besides itself and the standard library
    "solutions": {"torch", "transformers", "numpy", "datasets", "tqdm"},
    "course": None,
}
NEVER = {"solutions": {"course", "autograder", "tests"}, "course": {"solutions", "autograder"}}


def imported(path: Path) -> Iterator[str]:
    """Top-level packages that a Python file imports anywhere."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.split(".")[0]


def graded(cell: NotebookNode) -> dict:
    return cell.metadata.get("nbgrader", {})


@pytest.mark.parametrize("package", NEVER)
def test_imports_follow_the_house(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        found = set(imported(path))
        assert not found & NEVER[package], f"{path} imports {found & NEVER[package]}"
        allowed = MAY_IMPORT[package]
        if allowed is not None:
            foreign = found - allowed - set(sys.stdlib_module_names) - {package}
            assert not foreign, f"{path} imports {foreign}"


def test_nothing_imports_assignments() -> None:
    for package in ("course", "solutions", "autograder"):
        for path in (ROOT / package).rglob("*.py"):
            assert "assignments" not in set(imported(path)), path


@each_exercise
def test_every_room_exists(chosen: Exercise) -> None:
    word = chosen.word
    rooms = [
        chosen.lesson,
        chosen.assignment,
        ROOT / "solutions" / f"{word}.py",
        ROOT / "tests" / f"test_{word}.py",
    ]
    for room in rooms:
        assert room.exists(), f"{word} lacks {room.relative_to(ROOT)}"
    assert len(specimens(word, "wrong")) >= 10
    assert len(specimens(word, "right")) >= 5


@each_exercise
def test_checks_cover_every_name_visibly_and_in_secret(chosen: Exercise) -> None:
    for suite in suites(chosen.word):
        assert {check.about for check in suite.checks} == set(chosen.names)
        assert all(check.points > 0 and check.function.__doc__ for check in suite.checks)


@each_exercise
def test_check_names_are_unique_within_an_exercise(chosen: Exercise) -> None:
    names = [check.name for suite in suites(chosen.word) for check in suite.checks]
    assert len(names) == len(set(names))


@each_exercise
def test_wrong_specimens_name_an_existing_check(chosen: Exercise) -> None:
    names = {check.name for suite in suites(chosen.word) for check in suite.checks}
    for path in specimens(chosen.word, "wrong"):
        assert caught_by(path) in names, f"{path.name} names no check of {chosen.word}"


@each_exercise
def test_assignment_points_are_the_checks_points(chosen: Exercise) -> None:
    notebook = nbformat.read(chosen.assignment, as_version=4)
    visible, hidden = suites(chosen.word)
    cells = {graded(cell).get("grade_id"): cell for cell in notebook.cells if graded(cell)}
    for name in chosen.names:
        for suite, kind in ((visible, "visible"), (hidden, "hidden")):
            cell = cells[f"{name}-{kind}"]
            assert graded(cell)["grade"] and graded(cell)["locked"], cell.source
            assert graded(cell)["points"] == suite.points(name), f"{name}-{kind}"
            assert f'score("{name}", {name}' in cell.source
        assert "### BEGIN HIDDEN TESTS" in cells[f"{name}-hidden"].source
    assert len(cells) == sum(bool(graded(cell)) for cell in notebook.cells), "a grade_id twice"


@each_exercise
def test_assignment_has_two_written_questions_with_rubrics(chosen: Exercise) -> None:
    notebook = nbformat.read(chosen.assignment, as_version=4)
    written = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "markdown" and graded(cell).get("grade") and graded(cell)["solution"]
    ]
    assert len(written) >= 2
    for cell in written:
        assert "=== BEGIN MARK SCHEME ===" in cell.source and "=== END MARK SCHEME" in cell.source


@each_exercise
def test_solution_regions_are_the_text_of_solutions(chosen: Exercise) -> None:
    notebook = nbformat.read(chosen.assignment, as_version=4)
    for cell, text in synced(notebook, chosen):
        assert cell.source == text, "run: make sync"


@each_exercise
def test_lesson_keeps_its_outputs_and_no_widget_state(chosen: Exercise) -> None:
    text = chosen.lesson.read_text("utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(text) <= 700_000, "a lesson's committed output is at most 500 KB"
    assert "widgets" not in notebook.metadata
    assert 25 <= sum(cell.id != "colab" for cell in notebook.cells) <= 45
    assert max(len(cell.source.splitlines()) for cell in code) <= 15
    assert sum(bool(cell.outputs) for cell in code) >= len(code) // 2
    for cell in code:
        assert all(output.output_type != "error" for output in cell.outputs), cell.source
        assert "execution" not in cell.metadata


@each_exercise
def test_lesson_does_not_hold_its_own_solution(chosen: Exercise) -> None:
    solution = significant((ROOT / "solutions" / f"{chosen.word}.py").read_text("utf-8"))
    runs = {tuple(solution[i : i + 5]) for i in range(len(solution) - 4)}
    for cell in nbformat.read(chosen.lesson, as_version=4).cells:
        lines = significant(cell.source)
        shared = runs & {tuple(lines[i : i + 5]) for i in range(len(lines) - 4)}
        assert not shared, f"{chosen.lesson.name} shares five lines with the solution: {shared}"


def significant(text: str) -> list[str]:
    """Lines without space around them; blank lines and comments are passed over."""
    lines = (line.split("  #")[0].strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


@each_exercise
def test_lesson_imports_solutions_of_earlier_lessons_only(chosen: Exercise) -> None:
    for cell in nbformat.read(chosen.lesson, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        source = "\n".join(x for x in cell.source.splitlines() if not x.lstrip().startswith("%"))
        for node in ast.walk(ast.parse(source)):
            module = node.module if isinstance(node, ast.ImportFrom) else None
            if module and module.split(".")[0] in ("solutions", "autograder"):
                assert module.split(".")[0] == "solutions"
                word = module.split(".")[1]
                assert exercises()[word].number < chosen.number, f"{module} is not taught yet"


def test_notebooks_name_no_place_of_their_maker() -> None:
    for path in [*(ROOT / "course").glob("*.ipynb"), *(ROOT / "assignments").rglob("*.ipynb")]:
        text = json.dumps(json.loads(path.read_text("utf-8")))
        for place in ("/home/", "/root/", "/tmp/", "/Users/"):
            assert place not in text, f"{path} holds {place}"


def test_readme_lists_the_exercises_as_they_are() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "readme_table.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr

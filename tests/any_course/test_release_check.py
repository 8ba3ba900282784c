"""A test cell that cannot be graded from outside is named before release, not after."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from autograder.release_check import look
from tests.any_course.course import SOURCES, command, make_course, notebook
from tests.intake.course import mark

STACK = "class Stack:\n    ### BEGIN SOLUTION\n    pass\n    ### END SOLUTION"
SORT = "def sort(items, key=None):\n    ### BEGIN SOLUTION\n    pass\n    ### END SOLUTION\nn = 3"


def findings(test: str) -> list[str]:
    """What is said of one test cell."""
    cells = [
        new_code_cell(STACK, metadata=mark("stack", "answer")),
        new_code_cell(SORT, metadata=mark("sort", "answer")),
        new_code_cell(test, metadata=mark("the-test", "test", 1)),
    ]
    found = look("week", notebook(cells))
    assert all(problem.cell == "the-test" for problem in found)
    return [problem.why for problem in found]


@pytest.mark.parametrize(
    ("test", "words"),
    [
        ("assert isinstance(Stack(), Stack)", "stand-in"),
        ("stack = Stack()\nassert isinstance(stack, object)", "stand-in"),
        ("assert type(sort).__name__ == 'function'", "stand-in"),
        ("stack = Stack()\nassert stack._items == []", "underscore"),
        ("assert sort([1], key=lambda x: -x)", "function of the judge"),
        ("get_ipython().run_line_magic('time', '')", "kernel"),
        ("%timeit sort([1])", "IPython"),
        ("assert 'sort' in globals()", "another process"),
        ("assert sort(", "not Python"),
    ],
)
def test_what_cannot_be_served_is_named(test: str, words: str) -> None:
    found = findings(test)
    assert len(found) == 1
    assert words in found[0]


@pytest.mark.parametrize(
    "test",
    [
        "assert isinstance(sort([1]), list)",
        "assert isinstance(n, int) and type(n) is int",
        "stack = Stack()\nassert stack.items == [] and len(stack) == 0",
        "items = sorted([3, 1], key=lambda x: -x)\nassert sort(items) == [1, 3]",
        "class Own:\n    _x = 1\nassert Own._x == 1 and isinstance(Own(), Own)",
    ],
)
def test_what_can_be_served_is_left_alone(test: str) -> None:
    assert findings(test) == []


def test_the_small_course_is_fine() -> None:
    assert [look(name, make()) for name, make in SOURCES.items()] == [[], []]


@pytest.mark.slow
def test_release_is_refused_by_name(tmp_path: Path) -> None:
    root = make_course(tmp_path)
    path = root / "source" / "week1" / "structures.ipynb"
    source = nbformat.read(path, as_version=4)
    source.cells[1].source += "\nassert isinstance(stack, Stack)"
    nbformat.write(source, path)
    done = command(root, "nbgrader", "generate_assignment", "week1", check=False)
    assert done.returncode != 0
    assert "structures, cell `stack-test`: `isinstance(stack, Stack)`" in done.stderr
    assert not (root / "release" / "week1" / "structures.ipynb").exists()


@pytest.mark.slow
def test_the_command_grades_the_instructor_s_solution(tmp_path: Path) -> None:
    root = make_course(tmp_path)
    assert "can be graded" in command(root, "python", "-m", "autograder", "check", "week1").stdout
    path = root / "source" / "week1" / "numbers.ipynb"
    source = nbformat.read(path, as_version=4)
    source.cells[9].source = "assert answer == 43, 'it should be 43'"
    nbformat.write(source, path)
    done = command(root, "python", "-m", "autograder", "check", "week1", check=False)
    assert done.returncode == 1
    assert "numbers, cell `answer-test`: your solution gets 0 of 1: it should be 43" in done.stdout

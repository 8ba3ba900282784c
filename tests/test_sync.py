"""Solution cells: made from solutions/, cleared on release without a trace."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.preprocessors import ClearSolutions

from autograder.clear_helpers import ClearHelpers
from autograder.sync import Source, render

MODULE = '''
"""A module."""

import math

_LIMIT = 3


def _inner(x):
    return x + _LIMIT


def _outer(x):
    # the comment of a helper
    return _inner(x) * 2


def double(
    x: int,
    y: int = 0,
) -> int:
    """Twice x.

    Raises nothing.
    """
    # a comment that belongs to the body
    return _outer(x) + y


class Counter:
    """Counts."""

    start: int = 0

    def __init__(self, first: int) -> None:
        self.value = first

    def step(self) -> int:
        """One more."""
        self.value += self._size()
        return self.value

    def _size(self) -> int:
        return 1
'''


@pytest.fixture
def source(tmp_path: Path) -> Source:
    path = tmp_path / "module.py"
    path.write_text(MODULE)
    return Source(path)


def released(text: str) -> str:
    metadata = {"nbgrader": {"solution": True, "grade": False, "grade_id": "a", "locked": False}}
    notebook = new_notebook(cells=[new_code_cell(text, metadata=metadata)])
    resources = {"notebook": "n"}
    notebook, _ = ClearHelpers().preprocess(notebook, resources)
    notebook.metadata["kernelspec"] = {"language": "python"}
    notebook, _ = ClearSolutions().preprocess(notebook, resources)
    return notebook.cells[0].source


def test_helpers_come_once_and_in_the_order_of_the_module(source: Source) -> None:
    given: set[str] = set()
    text = render(source, ["double"], given)
    assert text.index("_LIMIT = 3") < text.index("def _inner") < text.index("def _outer")
    assert given == {"_LIMIT", "_inner", "_outer"}
    assert "_outer(x):" not in render(source, ["double"], given)


def test_a_rendered_cell_behaves_as_the_module(source: Source) -> None:
    namespace: dict = {}
    exec(render(source, ["double", "Counter"], set()), namespace)
    assert namespace["double"](1, 2) == 10
    assert namespace["Counter"](4).step() == 5


def test_a_released_cell_keeps_signature_and_docstring_alone(source: Source) -> None:
    text = released(render(source, ["double", "Counter"], set()))
    ast.parse(text)
    for kept in ("def double(", "Twice x.", "Raises nothing.", "Counts.", "start: int = 0"):
        assert kept in text
    for gone in ("_LIMIT", "_inner", "_outer", "_size", "self.value", "a comment that", "HELPERS"):
        assert gone not in text
    assert text.count("raise NotImplementedError()") == 3


def test_a_released_stub_defines_its_names_and_raises_only_when_called(source: Source) -> None:
    namespace: dict = {}
    exec(released(render(source, ["double", "Counter"], set())), namespace)
    with pytest.raises(NotImplementedError):
        namespace["double"](1)
    with pytest.raises(NotImplementedError):
        namespace["Counter"](1)


def test_a_body_that_is_only_a_docstring_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.py"
    path.write_text('def nothing():\n    """Only words."""\n')
    with pytest.raises(ValueError, match="nothing has no body"):
        render(Source(path), ["nothing"], set())


@pytest.mark.parametrize(
    "text", ["### BEGIN HELPERS\nx = 1", "### END HELPERS", "x = 1 ### BEGIN HELPERS"]
)
def test_helper_delimiters_left_open_stop_a_release(text: str) -> None:
    notebook = new_notebook(cells=[new_code_cell(text)])
    with pytest.raises(RuntimeError, match="HELPERS"):
        ClearHelpers().preprocess(notebook, {})

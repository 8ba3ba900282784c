"""Judges that die are replaced; what an assignment imports is found; a sandbox can be required."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from autograder.course_folder import CourseFolder
from autograder.pool import Pool, start
from autograder.preload import ALWAYS, preload_of
from autograder.spec import Spec
from tests.any_course.course import hand_in, make_course, notebook, solved


@pytest.fixture
def course(tmp_path: Path) -> Path:
    return make_course(tmp_path)


def test_a_judge_that_is_killed_is_replaced(course: Path) -> None:
    spec = Spec.of(CourseFolder(course), "week1", {})
    folder = hand_in(course, "ada", numbers=solved("numbers"))
    with Pool(spec, preload=ALWAYS) as pool:
        first = pool.grade("ada", folder)
        assert first.error is None
        assert first.scores["structures"]["points"] == 7
        os.kill(pool.judges[0].pid, signal.SIGKILL)
        again = pool.grade("ada", folder)
        assert again.error is None
        assert again.scores["numbers"]["cells"] == first.scores["numbers"]["cells"]
        assert len(pool.judges) == 1


def test_a_sandbox_that_is_not_to_be_had_is_refused_in_words(course: Path) -> None:
    spec = Spec.of(CourseFolder(course), "week1", {})
    folder = hand_in(course, "ada")
    zygote = start(ALWAYS)
    zygote.require = ("a moat",)
    with zygote, Pool(spec, zygote=zygote) as pool:
        error = pool.grade("ada", folder).error
    assert error is not None
    assert "required but not in force here: a moat" in error


def test_what_a_notebook_imports_is_imported_early(course: Path, tmp_path: Path) -> None:
    (course / "ours.py").write_text("import decimal\nfrom torch import optim\n")
    text = "import json.decoder, ours\nfrom transformers import BertModel\nimport nosuchmodule"
    path = tmp_path / "a.ipynb"
    nbformat.write(notebook([new_code_cell(text), new_code_cell("import (")]), path)
    found = preload_of([path], course)
    for name in ("json.decoder", "decimal", "torch", "transformers:BertModel", "torch._dynamo"):
        assert name in found
    assert "ours" not in found and "nosuchmodule" not in found


def test_modules_named_as_parts_of_a_package_are_looked_into(tmp_path: Path) -> None:
    folder = tmp_path / "course" / "own"
    folder.mkdir(parents=True)
    (folder / "toys.py").write_text("from transformers import BertModel\n")
    path = tmp_path / "a.ipynb"
    nbformat.write(notebook([new_code_cell("from course.own import toys")]), path)
    assert "transformers:BertModel" in preload_of([path], tmp_path)


def test_no_test_module_is_ever_preloaded(tmp_path: Path) -> None:
    text = (
        "from autograder.checks.attention import suite\nfrom course.checks.attention import suite"
    )
    path = tmp_path / "a.ipynb"
    nbformat.write(notebook([new_code_cell(text)]), path)
    found = preload_of([path], tmp_path)
    assert not any("checks" in name or "solutions" in name for name in found)
    assert "torch" in found

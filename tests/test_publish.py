"""Lessons as they are saved: a picture in each widget's place, and nothing dead."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from scripts import publish
from scripts.publish import LIVE, MOST_OUTPUT, chosen, published, unfit

NAME = "AttentionExplorer(1 layer x 2 heads, 3 queries x 3 keys)"
STILL = new_output("display_data", {"text/plain": NAME, "image/png": "AAAA"})
ALIVE = new_output("display_data", {LIVE: {"model_id": "0" * 32}})


def a_notebook(*outputs: nbformat.NotebookNode) -> nbformat.NotebookNode:
    return new_notebook(
        cells=[new_code_cell("view", outputs=copy.deepcopy(list(outputs)), id="shown")]
    )


def test_what_is_published_is_fit() -> None:
    made = a_notebook(STILL, ALIVE)
    made.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {}}
    made.cells[0].metadata["execution"] = {"iopub.execute_input": "2026-11-21"}
    assert len(list(unfit(made))) == 2
    clean = published(made)
    assert list(unfit(clean)) == [] and clean.cells[0].outputs == [STILL]
    assert clean.metadata["language_info"] == {"name": "python"}
    assert "widgets" not in clean.metadata and "execution" not in clean.cells[0].metadata


@pytest.mark.parametrize(
    ("output", "says"),
    [
        (ALIVE, "cell shown: a live widget is saved"),
        (new_output("error", ename="ValueError", evalue="no", traceback=[]), "ValueError: no"),
        (new_output("display_data", {"text/plain": NAME}), "2 heads.* has no picture"),
        (new_output("stream", text="x" * MOST_OUTPUT), "500,000 at most"),
        (
            new_output("stream", text=f"{publish.__file__}:7: UserWarning"),
            "a folder of this machine",
        ),
        (new_output("stream", text="/x/site-packages/torch/a.py: Warning"), "of this machine"),
    ],
)
def test_what_is_refused(output: nbformat.NotebookNode, says: str) -> None:
    (line,) = unfit(a_notebook(output))
    assert re.search(says, line)


def test_text_that_looks_like_a_call_is_no_view() -> None:
    assert list(unfit(a_notebook(new_output("display_data", {"text/plain": "Figure(8x8)"})))) == []


def test_lessons_by_word_or_number() -> None:
    assert [path.stem for path in chosen(["gpt", "2"])] == ["09_gpt", "02_multi_head"]
    assert len(chosen([])) == 12
    with pytest.raises(ValueError, match="no lesson bert: there are attention, "):
        chosen(["bert"])


def test_a_lesson_that_stops_is_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = new_notebook(cells=[new_code_cell("1 / 0", id="stops")])
    nbformat.write(made, tmp_path / "lesson.ipynb")
    before = (tmp_path / "lesson.ipynb").read_bytes()
    monkeypatch.setattr(publish, "chosen", lambda words: [tmp_path / "lesson.ipynb"])
    monkeypatch.setattr(publish, "ROOT", tmp_path)
    assert publish.main([]) == 1
    said = capsys.readouterr()
    assert "lesson.ipynb stopped and was left as it is" in said.err
    assert "ZeroDivisionError" in said.err
    assert (tmp_path / "lesson.ipynb").read_bytes() == before

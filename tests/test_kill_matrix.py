"""The pages of the kill matrices: what a row says, and when a page is out of date."""

from __future__ import annotations

from pathlib import Path

import pytest

from course.syllabus import exercise
from scripts import kill_matrix

WORD = "back_translation"
FILES = Path(__file__).parent / "specimens" / WORD


def test_a_page_has_a_row_for_each_specimen(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = {"wrong": ["only_there", "label_always_one"], "right": ["recursive"]}
    monkeypatch.setattr(
        kill_matrix,
        "specimens",
        lambda word, kind: [FILES / kind / f"{n}.py" for n in chosen[kind]],
    )
    page = kill_matrix.page(exercise(WORD))
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert "2 wrong answers" in page and "2 right ones" in page
    assert "still in the pivot language" in rows[1] and "and 1" in rows[1]
    assert rows[2].startswith("| label always one | `label_is_inherited` | ")
    assert "recursion over the pivots" in rows[-1] and "**survives**" not in page
    assert kill_matrix.page(exercise(WORD)) == page


def test_a_survivor_is_named_and_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text = (FILES / "right" / "recursive.py").read_text()
    (tmp_path / "harmless.py").write_text(text.replace("# right: ", "# caught by: x\n# ", 1))
    files = {"wrong": [tmp_path / "harmless.py"], "right": [FILES / "wrong" / "only_there.py"]}
    monkeypatch.setattr(kill_matrix, "specimens", lambda word, kind: files[kind])
    assert kill_matrix.main([WORD, "--check"]) == 1
    assert "1 survive, 1 right ones refused; page out of date" in capsys.readouterr().out


def test_cells_and_numbers() -> None:
    assert kill_matrix.cell("a | b_c at 0x7f3a") == r"a \| b\_c at 0x…"
    assert kill_matrix.cell("word " * 40).endswith("word …")
    assert kill_matrix.same("| 0.21 and 3e-05 |", "| 0.22 and 4e-05 |")
    assert not kill_matrix.same("| a |", "| b |")

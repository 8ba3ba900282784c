"""Bad and odd cells: each costs nothing that an honest answer deserves, and each is explained."""

from __future__ import annotations

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell

from autograder.grading import Graded
from tests.intake.course import answered, at, bare, grade, release, source, without

FULL = 5.0


def said(graded: Graded) -> str:
    return " ".join(graded.notes)


def retyped(notebook: NotebookNode, cell_id: str, kind: str) -> NotebookNode:
    """The notebook with one cell turned into another type."""
    index = next(i for i, cell in enumerate(notebook.cells) if cell.id == cell_id)
    make = {"code": new_code_cell, "markdown": new_markdown_cell, "raw": new_raw_cell}[kind]
    old = notebook.cells[index]
    notebook.cells[index] = make(old.source, id=old.id, metadata=old.metadata)
    return notebook


def test_an_honest_submission_has_full_marks_and_no_notes() -> None:
    submission = answered()
    for cell in submission.cells:
        cell.metadata.get("nbgrader", {}).pop("checksum", None)
    graded = grade(submission)
    assert graded.points == FULL
    assert graded.notes == []
    assert graded.cells["why"].points is None, "a person grades the written answer"
    assert graded.unanswered == []


def test_the_released_notebook_has_no_points_and_nothing_to_grade_by_hand() -> None:
    graded = grade(release())
    assert graded.points == 0
    assert graded.cells["why"].points == 0
    assert graded.unanswered == ["double", "counter", "why"]


def test_the_autograded_notebook_is_the_source_with_the_answers() -> None:
    notebook = grade(answered()).notebook
    assert [cell.id for cell in notebook.cells] == [cell.id for cell in source().cells]
    assert "return 2 * x" in at(notebook, "double").source
    assert "HIDDEN" in at(notebook, "counter-hidden").source
    assert notebook.metadata.kernelspec.name == "python3"


def test_a_duplicated_answer_is_judged_by_the_last_before_its_tests() -> None:
    submission = answered()
    wrong = new_code_cell(
        "def double(x):\n    return x", metadata=at(submission, "double").metadata
    )
    submission.cells.insert(3, wrong)
    graded = grade(submission)
    assert graded.points == FULL
    assert "2 times" in said(graded)


def test_a_duplicate_that_is_still_the_stub_does_not_spoil_the_answer() -> None:
    submission = answered()
    stub = at(release(), "double")
    submission.cells.insert(4, stub)
    assert grade(submission).points == FULL


def test_a_duplicated_test_counts_once() -> None:
    submission = answered()
    submission.cells.append(at(submission, "double-visible"))
    graded = grade(submission)
    assert graded.points == FULL
    assert "`double-visible` was there 2 times" in said(graded)


def test_deleted_tests_and_locked_cells_come_back() -> None:
    graded = grade(without(answered(), "imports", "double-visible", "counter-hidden"))
    assert graded.points == FULL
    assert "`counter-test` was missing" in said(graded)


def test_a_deleted_answer_costs_its_points_alone() -> None:
    graded = grade(without(answered(), "counter"))
    assert graded.cells["double-visible"].points == 2
    assert graded.cells["counter-test"].points == 0
    assert "answer cell `counter` was missing" in said(graded)


def test_an_answer_split_over_two_cells() -> None:
    submission = answered()
    at(submission, "double").source = "factor = 2"
    submission.cells.insert(4, new_code_cell("def double(x):\n    return factor * x"))
    submission.cells[4].pop("id")
    assert grade(submission).points == FULL


@pytest.mark.parametrize("kept", ["double", "counter", "double-visible"])
def test_cells_merged_into_one(kept: str) -> None:
    submission = answered()
    together = [at(submission, name).source for name in ("double", "double-visible", "counter")]
    at(submission, kept).source = "\n".join(together)
    without(submission, *({"double", "double-visible", "counter"} - {kept}))
    graded = grade(submission)
    assert graded.points == FULL
    assert "found in another cell" in said(graded) or kept == "double-visible"


@pytest.mark.parametrize("cell_id", ["double", "counter", "double-visible", "imports"])
@pytest.mark.parametrize("kind", ["markdown", "raw"])
def test_code_turned_into_text(cell_id: str, kind: str) -> None:
    graded = grade(retyped(answered(), cell_id, kind))
    assert graded.points == FULL
    assert f"turned into a {kind} cell" in said(graded)


def test_a_written_answer_turned_into_code_is_not_run() -> None:
    graded = grade(retyped(answered(), "why", "code"))
    assert at(graded.notebook, "why").cell_type == "markdown"
    assert graded.cells["why"].points is None
    assert graded.points == FULL


def test_reordered_cells_run_in_the_assignment_s_order() -> None:
    submission = answered()
    submission.cells.reverse()
    graded = grade(submission)
    assert graded.points == FULL
    assert "changed places" in said(graded)


def test_tags_do_not_keep_a_cell_from_running() -> None:
    submission = answered()
    for cell in submission.cells:
        cell.metadata["tags"] = ["skip-execution"]
    graded = grade(submission)
    assert graded.points == FULL
    assert "Tags" in said(graded)
    assert not any("tags" in cell.metadata for cell in graded.notebook.cells)


def test_own_cells_keep_their_place() -> None:
    submission = answered()
    at(submission, "double").source = "def double(x):\n    return factor() * x"
    submission.cells.insert(3, new_code_cell("def factor():\n    return 2", id="mine"))
    submission.cells.insert(8, new_markdown_cell("Now the counter.", id="mine-too"))
    graded = grade(submission)
    assert graded.points == FULL
    ids = [cell.id for cell in graded.notebook.cells]
    assert ids.index("own-1") + 1 == ids.index("double")
    assert ids.index("own-2") - 1 == ids.index("counter")


@pytest.mark.parametrize(
    "change",
    [
        {"points": 1000},
        {"grade": False},
        {"solution": True},
        {"checksum": "f" * 32},
        {"locked": False},
    ],
)
def test_changed_marks_change_nothing(change: dict[str, object]) -> None:
    submission = answered()
    at(submission, "double").source = "def double(x):\n    return 0"
    at(submission, "double-visible").metadata.nbgrader.update(change)
    graded = grade(submission)
    assert graded.points == 3
    assert graded.cells["double-visible"].max_points == 2
    assert "had been changed" in said(graded)


def test_changed_grade_ids() -> None:
    submission = answered()
    at(submission, "double").metadata.nbgrader["grade_id"] = "something-else"
    at(submission, "double-visible").metadata.nbgrader["grade_id"] = "counter-test"
    assert grade(submission).points == FULL


def test_swapped_grade_ids() -> None:
    submission = answered()
    at(submission, "double").metadata.nbgrader["grade_id"] = "counter"
    at(submission, "counter").metadata.nbgrader["grade_id"] = "double"
    assert grade(submission).points == FULL


def test_changed_tests_are_not_used() -> None:
    submission = answered()
    at(submission, "double").source = "def double(x):\n    return 0"
    at(submission, "double-visible").source = "assert True"
    at(submission, "imports").source = "class math: pi = 0"
    graded = grade(submission)
    assert graded.points == 3
    assert "`double-visible` cannot be changed" in said(graded)
    assert "import math" in at(graded.notebook, "imports").source


def test_all_metadata_lost() -> None:
    graded = grade(bare(answered()))
    assert graded.points == FULL
    assert "lost the marks" in said(graded)
    assert graded.cells["why"].points is None
    assert "own total" in at(graded.notebook, "why").source


def test_metadata_lost_and_tests_edited_and_types_changed() -> None:
    submission = answered()
    at(submission, "double-visible").source += "\nprint('passed')"
    lost = bare(retyped(submission, "double", "markdown"))
    assert grade(lost).points == FULL


def test_code_in_a_fence() -> None:
    submission = retyped(answered(), "double", "markdown")
    at(submission, "double").source = f"```python\n{at(submission, 'double').source}\n```"
    assert grade(submission).points == FULL


def test_an_answer_below_an_untouched_stub() -> None:
    submission = answered()
    text = at(submission, "double").source
    at(submission, "double").source = at(release(), "double").source
    submission.cells.append(new_code_cell(text, id="scratch"))
    assert grade(submission).points == FULL


def test_a_syntax_error_costs_its_own_points() -> None:
    submission = answered()
    at(submission, "double").source = "def double(x):\n  return ("
    graded = grade(submission)
    assert graded.points == 3
    assert any(output.output_type == "error" for output in at(graded.notebook, "double").outputs)


def test_forged_outputs_are_dropped() -> None:
    submission = answered()
    at(submission, "double").source = "def double(x):\n    return 0"
    forged = NotebookNode(output_type="execute_result", data={"text/plain": "2"}, metadata={})
    at(submission, "double-visible").outputs = [forged]
    graded = grade(submission)
    assert graded.points == 3
    assert forged not in at(graded.notebook, "double-visible").outputs


def test_outputs_after_a_hidden_test_are_marked() -> None:
    submission = answered()
    submission.cells.append(new_code_cell("print(counter.total)", id="peek"))
    submission.cells.insert(4, new_code_cell("print('early')", id="early"))
    notebook = grade(submission).notebook
    marked = [c.id for c in notebook.cells if c.metadata.get("autograder", {}).get("after_hidden")]
    assert marked == ["own-2"]

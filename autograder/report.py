"""What a graded cell says under itself in the autograded notebook, as text and as plain HTML."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any

from nbformat import NotebookNode

# What a message says of an exception: its beginning with the type, the type, the student's words.
STOPPED = re.compile(r"^(.{0,200}? stopped with (\w+))(: .*)?\.?", re.DOTALL)
LINE = re.compile(r"\(line (\d+)\)\.?$")  # of a plain assert that has no words
HEADLINE = "{points:g} of {max_points:g} points"


def as_text(points: float, max_points: float, message: str | None, results: Sequence[Any]) -> str:
    """The report as plain text, one line a check, a failed one with its message."""
    lines = [HEADLINE.format(points=points, max_points=max_points)]
    for found in results:
        mark = "pass" if found.message is None else "FAIL"
        lines.append(f"  {mark}  {found.title} ({found.points:g}/{found.max_points:g})")
        if found.message is not None:
            lines.append(f"        {found.message}")
    if message and not any(found.message == message for found in results):
        lines.append(f"  {message}")
    return "\n".join(lines)


def as_html(points: float, max_points: float, message: str | None, results: Sequence[Any]) -> str:
    """The same as HTML without style or script: it passes any sanitiser unchanged."""
    rows = []
    for found in results:
        mark = "✓" if found.message is None else "✗"
        said = f"<br>{html.escape(found.message)}" if found.message else ""
        rows.append(
            f"<tr><td>{mark}</td><td>{html.escape(found.title)}{said}</td>"
            f"<td>{found.points:g} of {found.max_points:g}</td></tr>"
        )
    parts = [f"<p><b>{HEADLINE.format(points=points, max_points=max_points)}</b></p>"]
    if rows:
        parts.append(f"<table><tbody>{''.join(rows)}</tbody></table>")
    if message and not any(found.message == message for found in results):
        parts.append(f"<p>{html.escape(message)}</p>")
    return "".join(parts)


def output(points: float, max_points: float, message: str | None, results: Sequence[Any]) -> Any:
    """The report as a cell's output."""
    said = (points, max_points, message, results)
    return NotebookNode(
        output_type="display_data",
        data=NotebookNode({"text/plain": as_text(*said), "text/html": as_html(*said)}),
        metadata=NotebookNode(autograder="report"),
    )

"""An nbgrader preprocessor that takes the private helpers out of a released notebook."""

from __future__ import annotations

from typing import Any

from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

from autograder.sync import BEGIN_HELPERS, END_HELPERS


class ClearHelpers(NbGraderPreprocessor):
    """Remove every region between the helper delimiters; refuse one that is left open."""

    def preprocess_cell(
        self, cell: NotebookNode, resources: ResourcesDict, cell_index: int
    ) -> tuple[NotebookNode, Any]:
        """Raises RuntimeError on unbalanced delimiters, which would leak a solution."""
        kept: list[str] = []
        inside = False
        for line in cell.source.split("\n"):
            if line.strip() == BEGIN_HELPERS and not inside:
                inside = True
            elif line.strip() == END_HELPERS and inside:
                inside = False
            elif BEGIN_HELPERS in line or END_HELPERS in line:
                raise RuntimeError(f"cell {cell_index}: unexpected {line.strip()!r}")
            elif not inside:
                kept.append(line)
        if inside:
            raise RuntimeError(f"cell {cell_index}: {BEGIN_HELPERS} is never closed")
        cell.source = "\n".join(kept).strip("\n")
        return cell, resources

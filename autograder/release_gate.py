"""nbgrader's side of the release check: ``generate_assignment`` names cells it cannot serve."""

from __future__ import annotations

from typing import Any

from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool

from autograder.release_check import look


class ReleaseCheck(NbGraderPreprocessor):
    """Stops the release of a notebook with a test cell that judge and worker cannot serve."""

    strict = Bool(True, help="Refuse the release; otherwise only warn.").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """Raises ValueError that names every such cell and what is wrong with it."""
        problems = look(resources["nbgrader"]["notebook"], nb)
        for problem in problems:
            self.log.error("cannot be graded from outside: %s", problem)
        if problems and self.strict:
            listed = "\n".join(map(str, problems))
            raise ValueError(
                f"{len(problems)} test cells cannot be graded from outside:\n{listed}\n"
                "Change them, or set c.ReleaseCheck.strict = False to release all the same."
            )
        return nb, resources

"""nbgrader's configuration of this course; every nbgrader command reads it."""

import sys
from pathlib import Path

# The course's packages stand beside this file, or in a folder above a copy of it.
for _folder in Path(__file__).resolve().parents:
    if (_folder / "autograder").is_dir():
        sys.path.insert(0, str(_folder))
        break

from autograder.configure import configure  # noqa: E402

c = get_config()  # noqa: F821

c.CourseDirectory.course_id = "transformers-by-hand"
c.CourseDirectory.source_directory = "assignments"

# A released notebook loses solutions, private helpers, hidden tests and mark schemes.
c.GenerateAssignment.preprocessors = [
    "nbgrader.preprocessors.IncludeHeaderFooter",
    "nbgrader.preprocessors.InstantiateTests",
    "nbgrader.preprocessors.LockCells",
    "autograder.clear_helpers.ClearHelpers",
    "nbgrader.preprocessors.ClearSolutions",
    "nbgrader.preprocessors.ClearOutput",
    "nbgrader.preprocessors.CheckCellMetadata",
    "nbgrader.preprocessors.ComputeChecksums",
    "nbgrader.preprocessors.SaveCells",
    "nbgrader.preprocessors.ClearHiddenTests",
    "nbgrader.preprocessors.ClearMarkScheme",
    "nbgrader.preprocessors.ComputeChecksums",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.ClearSolutions.code_stub = {"python": "raise NotImplementedError()"}

# Submissions are judged from outside; a student's code may import earlier solutions.
configure(c, provide="autograder.provisions:for_assignment")

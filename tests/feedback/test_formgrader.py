"""nbgrader's formgrader, in a real Jupyter server on loopback, shows graded notebooks safely."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from tests.any_course.course import command, hand_in, make_course, solved
from tests.classroom.server import TOKEN, fetch, jupyter

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.show()"
ATTACK = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One submission with a picture, a lost point and an attack, graded."""
    root = make_course(tmp_path_factory.mktemp("formgrader"))
    command(root, "nbgrader", "generate_assignment", "week1")
    mean = f"from IPython.display import HTML, display\n{PLOT}\ndisplay(HTML({ATTACK!r}))\n"
    mean += "def mean_price(prices):\n    return 6"
    submission = solved("numbers", mean=mean, why=ATTACK)
    submission.cells.insert(1, new_markdown_cell(ATTACK))
    submission.cells.insert(2, new_code_cell("'<script>document.title=1</script>'"))
    hand_in(root, "ada", numbers=submission)
    command(root, "python", "-m", "autograder", "grade", "week1", "--quiet", "--workers", "1")
    return root


@pytest.fixture(scope="module")
def server(course: Path) -> Iterator[str]:
    """A Jupyter server in the course's folder; yields its address."""
    with jupyter(course) as address:
        yield address


def submission_id(course: Path, notebook: str) -> str:
    found = sqlite3.connect(course / "gradebook.db").execute(
        """SELECT s.id FROM submitted_notebook s JOIN notebook n ON n.id = s.notebook_id
        WHERE n.name = ?""",
        (notebook,),
    )
    return str(found.fetchone()[0])


def test_formgrader_shows_pictures_reports_and_no_script(course: Path, server: str) -> None:
    address = f"{server}/formgrader/submissions/{submission_id(course, 'numbers')}/"
    page = fetch(address)
    if "FORMGRADER_PICTURE" in os.environ:  # to look at it: the page's address for a browser
        Path(os.environ["FORMGRADER_PICTURE"]).write_text(f"{address}?token={TOKEN}")
        time.sleep(60)
    assert "data:image/png;base64," in page
    assert "An assertion of this cell does not hold" in page
    assert "0 of 3 points" in page
    assert "document.title='owned'</script>" not in page
    assert (
        "onerror"
        not in page.replace("&quot;", "").replace("onerror=\\", "").split("nbgrader_cell")[0]
    )


def test_formgrader_knows_the_scores(course: Path, server: str) -> None:
    listed = json.loads(fetch(f"{server}/formgrader/api/submissions/week1"))
    assert [entry["student"] for entry in listed] == ["ada"]
    assert listed[0]["score"] == 12.0
    assert listed[0]["autograded"] is True

"""nbgrader's formgrader, in a real Jupyter server on loopback, shows graded notebooks safely."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from tests.any_course.course import command, environment, hand_in, make_course, solved

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
TOKEN = "for-this-test-alone"
PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.show()"
ATTACK = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fetch(address: str) -> str:
    """A page of the server, with its token."""
    request = urllib.request.Request(address, headers={"Authorization": f"token {TOKEN}"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return str(reply.read().decode("utf-8"))


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
    port = free_port()
    settings = course / "jupyter"
    settings.mkdir()
    here = {"JUPYTER_CONFIG_DIR": str(settings), "JUPYTER_DATA_DIR": str(settings / "data")}
    program = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root"]
    options = [f"--port={port}", "--ip=127.0.0.1", f"--IdentityProvider.token={TOKEN}"]
    process = subprocess.Popen(
        [*program, *options, f"--ServerApp.root_dir={course}"],
        cwd=course,
        env=environment() | here,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address, process)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 200
    while time.monotonic() < until:
        assert process.poll() is None, "the server ended"
        try:
            fetch(f"{address}/api/status")
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise TimeoutError(f"nothing answers at {address}")


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

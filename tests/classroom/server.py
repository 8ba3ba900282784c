"""A Jupyter server on loopback, with nbgrader's formgrader, in a course's folder."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.any_course.course import environment

TOKEN = "for-this-test-alone"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fetch(address: str) -> str:
    """A page of the server, with its token."""
    request = urllib.request.Request(address, headers={"Authorization": f"token {TOKEN}"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return str(reply.read().decode("utf-8"))


@contextmanager
def jupyter(course: Path) -> Iterator[str]:
    """Start a server in the course's folder; gives its address, and ends it afterwards."""
    port = free_port()
    settings = course / "jupyter"
    settings.mkdir(exist_ok=True)
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

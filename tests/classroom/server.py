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
def served(folder: Path, app: str, *options: str, **places: Path) -> Iterator[str]:
    """A Jupyter program that serves a folder; gives its address, and ends it afterwards.

    ``places`` are environment variables; what it says stands in the folder's ``server.log``.
    """
    port = free_port()
    program = [sys.executable, "-m", *app.split(), "--no-browser", "--allow-root"]
    program += [f"--port={port}", "--ip=127.0.0.1", f"--IdentityProvider.token={TOKEN}"]
    program += [f"--ServerApp.root_dir={folder}", *options]
    here = environment() | {name: str(place) for name, place in places.items()}
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(program, cwd=folder, env=here, stdout=log, stderr=log)
        address = f"http://127.0.0.1:{port}"
        try:
            wait_for(address, process)
            yield address
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def jupyter(course: Path) -> Iterator[str]:
    """A plain server in the course's folder, settings beside."""
    settings = course / "jupyter"
    settings.mkdir(exist_ok=True)
    places = {"JUPYTER_CONFIG_DIR": settings, "JUPYTER_DATA_DIR": settings / "data"}
    with served(course, "jupyter_server", **places) as address:
        yield address


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

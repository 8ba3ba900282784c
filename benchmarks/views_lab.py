"""A JupyterLab of its own, for measurements: its settings and notebooks lie in a given folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import Request

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

# The clock when the kernel sends what a cell displays; the last time is that of the live view.
NOTE = """import json, sys, time
sys.path[:0] = {paths}
times = []
def note(message):
    times.append(time.time())
    open({file}, "w").write(json.dumps(times))
    return message
get_ipython().display_pub.register_hook(note)
"""


@dataclass
class Lab:
    """A running JupyterLab whose notebooks lie in ``folder``."""

    folder: Path
    address: str
    paths: list[str]
    made: int = 0

    @property
    def times(self) -> Path:
        """Where a notebook's kernel notes when it sends what is displayed."""
        return self.folder / "times.json"

    def notebook(self, prepare: str, show: str) -> str:
        """The address of a new notebook of two cells."""
        self.made += 1
        note = NOTE.format(paths=self.paths, file=repr(os.fspath(self.times)))
        cells = [new_code_cell(note + prepare), new_code_cell(show)]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        book = new_notebook(cells=cells, metadata={"kernelspec": kernel})
        nbformat.write(book, self.folder / f"{self.made}.ipynb")
        where = f"lab/workspaces/w{self.made}/tree/{self.made}.ipynb?token=here&reset"
        return f"{self.address}/{where}"

    def end_sessions(self) -> None:
        """End all kernels, also those of pages that no longer answer."""
        for session in json.loads(self._ask("GET", "")):
            self._ask("DELETE", f"/{session['id']}")

    def _ask(self, method: str, path: str) -> bytes:
        url = f"{self.address}/api/sessions{path}"
        headers = {"Authorization": "token here"}
        with urllib.request.urlopen(Request(url, method=method, headers=headers)) as answer:
            return bytes(answer.read())


@contextmanager
def jupyter_lab(folder: Path, paths: list[str]) -> Iterator[Lab]:
    """Start JupyterLab with settings of its own in ``folder``; end it afterwards."""
    (folder / "books").mkdir(parents=True, exist_ok=True)
    own = {f"JUPYTER_{part}_DIR": str(folder / part) for part in ("CONFIG", "DATA", "RUNTIME")}
    binaries = Path(sys.executable).parent
    environment = {**os.environ, **own, "OMP_NUM_THREADS": "1"}
    environment["PATH"] = f"{binaries}:{environment['PATH']}"
    port = free_port()
    command: list[str | Path] = [
        binaries / "jupyter",
        "lab",
        "--no-browser",
        "--allow-root",
        f"--port={port}",
    ]
    command += ["--ip=127.0.0.1", "--IdentityProvider.token=here"]
    command += ["--LabApp.expose_app_in_browser=True", f"--ServerApp.root_dir={folder / 'books'}"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(f"{address}/api/status?token=here", process)
            yield Lab(folder / "books", address, paths)
        finally:
            process.terminate()
            process.wait(30)


def free_port() -> int:
    """A port that nobody listens on."""
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        return server.server_port


def wait_for(url: str, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    """Wait until ``url`` answers; raises RuntimeError when the process ends or takes too long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url).close()
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("JupyterLab did not start")

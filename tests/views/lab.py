"""A real JupyterLab (and Notebook 7 beside it) on loopback, and notebooks in it."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat

from tests.classroom.server import TOKEN, served

ROOT = Path(__file__).parents[2]
IDLE = """() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status
    === 'idle' && window.jupyterapp.shell.currentWidget.sessionContext.isReady"""


def notebook(path: Path, *cells: str) -> Path:
    """Write a notebook of code cells that finds this repository."""
    made = nbformat.v4.new_notebook()
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    first = f"import sys; sys.path.insert(0, {str(ROOT)!r})"
    made.cells = [nbformat.v4.new_code_cell(source) for source in (first, *cells)]
    nbformat.write(made, path)
    return path


@contextmanager
def lab(folder: Path) -> Iterator[str]:
    """Serve a folder; gives the address. Settings and workspaces live in the folder too."""
    settings = folder / ".settings"
    names = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    places = {f"JUPYTER_{name}": settings / name.lower() for name in names}
    places |= {"JUPYTERLAB_SETTINGS_DIR": settings / "user"}
    places |= {"JUPYTERLAB_WORKSPACES_DIR": settings / "workspaces"}
    options = [f"--{app}.expose_app_in_browser=True" for app in ("LabApp", "JupyterNotebookApp")]
    options += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with served(folder, "jupyter lab", *options, **places) as address:
        yield address


class Session:
    """One browser that has never been here, and one notebook in it."""

    def __init__(self, browser: Any, address: str, app: str = "lab", **options: Any) -> None:
        self.outside: list[str] = []
        self.errors: list[str] = []
        self.address, self.app = address, app
        viewport = {"width": 1300, "height": 1000}
        self.context = browser.new_context(viewport=viewport, **options)
        self.page = self.context.new_page()
        # Widgets are modules from blobs; Notebook 7 has an error of its own in its settings.
        self.page.on("pageerror", lambda e: "blob:" in e.stack and self.errors.append(e.stack))
        self.context.route("**/*", self._only_here)

    def _only_here(self, route: Any) -> None:
        url = route.request.url
        if url.startswith(("http", "ws")) and urllib.parse.urlparse(url).hostname != "127.0.0.1":
            self.outside.append(url)
            route.abort()
        else:
            route.continue_()

    def open(self, name: str, kernel: bool = True) -> Any:
        """Open a notebook, and wait for its kernel; gives the page."""
        where = "lab/tree/" if self.app == "lab" else "notebooks/"
        reset = "&reset" if self.app == "lab" else ""
        self.page.goto(f"{self.address}/{where}{name}?token={TOKEN}{reset}")
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=90_000)
        if kernel:
            self.page.wait_for_function(IDLE, timeout=90_000)
        return self.page

    def command(self, name: str, **arguments: Any) -> None:
        """Start a command of the application; some end only when a dialog was answered."""
        start = "([name, more]) => { void window.jupyterapp.commands.execute(name, more); }"
        self.page.evaluate(start, [name, arguments])

    def run(self, number: int, source: str | None = None) -> str:
        """Run one code cell, with another source if given; gives the text that it printed."""
        return str(
            self.page.evaluate(
                """async ([number, source]) => {
                    const panel = window.jupyterapp.shell.currentWidget, notebook = panel.content;
                    const cell = notebook.widgets[number];
                    if (source !== null) cell.model.sharedModel.setSource(source);
                    notebook.activeCellIndex = number;
                    notebook.deselectAll();
                    await window.jupyterapp.commands.execute('notebook:run-cell');
                    return cell.model.outputs.toJSON().map((o) => o.text ?? '').join('');
                }""",
                [number, source],
            )
        )

    def close(self) -> None:
        """End the kernel and the browser."""
        self.page.evaluate("window.jupyterapp?.shell.currentWidget?.sessionContext?.shutdown()")
        self.context.close()

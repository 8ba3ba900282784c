"""A view in a page and in a fresh JupyterLab, timed by the machine's clock up to the painted frame.

A browser of its own for each measurement, so that none inherits another's memory.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.views_chromium import Chromium, Crashed
from benchmarks.views_lab import Lab
from benchmarks.views_rivals import Rival

# The first frame in which a condition holds: asked before the frame is painted, noted after it. It
# costs a view a frame at most; listening to bertviz's 600,000 changes of the page would cost more.
PROBE = """window.probe = (ready) => {
  window.seen = null;
  const look = () => {
    if (ready()) setTimeout(() => { window.seen = Date.now(); }, 0);
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
};"""
IDLE = """window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status ===
  "idle" && document.querySelectorAll(".jp-Notebook .jp-Cell").length > 1"""
PREPARED = 'document.querySelector(".jp-InputPrompt")?.textContent.includes("[1]")'
RUN = 'jupyterapp.commands.execute("notebook:run-cell-and-select-next")'


@dataclass
class Run:
    """Seconds of one measurement, the number of DOM nodes, or how it failed."""

    seconds: dict[str, float] = field(default_factory=dict)
    nodes: int = 0
    failed: str = ""


@dataclass
class Meter:
    """Opens pages in a new Chromium each, and says how a measurement ended. A paint may take
    ``limit`` seconds; ``libraries`` are answers to addresses elsewhere, where nothing else is."""

    libraries: dict[str, bytes]
    limit: float

    def measure(self, steps: Callable[[Chromium, Run], None]) -> Run:
        """Run ``steps`` on a new page. What they found before they failed is kept."""
        run = Run()
        with closing(Chromium(self.libraries)) as page:
            try:
                steps(page, run)
            except TimeoutError:
                run.failed = run.failed or f"not in {self.limit:.0f} s"
            except Crashed:
                run.failed = "the page crashed"
        return run

    def seen(self, page: Chromium) -> float:
        """When the probe saw what it waits for, seconds of the clock."""
        return float(page.wait("window.seen", self.limit)) / 1000

    def turn(self, page: Chromium, rival: Rival, run: Run, name: str) -> None:
        """Time one change of the layer."""
        start = page.evaluate(
            f"""(() => {{
              window.old = document.querySelector("line");
              probe(() => {rival.turned});
              const now = Date.now();
              {rival.turn};
              return now;
            }})()""",
            self.limit,
        )
        run.seconds[name] = self.seen(page) - start / 1000

    def page(self, url: str, rival: Rival) -> Run:
        """From the opening of a page to the painted view; then the next layer."""

        def steps(page: Chromium, run: Run) -> None:
            page.first(f"{PROBE} probe(() => {rival.drawn});")
            page.open(url, self.limit)
            end = self.seen(page)
            run.seconds["page"] = end - page.evaluate("performance.timeOrigin") / 1000
            run.nodes = page.evaluate(nodes(rival))
            if rival.turn and not rival.kernel:
                self.turn(page, rival, run, "page, layer")

        return self.measure(steps)

    def lab(self, lab: Lab, rival: Rival) -> Run:
        """A new notebook session: from running the cell, and from the last message that its kernel
        sends for it, to the painted view; then the next layer."""
        url = lab.notebook(rival.prepare, rival.show)

        def steps(page: Chromium, run: Run) -> None:
            run.failed = "JupyterLab did not open"
            page.open(url)
            page.wait(IDLE, 60)
            page.evaluate(f"{RUN}; 0")
            page.wait(PREPARED, 60)
            page.rest(1.0)
            run.failed = ""
            page.evaluate(f"{PROBE} probe(() => {rival.drawn})")
            start = page.evaluate(f"(() => {{ const now = Date.now(); {RUN}; return now; }})()")
            end = self.seen(page)
            run.seconds["lab, cell"] = end - start / 1000
            run.seconds["lab"] = end - json.loads(lab.times.read_text())[-1]
            run.nodes = page.evaluate(nodes(rival))
            if rival.turn:
                page.rest(0.5)
                self.turn(page, rival, run, "lab, layer")

        run = self.measure(steps)
        lab.end_sessions()
        return run


def blank(url: str, rival: Rival, wait: float = 10.0) -> tuple[int, str]:
    """What a page draws in ``wait`` seconds with no library at hand: (nodes, its errors)."""
    with closing(Chromium({})) as page:
        page.open(url)
        page.rest(wait)
        return page.evaluate(nodes(rival, " svg")), "; ".join(page.errors)


def nodes(rival: Rival, part: str = "") -> str:
    """JavaScript that counts the elements of a view, or of a part of it."""
    return f"document.querySelectorAll({json.dumps(rival.root + part + ' *')}).length"


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address under which ``folder`` is served to this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *words: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=os.fspath(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()

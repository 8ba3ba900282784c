"""The attention explorer against bertviz, in the same browser and the same run.

Both get the same weights, 12 layers × 12 heads × a number of tokens. Measured are the bytes that go
to the front end, the seconds to the first painted frame in a page and in a fresh JupyterLab, the
seconds of a change of the layer, and the DOM nodes. Prints a table and the ratios. bertviz (pip)
and the libraries that it loads from a CDN (npm) are fetched first; the browser has no network.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from benchmarks import views_bertviz as bertviz
from benchmarks.views_browser import Meter, Run, blank, served
from benchmarks.views_chromium import Chromium
from benchmarks.views_lab import Lab, jupyter_lab
from benchmarks.views_rivals import (
    HEAD_VIEW,
    MODEL_VIEW,
    OURS,
    Rival,
    attention_weights,
    labels,
    ours,
    sent_bytes,
    theirs,
)

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = {  # a name among the seconds of a run: what the table calls it
    "page": "page: first paint, s",
    "lab, cell": "JupyterLab: run to paint, s",
    "lab": "JupyterLab: sent to paint, s",
    "page, layer": "page: layer, s",
    "lab, layer": "JupyterLab: layer, s",
}
Key = tuple[int, str]  # tokens, name of the view


@dataclass
class Found:
    """What was measured of one view at one size."""

    sent: int  # bytes
    picture: int  # bytes of the static picture; 0 where there is none
    runs: dict[str, list[Run]] = field(default_factory=lambda: {"page": [], "lab": []})

    def values(self, name: str) -> list[float]:
        """All seconds of that name."""
        return [r.seconds[name] for runs in self.runs.values() for r in runs if name in r.seconds]

    def slow(self, place: str, limit: float) -> bool:
        """Whether another run there is not worth its time: it failed, or took a sixth of it."""
        return any(run.failed or max(run.seconds.values()) > limit / 6 for run in self.runs[place])

    def failure(self, name: str) -> str:
        """How the runs failed in which a time of that name was to be measured; a dash where none
        was: a layer turns after the first paint."""
        place = name.split(",")[0]
        failed = [run.failed for run in self.runs[place] if run.failed]
        came = "layer" not in name or self.values(place)
        return failed[0] if failed and came else "–"

    def nodes(self) -> int:
        return max((run.nodes for runs in self.runs.values() for run in runs), default=0)


def prepare(tokens: int, folder: Path, cache: Path) -> dict[str, tuple[Rival, Found]]:
    """The three views of the same weights, each as a page in ``folder``."""
    from course.views import AttentionExplorer

    weights, path = attention_weights(tokens), folder / f"{tokens}.npy"
    np.save(path, weights)
    view = AttentionExplorer(weights, labels(tokens))
    (folder / page_name(tokens, OURS)).write_text(view.to_html(), "utf-8")
    made = {OURS: (ours(path), Found(sent_bytes(view), len(view.picture())))}
    for name in (HEAD_VIEW, MODEL_VIEW):
        shown = bertviz.html(cache, name.split()[1], weights, labels(tokens))
        page = f'<!doctype html><meta charset="utf-8">{shown}'
        (folder / page_name(tokens, name)).write_text(page, "utf-8")
        made[name] = theirs(name, path, tokens), Found(len(json.dumps(shown)), 0)
    return made


def page_name(tokens: int, name: str) -> str:
    """The file of a view's page."""
    return f"{name.replace(' ', '-')}-{tokens}.html"


def measure(
    made: dict[Key, tuple[Rival, Found]], meter: Meter, address: str, lab: Lab, repeat: int
) -> None:
    """All views in turn, then all again in the opposite order, and so on."""
    bar = tqdm(total=repeat * len(made) * 2, disable=None)
    for round_ in range(repeat):
        for (tokens, name), (rival, found) in list(made.items())[:: -1 if round_ % 2 else 1]:
            for place in found.runs:
                bar.set_description(f"{name}, {tokens} tokens, {place}")
                bar.update()
                if found.slow(place, meter.limit):
                    continue
                if place == "page":
                    run = meter.page(f"{address}/{page_name(tokens, name)}", rival)
                else:
                    run = meter.lab(lab, rival)
                found.runs[place].append(run)
    bar.close()


def cell(found: Found, name: str) -> str:
    """Median and range of a time, the only value, or why there is none."""
    values = found.values(name)
    if len(values) < 2:
        return f"{values[0]:.2f} (once)" if values else found.failure(name)
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def row(words: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, words))} |"


def table(found: dict[Key, Found]) -> str:
    """What was measured, a line a view and size."""
    heads = ["tokens", "view", "sent, MB", "picture, MB", *COLUMNS.values(), "DOM nodes"]
    lines = [row(heads), "|---" * len(heads) + "|"]
    for (tokens, name), each in found.items():
        sizes = [f"{size / 1e6:.2f}" if size else "–" for size in (each.sent, each.picture)]
        times = [cell(each, column) for column in COLUMNS]
        nodes = f"{each.nodes():,}" if each.nodes() else "–"
        lines.append(row([tokens, name, *sizes, *times, nodes]))
    return "\n".join(lines)


def ratio(theirs: list[float], ours: list[float]) -> str:
    """Of the medians; a dash where one side has none."""
    if not theirs or not ours:
        return "–"
    return f"{statistics.median(theirs) / statistics.median(ours):.1f}"


def ratios(found: dict[Key, Found]) -> str:
    """bertviz's medians divided by ours; above 1, ours sends less or is faster. Without a kernel
    ours has no other layer."""
    shared = [column for column in COLUMNS if column != "page, layer"]
    heads = ["tokens", "against", "sent", *(COLUMNS[column] for column in shared), "DOM nodes"]
    lines = [row(heads), "|---" * len(heads) + "|"]
    for (tokens, name), rival in found.items():
        mine = found[tokens, OURS]
        if name == OURS:
            continue
        shown = [ratio(rival.values(column), mine.values(column)) for column in shared]
        more = f"{rival.nodes() / mine.nodes():,.0f}" if rival.nodes() and mine.nodes() else "–"
        lines.append(row([tokens, name, f"{rival.sent / mine.sent:,.0f}", *shown, more]))
    return "\n".join(lines)


def machine() -> str:
    """Where this was measured."""
    described = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.split(":")[1].strip() for line in described.splitlines() if "model name" in line]
    with closing(Chromium({})) as chromium:
        programs = f"Python {platform.python_version()}, {chromium.version()}"
    parts = ", ".join(f"{n} {version(n)}" for n in ("jupyterlab", "anywidget", "torch"))
    return (
        f"{os.cpu_count()} cores, {(names or ['?'])[0]}, {programs}, {parts}, bertviz "
        f"{bertviz.VERSION}; load {os.getloadavg()[0]:.1f}"
    )


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--repeat", type=int, default=5, help="runs of each; slow ones only one")
    parser.add_argument("--limit", type=float, default=180.0, help="seconds that a paint may take")
    parser.add_argument("--cache", type=Path, help="bertviz's folder, kept; else temporary")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    options = read_options()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="views-")))
        cache = (options.cache or folder / "bertviz").resolve()
        cache.mkdir(parents=True, exist_ok=True)
        meter = Meter(bertviz.fetch(cache), options.limit)
        (folder / "pages").mkdir()
        made = {
            (tokens, name): pair
            for tokens in tqdm(options.tokens, desc="weights and pages", disable=None)
            for name, pair in prepare(tokens, folder / "pages", cache).items()
        }
        address = stack.enter_context(served(folder / "pages"))
        lab = stack.enter_context(
            jupyter_lab(folder / "lab", [os.fspath(ROOT), os.fspath(cache / "python")])
        )
        print(machine(), flush=True)
        tokens = min(options.tokens)
        page = f"{address}/{page_name(tokens, HEAD_VIEW)}"
        drawn, errors = blank(page, made[tokens, HEAD_VIEW][0])
        print(f"{HEAD_VIEW} with its CDN blocked: {drawn} nodes drawn ({errors})", flush=True)
        measure(made, meter, address, lab, options.repeat)
        print(f"load at the end {os.getloadavg()[0]:.1f}")
    found = {key: pair[1] for key, pair in made.items()}
    print(f"\n{table(found)}\n\nbertviz divided by ours:\n\n{ratios(found)}")


if __name__ == "__main__":
    main()

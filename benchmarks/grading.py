"""Grade the same class by stock nbgrader and by ours, interleaved in one run, and compare.

The class (``grading_class.py``) imports torch and transformers and has four tests by plain assert,
which stock nbgrader can run as well, and otter-grader (``--otter``). Prints seconds and CPU seconds
a submission, peak memory and ratios, and checks that every way gives every student the points that
are due.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import grading_otter as otter
from benchmarks.grading_class import ASSIGNMENT, expected, make_class

ROOT = Path(__file__).resolve().parent.parent

TICK = os.sysconf("SC_CLK_TCK")
PYTHON = sys.executable
BIN = Path(PYTHON).parent


@dataclass
class Usage:
    """What a process tree used: wall and CPU seconds, and its largest resident memory, bytes."""

    seconds: float = 0.0
    cpu: float = 0.0
    memory: int = 0


@dataclass
class Tree:
    """Samples /proc: CPU of every process below one, the reaped ones by their parents' account.

    A process that nobody waits for (the warm process ignores its children's ends) is counted up to
    its last sample, so at most one interval of it is lost.
    """

    root: int
    own: dict[int, float] = field(default_factory=dict)
    reaped: dict[int, float] = field(default_factory=dict)
    parent: dict[int, int] = field(default_factory=dict)
    memory: int = 0
    samples: int = 0

    def sample(self) -> None:
        """Read all processes below the root once."""
        waiting, resident = [self.root], 0
        while waiting:
            number = waiting.pop()
            try:
                words = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
                tasks = list(Path(f"/proc/{number}/task").iterdir())
                children = [c for t in tasks for c in (t / "children").read_text().split()]
            except (OSError, ValueError, IndexError):
                continue
            self.own[number] = (int(words[11]) + int(words[12])) / TICK
            self.reaped[number] = (int(words[13]) + int(words[14])) / TICK
            resident += proportional(number) if self.samples % 10 == 0 else 0
            self.parent |= {int(child): number for child in children}
            waiting += [int(child) for child in children]
        self.samples += 1
        self.memory = max(self.memory, resident)

    def cpu(self, number: int | None = None) -> float:
        """CPU seconds of a process, by default the root, and of all below it, each counted once."""
        number = self.root if number is None else number
        below = sum(self.cpu(child) for child, above in self.parent.items() if above == number)
        # What a process has reaped holds its grandchildren's time as well.
        return self.own.get(number, 0.0) + max(below, self.reaped.get(number, 0.0))


def proportional(number: int) -> int:
    """A process's memory in bytes, pages that it shares with others counted in part."""
    try:
        text = Path(f"/proc/{number}/smaps_rollup").read_text()
    except OSError:
        return 0
    lines = [line for line in text.splitlines() if line.startswith("Pss:")]
    return int(lines[0].split()[1]) << 10 if lines else 0


def measure(commands: Sequence[Sequence[str | Path]], folder: Path) -> Usage:
    """Run commands side by side to their end; raises CalledProcessError when one fails."""
    path = os.pathsep.join([str(BIN), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    started = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        processes = [
            subprocess.Popen(
                [str(word) for word in command],
                cwd=folder,
                env=environment,
                stdout=said,
                stderr=said,
            )
            for command in commands
        ]
        trees = [Tree(process.pid) for process in processes]
        done = threading.Event()

        def watch() -> None:
            while not done.wait(0.05):
                for tree in trees:
                    tree.sample()

        watcher = threading.Thread(target=watch)
        watcher.start()
        statuses = [os.wait4(process.pid, 0) for process in processes]
        seconds = time.perf_counter() - started
        done.set()
        watcher.join()
        for process, (_, status, _) in zip(processes, statuses, strict=True):
            if status:
                said.seek(0)
                raise subprocess.CalledProcessError(status, process.args, said.read()[-3000:])
    # The kernel's own account of what was waited for, where it is more than was sampled.
    waited = sum(used.ru_utime + used.ru_stime for _, _, used in statuses)
    cpu = max(waited, sum(tree.cpu() for tree in trees))
    return Usage(seconds, cpu, sum(tree.memory for tree in trees))


STOCK_CONFIG = "c = get_config()\nc.Execute.timeout = 120\n"
IMMEDIATE = STOCK_CONFIG + 'c.Execute.shutdown_kernel = "immediate"\n'
OUR_CONFIG = "c = get_config()\nfrom autograder.configure import configure\nconfigure(c)\n"


def autograde(*words: str) -> list[str | Path]:
    return [BIN / "nbgrader", "autograde", ASSIGNMENT, *words]


def grade(workers: int) -> list[str | Path]:
    return [PYTHON, "-m", "autograder", "grade", ASSIGNMENT, "--quiet", "--workers", f"{workers}"]


WAYS: dict[str, tuple[str, list[list[str | Path]]]] = {
    "stock nbgrader autograde": (STOCK_CONFIG, [autograde()]),
    "stock, immediate shutdown": (IMMEDIATE, [autograde()]),
    "two stock commands in parallel": (
        STOCK_CONFIG,
        [autograde("--student", "student??[02468]"), autograde("--student", "student??[13579]")],
    ),
    "ours, nbgrader autograde": (OUR_CONFIG, [autograde()]),
    "ours, grade --workers 1": (OUR_CONFIG, [grade(1)]),
    "ours, grade --workers 2": (OUR_CONFIG, [grade(2)]),
}
STOCK = "stock nbgrader autograde"


def run_way(name: str, size: int, place: Path) -> Usage:
    """Grade a fresh class of ``size`` in one way; checks that every submission has a grade."""
    config, commands = WAYS[name]
    folder = Path(tempfile.mkdtemp(dir=place))
    make_class(folder, size, config)
    measure([[BIN / "nbgrader", "generate_assignment", ASSIGNMENT]], folder)
    used = measure(commands, folder)
    compare(name, points_of(folder, size))
    shutil.rmtree(folder)
    return used


def run_otter(name: str, size: int, place: Path, binaries: Path) -> Usage:
    """As ``run_way``, by otter-grader."""
    folder = Path(tempfile.mkdtemp(dir=place))
    otter.make_class(folder, size, binaries)
    used = measure([otter.command(name, binaries)], folder)
    compare(name, otter.points_of(folder, size))
    shutil.rmtree(folder)
    return used


def compare(name: str, found: Sequence[float | None]) -> None:
    """Raises RuntimeError when a student has other points than are due."""
    wrong = [number for number, points in enumerate(found) if points != expected(number)]
    if wrong:
        raise RuntimeError(f"{name}: students {wrong} have other points than they deserve")


def points_of(folder: Path, size: int) -> list[float | None]:
    """Every student's automatic points in the gradebook; None for one that is not there."""
    rows = sqlite3.connect(folder / "gradebook.db").execute(
        """SELECT a.student_id, sum(auto_score) FROM grade
        JOIN submitted_notebook s ON s.id = grade.notebook_id
        JOIN submitted_assignment a ON a.id = s.assignment_id GROUP BY 1"""
    )
    found = dict(rows.fetchall())
    return [found.get(f"student{number:03d}") for number in range(size)]


def table(found: dict[tuple[str, int], list[Usage]]) -> str:
    """Markdown: best of the rounds a way and size; ratios against stock's cost a submission."""
    best = {
        key: Usage(
            min(u.seconds for u in used), min(u.cpu for u in used), max(u.memory for u in used)
        )
        for key, used in found.items()
    }
    stock_size = max(size for name, size in best if name == STOCK)
    stock = best[STOCK, stock_size]
    lines = [
        "| way | submissions | seconds each | CPU s each | peak MB | throughput | CPU |",
        "|---|---|---|---|---|---|---|",
    ]
    for (name, size), used in best.items():
        seconds, cpu = used.seconds / size, used.cpu / size
        faster = stock.seconds / stock_size / seconds
        less = stock.cpu / stock_size / cpu
        memory = used.memory >> 20
        lines.append(
            f"| {name} | {size} | {seconds:.2f} | {cpu:.2f} | {memory} "
            f"| {faster:.1f}× | {less:.1f}× |"
        )
    return "\n".join(lines)


def plot(found: dict[tuple[str, int], list[Usage]], path: Path) -> None:
    """CPU seconds a submission over the size of the class."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), dpi=80)
    for name in dict.fromkeys(name for name, _ in found):
        points = sorted(
            (s, min(u.cpu for u in us) / s) for (n, s), us in found.items() if n == name
        )
        axes.plot(*zip(*points, strict=True), marker="o", label=name)
    axes.set(xscale="log", yscale="log", xlabel="submissions", ylabel="CPU seconds a submission")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[48], help="classes for ours")
    parser.add_argument("--stock-sizes", type=int, nargs="+", default=[24], help="for the others")
    parser.add_argument("--rounds", type=int, default=1, help="how often each; the best counts")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), help="only these")
    parser.add_argument("--otter", action="store_true", help="otter-grader too; pip fetches it")
    parser.add_argument("--otter-venv", type=Path, help="its environment, kept; else temporary")
    parser.add_argument("--plot", type=Path, help="write a picture here")
    parser.add_argument("--json", type=Path, help="write the raw numbers here")
    return parser.parse_args()


def run_all(options: argparse.Namespace, place: Path) -> dict[tuple[str, int], list[Usage]]:
    """Every way at every size, interleaved: what else the machine does then hits all alike."""
    found: dict[tuple[str, int], list[Usage]] = {}
    names = [*options.ways, *(otter.WAYS if options.otter else [])]
    binaries = Path()
    if options.otter:
        binaries = otter.make_environment(options.otter_venv or place / "otter")
    for index in list(range(max(len(options.sizes), len(options.stock_sizes)))) * options.rounds:
        for name in names:
            ours = name in WAYS and WAYS[name][0] == OUR_CONFIG
            sizes = options.sizes if ours else options.stock_sizes
            if index >= len(sizes):
                continue
            if name in WAYS:
                used = run_way(name, sizes[index], place)
            else:
                used = run_otter(name, sizes[index], place, binaries)
            found.setdefault((name, sizes[index]), []).append(used)
            print(name, sizes[index], used, f"load {os.getloadavg()[0]:.1f}", flush=True)
    return found


def main() -> int:
    """Measure and print."""
    options = read_options()
    with tempfile.TemporaryDirectory(prefix="grading-") as place:
        found = run_all(options, Path(place))
    print("\n" + table(found))
    if options.plot:
        plot(found, options.plot)
    if options.json:
        raw = [[name, size, [vars(u) for u in used]] for (name, size), used in found.items()]
        options.json.write_text(json.dumps(raw, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""``python -m autograder doctor``: try every escape for real and print what holds."""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import socket
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import WorkerLost
from autograder.escapes import ESCAPES, Escape
from autograder.sandbox import kernel
from autograder.session import Session
from autograder.zygote import SandboxError, Zygote

CHECKS = Path(__file__).parent / "checks" / "__init__.py"


@dataclass(frozen=True)
class Finding:
    """What came of one escape: whether it was refused."""

    escape: Escape
    refused: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Run the self-test; returns 0 when every escape was refused, 1 otherwise, 2 without a worker.

    ``--require`` names parts of the sandbox that must be in force.
    """
    parser = argparse.ArgumentParser(prog="python -m autograder doctor", description=__doc__)
    parser.add_argument("--require", nargs="*", default=[], metavar="PART", help="parts needed")
    options = parser.parse_args(argv)
    with Zygote.start(preload=(), require=options.require) as zygote:
        try:
            in_force, findings, left = examine(zygote)
        except SandboxError as error:
            print(f"no: {error}")
            return 2
    print(report(in_force, findings, left))
    return 0 if not left and all(finding.refused for finding in findings) else 1


def examine(zygote: Zygote) -> tuple[list[str], list[Finding], bool]:
    """What is in force, what came of each escape, and whether a process outlived its worker."""
    os.environ["AUTOGRADER_DOCTOR"] = "a secret of the grader's"
    try:
        with (
            tempfile.TemporaryDirectory() as place,
            socket.create_server(("127.0.0.1", 0)) as server,
        ):
            folder, outside = Path(place) / "student", Path(place) / "outside"
            folder.mkdir()
            outside.mkdir()
            (outside / "secret.txt").write_text("secret")
            words = {"OUTSIDE": outside, "PORT": server.getsockname()[1], "PID": os.getpid()}
            with Session(zygote, folder) as session:
                session.execute("escaped = False")
                findings = [_try(session, escape, words | {"CHECKS": CHECKS}) for escape in ESCAPES]
            return session.sandbox, findings, _outlives(zygote, folder)
    finally:
        del os.environ["AUTOGRADER_DOCTOR"]


def _try(session: Session, escape: Escape, words: dict[str, object]) -> Finding:
    """Run one escape in the worker. One that ends the worker has not got out."""
    source = escape.source
    for word, value in words.items():
        source = source.replace(word, str(value))
    session.execute("escaped = False")
    session.execute(source, seconds=10)
    try:
        escaped = session.get("escaped") is True
    except (KeyError, WorkerLost):
        escaped = False
    return Finding(escape, not escaped)


def descendants(pid: int) -> set[int]:
    """The numbers of all processes that were forked, however indirectly, from one. Linux only."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(entry.name)] = int(
                (entry / "stat").read_text().rpartition(")")[2].split()[1]
            )
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


BACKGROUND = """
import os, time
try:
    if os.fork() == 0:
        os.setsid()
        while os.fork() == 0: time.sleep(60)
        time.sleep(60)
except OSError: pass
"""


def _outlives(zygote: Zygote, folder: Path) -> bool:
    """Whether a process that an answer started goes on after its worker was closed."""
    if not kernel.LINUX:
        return True
    before = descendants(zygote.pid)
    with Session(zygote, folder) as session:
        session.execute(BACKGROUND, seconds=1)
    end = time.monotonic() + 10
    while descendants(zygote.pid) - before and time.monotonic() < end:
        time.sleep(0.05)
    return bool(descendants(zygote.pid) - before)


def report(in_force: Sequence[str], findings: Sequence[Finding], left: bool) -> str:
    """The table that is printed."""
    lines = [f"{platform.system()} {platform.release()} on {platform.machine()}", "in force:"]
    lines += [f"  {words}" for words in in_force] or [
        "  nothing: this system has no sandbox for us"
    ]
    lines += ["escapes tried in a worker:"]
    width = max(len(finding.escape.title) for finding in findings)
    for finding in findings:
        title = finding.escape.title.ljust(width)
        said = "refused" if finding.refused else f"POSSIBLE (needs {finding.escape.stopped_by})"
        lines.append(f"  {title}  {said}")
    lines.append(f"  {'stay in the background'.ljust(width)}  {'POSSIBLE' if left else 'refused'}")
    return "\n".join(lines)

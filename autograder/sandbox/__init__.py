"""Lock the current process away by ctypes alone: Landlock, seccomp, namespaces, limits, uid.

Nothing here needs a package or a privilege. Each part does what the kernel allows and returns the
words that say so; on other systems than Linux there is nothing to be had, and it says that.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from autograder.sandbox.limits import Limits

__all__ = ["Limits", "library_path"]


def library_path(path: Iterable[str]) -> list[str]:
    """The entries of a module search path that belong to Python and its packages."""
    homes = (sys.base_prefix, sys.prefix, sys.exec_prefix)
    packages = ("site-packages", "dist-packages")
    return [
        entry
        for entry in dict.fromkeys(path)
        if any(entry.startswith(home) for home in homes) or entry.endswith(packages)
    ]

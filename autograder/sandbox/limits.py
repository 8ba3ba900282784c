"""How much of everything a worker may use."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from autograder.sandbox.kernel import LINUX

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """A worker's allowance. Sizes are bytes; ``memory`` is what it may use beyond its libraries."""

    memory: int = 2048 * MIB
    cpu_seconds: int = 1800
    file: int = 64 * MIB
    disk: int = 256 * MIB
    open_files: int = 256
    processes: int = 32  # processes and threads together
    output: int = 256 * 1024  # text that one cell may print
    figures: int = 8 * MIB  # pictures and HTML that one cell may show


def address_space() -> int:
    """Bytes of address space that this process has now; 0 where the system does not say."""
    if not LINUX:
        return 0
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE")


def set_limits(limits: Limits, space: int) -> str:
    """Put the limits on this process, which already has ``space`` bytes of address space."""
    import resource

    wanted = {
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": limits.file,
        "RLIMIT_NOFILE": limits.open_files,
        "RLIMIT_CPU": limits.cpu_seconds,
        "RLIMIT_NPROC": limits.processes,
        "RLIMIT_MSGQUEUE": 0,
    }
    if space:
        wanted["RLIMIT_AS"] = space + limits.memory
    for name, value in wanted.items():
        number = getattr(resource, name, None)
        if number is not None:
            with contextlib.suppress(ValueError, OSError):
                hard = resource.getrlimit(number)[1]
                value = value if hard == resource.RLIM_INFINITY else min(value, hard)
                resource.setrlimit(number, (value, value))
    return "rlimits"

"""Everything at once: what a newborn worker does before it sees a student's first line."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from autograder.sandbox import kernel, landlock, namespaces, room, seccomp
from autograder.sandbox.limits import Limits, address_space, set_limits
from autograder.sandbox.namespaces import Nest

PROC_FILES = ("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/self")


def lock(
    folder: str, readable: Sequence[str], limits: Limits, nest: Nest, own_pids: bool
) -> list[str]:
    """Lock this process into ``folder``; returns what is in force, in words.

    ``own_pids`` says that the process was born as the first of a process namespace.
    """
    space = address_space()
    libraries = room.libraries()
    inside = _room(folder, [*libraries, *readable], limits, nest)
    report = _identity(libraries, inside, nest)
    own_user = namespaces.own_user_namespace(mapped=False)
    namespaces.drop_capabilities()
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    names = (["user"] if own_user or nest.user else []) + [
        name for name in nest.names if (name != "pid" or own_pids) and (name != "mount" or inside)
    ]
    in_force = [f"{', '.join(names)} namespaces"] if names else []
    in_force += [f"private disk ({inside})"] if inside else []
    in_force += [set_limits(limits, space)]
    proc = ["/proc"] if inside and own_pids else PROC_FILES
    reads = [*libraries, *readable, *proc, *room.DEVICES]
    writes = [folder, "/dev/null", *(["/tmp"] if inside else [])]
    found = landlock.restrict(reads, writes)
    # The number of processes is only counted for a user of one's own that is not root.
    counted = own_pids and (own_user or report != "still root")
    filtered = seccomp.restrict(signals_to_self=not own_pids, forks=counted)
    return [part for part in (found, filtered, *in_force, report) if part]


def _room(folder: str, readable: list[str], limits: Limits, nest: Nest) -> str | None:
    """Build the room where mounting is allowed; "overlay" or "copy", or None without one."""
    if not nest.mount or not kernel.unshare(kernel.CLONE_NEWNS):
        return None
    uid = namespaces.NOBODY if os.geteuid() == 0 and not nest.user else None
    try:
        return room.build(folder, readable, limits.disk, uid)
    except (OSError, KeyError, ValueError):
        with contextlib.suppress(OSError):
            kernel.check(kernel.libc.umount2(room.ROOM.encode(), kernel.MNT_DETACH), "umount")
        os.chdir(folder)
        return None


def _identity(libraries: list[str], inside: str | None, nest: Nest) -> str:
    """Leave root behind if this is root and another user could still read the libraries."""
    if os.geteuid() != 0:
        return f"uid {os.geteuid()}"
    entrances = libraries if inside else _with_parents(libraries)
    if nest.user or not namespaces.world_readable(entrances):
        return "still root"
    return f"uid {namespaces.NOBODY}" if namespaces.drop_user(namespaces.NOBODY) else "still root"


def _with_parents(paths: list[str]) -> list[str]:
    return [str(p) for path in paths for p in (Path(path), *Path(path).parents)]

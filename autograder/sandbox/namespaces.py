"""Namespaces: a nursery of its own for all workers, and in it a world of processes for each.

The nursery enters new namespaces once; a worker then is process 1 of a process namespace inside
it, so that killing one process kills all that a student's answer ever started.
"""

from __future__ import annotations

import contextlib
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR

from autograder.sandbox import kernel

NAMES = {
    kernel.CLONE_NEWPID: "pid",
    kernel.CLONE_NEWNET: "net",
    kernel.CLONE_NEWIPC: "ipc",
    kernel.CLONE_NEWNS: "mount",
}
NOBODY = 65534
CAPABILITY_VERSION = 0x20080522


@dataclass(frozen=True)
class Nest:
    """What the nursery could get for its workers."""

    names: tuple[str, ...] = ()
    user: bool = False  # the namespaces belong to a user namespace of the nursery

    @property
    def pid(self) -> bool:
        return "pid" in self.names

    @property
    def mount(self) -> bool:
        return "mount" in self.names


def enter() -> Nest:
    """Take this process (and, for processes, its next child) into new namespaces."""
    everything = sum(NAMES)
    if os.name != "posix" or not kernel.LINUX:
        return Nest()
    if os.geteuid() == 0 and kernel.unshare(everything):
        return _private(Nest(tuple(NAMES.values())))
    if own_user_namespace(mapped=True):
        if kernel.unshare(everything):
            return _private(Nest(tuple(NAMES.values()), user=True))
        names = tuple(name for flag, name in NAMES.items() if kernel.unshare(flag))
        return _private(Nest(names, user=True))
    return Nest()


def _private(nest: Nest) -> Nest:
    """Keep the nursery's mounts from spreading to the rest of the machine."""
    if nest.mount:
        kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    return nest


def own_user_namespace(mapped: bool) -> bool:
    """Enter a new user namespace; ``mapped`` keeps this process's user and group known in it."""
    uid, gid = os.geteuid(), os.getegid()
    if not kernel.unshare(kernel.CLONE_NEWUSER):
        return False
    if mapped:
        with contextlib.suppress(OSError):
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
            Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    return True


class Births:
    """Makes the next child process 1 of a new process namespace, again and again."""

    def __init__(self, nest: Nest) -> None:
        self.own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC) if nest.pid else -1

    def before(self) -> bool:
        """Call before a fork; whether the child will have its own process namespace."""
        return self.own >= 0 and kernel.unshare(kernel.CLONE_NEWPID)

    def after(self) -> None:
        """Call after the fork, in the parent: children are born here again."""
        if self.own >= 0:
            kernel.libc.setns(self.own, kernel.CLONE_NEWPID)


def drop_user(uid: int) -> bool:
    """Become an unprivileged user for ever; False when that is not allowed."""
    try:
        with contextlib.suppress(OSError):
            os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    except OSError:
        return False
    return os.geteuid() == uid


def drop_capabilities() -> None:
    """Give up every capability that this process holds in its user namespace."""
    if kernel.LINUX:
        header = struct.pack("Ii", CAPABILITY_VERSION, 0)
        kernel.libc.capset(header, bytes(24))


def world_readable(paths: list[str]) -> bool:
    """Whether another user may read all these files and folders; parents are not looked at."""
    found = [Path(path).stat().st_mode for path in paths if Path(path).exists()]
    return all(mode & need == need for mode in found for need in [5 if S_ISDIR(mode) else 4])

"""The C library and the few constants of Linux that the sandbox needs."""

from __future__ import annotations

import ctypes
import os
import sys

LINUX = sys.platform.startswith("linux")

libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
MNT_DETACH = 2


def check(result: int, what: str) -> int:
    """``result``, or the OSError that the C library's errno says when it is negative."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def prctl(option: int, value: int) -> None:
    """Set one attribute of the process; does nothing elsewhere than on Linux."""
    if LINUX:
        check(libc.prctl(option, value, 0, 0, 0), f"prctl({option})")


def unshare(flags: int) -> bool:
    """Leave some namespaces for new ones; False when the system does not allow it."""
    return bool(LINUX and libc.unshare(flags) == 0)


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """mount(2). Raises OSError."""
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind, data)]
    arguments = (encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3])
    check(libc.mount(*arguments), f"mount {source} on {target}")

"""Landlock: which files a process may still touch, and no TCP, foreign signal or abstract socket.

The right bits and structures are those of linux/landlock.h, up to the seventh version of the
interface; the call is refused nowhere that has the kernel feature, root or not.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

from autograder.sandbox import kernel

# One set of numbers for every architecture.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
ASK_VERSION = 1
RULE_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
TRUNCATE, IOCTL_DEVICE = 1 << 14, 1 << 15
READ = READ_FILE | READ_DIR
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE
# The file rights that each version of the interface knows; later ones add none.
FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
ALL_FILE_RIGHTS = (1 << 16) - 1
TCP = 0b11  # bind and connect, from version 4
SCOPES = 0b11  # abstract sockets and signals, from version 6


def version() -> int:
    """The kernel's version of Landlock, 0 where there is none."""
    if not kernel.LINUX:
        return 0
    return max(0, kernel.libc.syscall(CREATE_RULESET, None, 0, ASK_VERSION))


def restrict(readable: Iterable[str], writable: Iterable[str]) -> str | None:
    """Allow this process to read and to write below these paths alone; None without Landlock.

    Nothing may be executed, not even what may be read or written.
    """
    found = version()
    if not found:
        return None
    handled = FILE_RIGHTS.get(found, ALL_FILE_RIGHTS)
    fields = [handled, TCP if found >= 4 else 0, SCOPES if found >= 6 else 0]
    size = 8 if found < 4 else 16 if found < 6 else 24
    attributes = struct.pack("QQQ", *fields)
    ruleset = kernel.check(
        kernel.libc.syscall(CREATE_RULESET, attributes, ctypes.c_size_t(size), 0), "landlock"
    )
    for path in readable:
        _allow(ruleset, path, READ & handled)
    for path in writable:
        _allow(ruleset, path, handled & ~EXECUTE)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.check(kernel.libc.syscall(RESTRICT_SELF, ruleset, 0), "landlock")
    os.close(ruleset)
    return f"landlock {found}"


def _allow(ruleset: int, path: str, rights: int) -> None:
    """Add one path to the rules; a path that does not exist is left out."""
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError, NotADirectoryError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(opened).st_mode):
            rights &= OF_FILES
        rule = struct.pack("=Qi", rights, opened)
        result = kernel.libc.syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, rule, 0)
        kernel.check(result, f"landlock rule for {path}")
    finally:
        os.close(opened)

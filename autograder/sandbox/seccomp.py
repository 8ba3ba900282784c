"""seccomp: system calls that a student's answer has no use for are refused with EPERM.

A filter is a program of the classic BPF machine, as in linux/seccomp.h; numbers are those of
asm/unistd_64.h (x86-64) and asm-generic/unistd.h (arm64). A call of a foreign architecture kills.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from dataclasses import dataclass

from autograder.sandbox import kernel

LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_SET, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
EPERM, ENOSYS = 1, 38
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data, little endian
CLONE_NAMESPACES = 0x7E020000 | 0x80  # all CLONE_NEW* flags of clone(2)
CLONE_THREAD = 0x00010000
X32 = 0x40000000

# name: (x86-64, arm64); None where the architecture has no such call.
DENIED: dict[str, tuple[int | None, int | None]] = {
    "socket": (41, 198), "connect": (42, 203), "accept": (43, 202), "accept4": (288, 242),
    "bind": (49, 200), "listen": (50, 201),
    "execve": (59, 221), "execveat": (322, 281),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424), "process_madvise": (440, 440), "process_mrelease": (448, 448),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "unshare": (272, 97), "setns": (308, 268),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    "memfd_create": (319, 279), "memfd_secret": (447, 447),
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "semget": (64, 190),
    "msgget": (68, 186), "mq_open": (240, 180),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "reboot": (169, 142),
    "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "syslog": (103, 116),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "clock_adjtime": (305, 266),
    "adjtimex": (159, 171), "sethostname": (170, 161), "setdomainname": (171, 162),
    "quotactl": (179, 60), "fanotify_init": (300, 262), "lookup_dcookie": (212, 18),
    "nfsservctl": (180, 42), "vhangup": (153, 58), "personality": (135, 92),
    "move_pages": (279, 239), "iopl": (172, None), "ioperm": (173, None),
    "modify_ldt": (154, None), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
}  # fmt: skip


@dataclass(frozen=True)
class Architecture:
    """One machine: its audit number, its column of DENIED and the calls whose arguments count."""

    audit: int
    column: int
    clone: int
    forks: tuple[int, ...]
    kill: int
    tkill: int
    tgkill: int
    clone3: int = 435


ARCHITECTURES = {
    "x86_64": Architecture(0xC000003E, 0, 56, (57, 58), 62, 200, 234),
    "aarch64": Architecture(0xC00000B7, 1, 220, (), 129, 130, 131),
}


def _step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("HBBI", code, yes, no, value & 0xFFFFFFFF)


def _when(number: int, *body: bytes) -> list[bytes]:
    """``body`` if the call has this number; the accumulator holds the number again after it."""
    return [_step(JUMP_EQUAL, number, 0, len(body)), *body]


def _deny(error: int = EPERM) -> bytes:
    return _step(RETURN, ERRNO | error)


def program(machine: str, own: int | None = None, forks: bool = True) -> bytes:
    """The filter for one machine.

    With ``own``, signals reach that process alone; without ``forks``, threads alone can be made.
    """
    arch = ARCHITECTURES[machine]
    steps = [_step(LOAD, ARCHITECTURE), _step(JUMP_EQUAL, arch.audit, 1, 0), _step(RETURN, KILL)]
    steps += [_step(LOAD, NUMBER)]
    if machine == "x86_64":
        steps += [_step(JUMP_AT_LEAST, X32, 0, 1), _step(RETURN, KILL)]
    numbers = [row[arch.column] for row in DENIED.values()]
    denied = [number for number in numbers if number is not None]
    denied += [] if forks else arch.forks
    denied += [] if own is None else [arch.tkill]
    for number in denied:
        steps += _when(number, _deny())
    # glibc falls back to clone, whose flags a filter can see.
    steps += _when(arch.clone3, _deny(ENOSYS))
    flags = [_step(LOAD, FIRST_ARGUMENT), _step(JUMP_SET, CLONE_NAMESPACES, 0, 1), _deny()]
    if not forks:
        flags += [_step(JUMP_SET, CLONE_THREAD, 1, 0), _deny()]
    steps += _when(arch.clone, *flags, _step(RETURN, ALLOW))
    if own is not None:
        for number in (arch.kill, arch.tgkill):
            body = [_step(LOAD, FIRST_ARGUMENT), _step(JUMP_EQUAL, own, 1, 0), _deny()]
            steps += _when(number, *body, _step(RETURN, ALLOW))
    return b"".join([*steps, _step(RETURN, ALLOW)])


def restrict(signals_to_self: bool, forks: bool) -> str | None:
    """Put the filter on this process for ever; None where there is none to be had."""
    machine = platform.machine()
    if not kernel.LINUX or machine not in ARCHITECTURES:
        return None
    code = program(machine, os.getpid() if signals_to_self else None, forks)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(buffer))
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    if kernel.libc.prctl(kernel.PR_SET_SECCOMP, 2, ctypes.c_char_p(header), 0, 0):
        return None
    return "seccomp"

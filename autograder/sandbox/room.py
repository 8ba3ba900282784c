"""A room of its own: a file system that holds the libraries and one student's folder alone.

It is a small tmpfs, so everything a worker writes counts against one size, and nothing of it
outlives the worker: the student's folder is the lower layer of an overlay and never changes.
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import shutil
import site
import sys
from collections.abc import Iterable
from pathlib import Path

from autograder.sandbox import kernel

# Any folder will do as long as nothing that is to be bound lies in it.
ROOM = "/sys"
SYSTEM = [
    *("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64"),
    *("/usr/share/zoneinfo", "/usr/share/fonts"),
    *("/etc/ld.so.cache", "/etc/localtime", "/etc/fonts"),
]
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}


@functools.cache
def libraries() -> list[str]:
    """Folders and files that Python and its packages are read from, none inside another."""
    prefixes = (sys.base_prefix, sys.prefix, sys.base_exec_prefix, sys.exec_prefix)
    homes = [f"{prefix}/{name}" for prefix in prefixes for name in ("lib", "lib64")]
    packages = [p for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]
    wanted = [*homes, *site.getsitepackages(), *packages, *SYSTEM]
    found = {str(Path(path)) for path in wanted if Path(path).exists()}
    return sorted(p for p in found if not any(p.startswith(q + "/") for q in found))


def bind(source: str, target: str) -> None:
    """Show ``source``, a folder or a file, read-only at ``target`` as well."""
    if Path(source).is_symlink() and Path(source).is_dir():
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).symlink_to(Path(source).readlink())
        return
    if Path(source).is_dir():
        Path(target).mkdir(parents=True, exist_ok=True)
    else:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).touch()
    kernel.mount(source, target, None, kernel.MS_BIND | kernel.MS_REC)
    flags = kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | kernel.MS_NOSUID
    # Landlock refuses writing too, where a container's mounts cannot be changed.
    with contextlib.suppress(OSError):
        kernel.mount("none", target, None, flags)


def build(folder: str, readable: Iterable[str], disk: int, uid: int | None) -> str:
    """Make the room around this process and move into it; it needs its own mount namespace.

    Returns how the student's folder is held ("overlay" or "copy"). Raises OSError.
    """
    flags = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("room", ROOM, "tmpfs", flags, f"size={disk},nr_inodes=8000,mode=755")
    for path in readable:
        if Path(path).exists() and not Path(ROOM + path).exists():
            bind(path, ROOM + path)
    for device in DEVICES:
        if Path(device).exists():
            bind(device, ROOM + device)
    Path(ROOM + "/tmp").mkdir(exist_ok=True)
    Path(ROOM + "/tmp").chmod(0o1777)
    how = _lay_out(folder, ROOM + folder)
    if uid is not None:
        _hand_over(ROOM + folder, uid)
    Path(ROOM + "/proc").mkdir()
    with contextlib.suppress(OSError):
        kernel.mount("proc", ROOM + "/proc", "proc", flags | kernel.MS_NOEXEC)
    _move_in()
    os.chdir(folder)
    return how


def _lay_out(folder: str, target: str) -> str:
    """Put the student's folder at ``target`` so that writing to it changes the room alone."""
    Path(target).mkdir(parents=True, exist_ok=True)
    upper, work = ROOM + "/.layer/upper", ROOM + "/.layer/work"
    Path(upper).mkdir(parents=True)
    Path(work).mkdir()
    Path(ROOM + "/.layer").chmod(0o700)
    lower = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        # By number: a comma or colon in the folder's name would end the option.
        layers = f"lowerdir=/proc/self/fd/{lower},upperdir={upper},workdir={work}"
        kernel.mount("room", target, "overlay", kernel.MS_NOSUID | kernel.MS_NODEV, layers)
        return "overlay"
    except OSError:
        shutil.copytree(folder, target, symlinks=True, dirs_exist_ok=True)
        return "copy"
    finally:
        os.close(lower)


def _hand_over(folder: str, uid: int) -> None:
    """Let the worker's user write in the folder; large files that it can read stay as they are."""
    os.chown(folder, uid, uid)
    for parent, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = Path(parent) / name
            found = path.lstat()
            if found.st_size < 1 << 20 or not found.st_mode & 0o004:
                os.chown(path, uid, uid, follow_symlinks=False)


def _move_in() -> None:
    """Make the room the root of this process and let go of the old one."""
    os.chdir(ROOM)
    number = PIVOT_ROOT[platform.machine()]
    kernel.check(kernel.libc.syscall(number, b".", b"."), "pivot_root")
    kernel.check(kernel.libc.umount2(b".", kernel.MNT_DETACH), "umount of the old root")
    os.chdir("/")

"""Where the course keeps what it builds on a machine, and how a build stays safe.

A folder is built beside its final place and renamed into it, under a lock that the system frees
when its process dies: two notebooks may start at once, and one may be killed on the way.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PROFILES = ("offline", "hub")
MANIFEST = "whole.json"


class CourseError(RuntimeError):
    """What went wrong and what to do about it, in one line."""


def profile() -> str:
    """The value of COURSE_PROFILE, `offline` when unset; CourseError for an unknown one."""
    chosen = os.environ.get("COURSE_PROFILE", "").strip() or "offline"
    if chosen not in PROFILES:
        raise CourseError(
            f"COURSE_PROFILE is {chosen!r}, expected 'offline' or 'hub': set one of them"
        )
    return chosen


def cache_dir() -> Path:
    """COURSE_CACHE, or `transformers-by-hand` in the user's cache folder."""
    if chosen := os.environ.get("COURSE_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "transformers-by-hand"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that the system frees when this process dies."""
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print("another process is preparing this; waiting for it", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def is_whole(folder: Path) -> bool:
    """True for a finished folder, False for none; CourseError for a damaged one."""
    if not folder.exists():
        return False
    try:
        sizes = json.loads((folder / MANIFEST).read_text())
        for name, size in sizes.items():
            found = (folder / name).stat().st_size
            if found != size:
                raise ValueError(f"{name} has {found} bytes, expected {size}")
    except (OSError, ValueError, AttributeError) as error:
        raise CourseError(
            f"{folder} is damaged ({error}): delete that folder and load again"
        ) from None
    return True


def build_once(folder: Path, make: Callable[[Path], None], space: int) -> Path:
    """Return `folder`, built first by `make(path)` when it is not there yet.

    `space` is what the build needs, in bytes. Raises CourseError when the folder is damaged, the
    disk too full, or the cache not writable.
    """
    if is_whole(folder):
        return folder
    try:
        with locked(folder.with_name(f"{folder.name}.lock")):
            if not is_whole(folder):  # unless another process was first
                _build(folder, make, space)
    except OSError as error:
        raise CourseError(_advice(folder, space, error)) from error
    return folder


def _build(folder: Path, make: Callable[[Path], None], space: int) -> None:
    for left in folder.parent.glob(f"{folder.name}.part-*"):
        shutil.rmtree(left)  # of a process that died: we hold the lock
    free = shutil.disk_usage(folder.parent).free
    if free < space:
        raise OSError(errno.ENOSPC, f"{free / 1e6:.0f} MB are free")
    part = folder.with_name(f"{folder.name}.part-{os.getpid()}")
    part.mkdir()
    try:
        make(part)
        sizes = {}
        for file in sorted(part.iterdir()):
            file.chmod(0o644)  # safetensors writes for the owner alone; a grader is another user
            sizes[file.name] = file.stat().st_size
        (part / MANIFEST).write_text(json.dumps(sizes, indent=1))
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _advice(folder: Path, space: int, error: OSError) -> str:
    where = f"{folder.parent} (COURSE_CACHE names another place)"
    if error.errno == errno.ENOSPC:
        return f"no space for {folder.name}: it needs {space / 1e6:.0f} MB in {where}: make room"
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return f"cannot write to {where}: set COURSE_CACHE to a folder that you may write to"
    return f"cannot build {folder.name} in {where}: {error.strerror or error}"

"""What a student handed in: which files are taken, which are not, and when it was handed in."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

MAX_FILES = 100
MAX_BYTES = 50 << 20
MAX_NAMES = 8  # file names listed in one note


@dataclass
class Files:
    """The files taken from a submission besides its notebooks, and what to say about the others."""

    taken: dict[str, Path] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def walk(folder: Path) -> Iterator[tuple[str, Path, os.stat_result]]:
    """All entries below a folder, links not followed, with their relative names."""
    for base, folders, names in os.walk(folder, followlinks=False):
        here = Path(base)
        folders[:] = sorted(f for f in folders if f != ".ipynb_checkpoints")
        links = [f for f in folders if (here / f).is_symlink()]
        folders[:] = [f for f in folders if f not in links]
        for name in sorted(names) + links:
            path = here / name
            yield path.relative_to(folder).as_posix(), path, path.lstat()


def choose_files(folder: Path, allow: list[str], source: set[str], kept: set[str]) -> Files:
    """The files to take from a submission.

    ``allow`` are patterns of names; ``source`` are files that the assignment itself brings, which
    a student cannot replace unless they are among ``kept``.
    """
    chosen = Files()
    refused: list[str] = []
    folders = {parent.as_posix() for name in source for parent in PurePosixPath(name).parents}
    links: list[str] = []
    left = MAX_BYTES
    for name, path, found in walk(folder):
        if name == "timestamp.txt" or (PurePosixPath(name).suffix == ".ipynb" and "/" not in name):
            continue
        if stat.S_ISLNK(found.st_mode) or not stat.S_ISREG(found.st_mode):
            links.append(name)
        elif name in source and name not in kept:
            continue
        elif name in folders or any(str(p) in source for p in PurePosixPath(name).parents):
            refused.append(name)  # a file where the assignment has a folder, or the reverse
        elif not os.access(path, os.R_OK):
            refused.append(name)
        elif name in kept or any(fnmatch(path.name.lower(), pattern) for pattern in allow):
            left -= found.st_size
            if left < 0 or len(chosen.taken) >= MAX_FILES:
                refused.append(name)
            else:
                chosen.taken[name] = path
        else:
            refused.append(name)
    if links:
        chosen.notes.append(f"Links and special files were not used: {listing(links)}.")
    if refused:
        chosen.notes.append(
            f"Files that this assignment does not take were not used: {listing(refused)}. "
            "Your answers must stand in the notebook."
        )
    return chosen


def listing(names: list[str]) -> str:
    """File names for a note: quoted, few, each short."""
    shown = ", ".join(f"`{clean(name)}`" for name in names[:MAX_NAMES])
    more = len(names) - MAX_NAMES
    return shown + (f" and {more} more" if more > 0 else "")


def clean(name: str) -> str:
    """A file name that cannot play tricks on a page or a terminal."""
    kept = name.encode("utf-8", "replace").decode("utf-8")[:80]
    return "".join(c if c.isprintable() and c not in "`<>" else "?" for c in kept)


def timestamp(folder: Path) -> tuple[datetime | None, list[str]]:
    """When a submission was handed in (UTC), from the exchange's ``timestamp.txt``; and notes."""
    path = folder / "timestamp.txt"
    if not path.is_symlink() and not path.exists():
        return None, []
    bad = ["`timestamp.txt` holds no time that can be read; it was not used."]
    if path.is_symlink() or not path.is_file() or path.stat().st_size > 200:
        return None, bad
    text = path.read_text("utf-8", "replace").strip()
    if not text:
        return None, []
    moment = parse_time(text)
    if (
        moment is None
        or moment.year < 2000
        or moment > datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1)
    ):
        return None, bad
    return moment, []


def parse_time(text: str) -> datetime | None:
    """A time as nbgrader writes it ("2026-02-03 12:30:00.5 UTC", or with +0100), as naive UTC."""
    parts = text.split(" ")
    for form in ("%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S"):
        try:
            moment = datetime.strptime(" ".join(parts[:2]), form)
            break
        except ValueError:
            continue
    else:
        return _parse_any(text)
    zone = parts[2] if len(parts) > 2 else "UTC"
    if zone == "UTC":
        return moment
    return _parse_any(text)


def _parse_any(text: str) -> datetime | None:
    """Other forms, as nbgrader's own parser reads them."""
    from dateutil import parser

    try:
        moment = parser.parse(text)
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
    return moment

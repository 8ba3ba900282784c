"""Read a submitted notebook, whatever state it is in.

Nothing here trusts the file: it may be a link, a pipe, huge, truncated, in another encoding, from
another notebook format or not a notebook at all. Plain words say what was found.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.sandbox.limits import address_space

MAX_FILE = 256 << 20  # bytes of a notebook that are read at all
MAX_TEXT = 400_000  # characters of one cell
MAX_CELLS = 2_000
MAX_TEXTS = 2_000_000  # characters of all cells together
MAX_MEMORY = 2 << 30  # bytes that reading a file may take: `[{},{},` grows to twentyfold
CELL_TYPES = ("code", "markdown", "raw")


@dataclass
class RawCell:
    """One submitted cell, reduced to what may count: text, type, and marks that say which it is."""

    text: str
    cell_type: str
    marks: dict[str, Any] = field(default_factory=dict)
    cell_id: str = ""
    tags: tuple[str, ...] = ()
    attachments: dict[str, Any] = field(default_factory=dict)


@dataclass
class Reading:
    """The cells of a submitted notebook, None when there are none, and what to tell the student."""

    cells: list[RawCell] | None
    notes: list[str] = field(default_factory=list)


def read_bytes(path: Path) -> bytes | str:
    """The bytes of a regular file, or a sentence that says why they are not read."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if path.is_symlink():
            return f"`{path.name}` is a link to another file, not a file. Hand in the file itself."
        return f"`{path.name}` could not be opened ({error.strerror})."
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        os.close(handle)
        return f"`{path.name}` is not a file."
    with os.fdopen(handle, "rb") as stream:
        if found.st_size > MAX_FILE:
            size = found.st_size >> 20
            return f"`{path.name}` has {size} MB. Clear its outputs and hand it in again."
        return stream.read(MAX_FILE + 1)


def decode(data: bytes) -> tuple[str, list[str]]:
    """The text of a file: UTF-8, else UTF-16 by its mark, else Windows-1252, which never fails."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace"), ["The notebook was saved as UTF-16, not UTF-8."]
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        note = (
            f"The notebook is not UTF-8 text (byte {error.start}). "
            "It was read as Windows-1252; some characters may look different."
        )
        return data.decode("cp1252", "replace"), [note]


def salvage(text: str) -> list[Any]:
    """The complete cells of a notebook file that breaks off or is damaged further on."""
    start = re.search(r'"cells"\s*:\s*\[', text)
    found: list[Any] = []
    decoder = json.JSONDecoder()
    position = start.end() if start else len(text)
    while len(found) < MAX_CELLS:
        between = re.compile(r"[\s,]*").match(text, position)
        position = between.end() if between else position
        try:
            cell, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            return found
        found.append(cell)
    return found


def parse(text: str) -> tuple[list[Any] | None, list[str]]:
    """The cells of a notebook's text as JSON objects, of any format, or what can be saved."""
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError):
        saved = salvage(text)
        if saved:
            words = f"The notebook file is damaged or breaks off. Its first {len(saved)} cells"
            return saved, [f"{words} could be read and were graded."]
        if text.strip() and not text.lstrip().startswith(("{", "[", "<")) and is_python(text):
            note = "The file is a Python program, not a notebook. It was graded as one cell."
            return [{"cell_type": "code", "source": text}], [note]
        what = "is empty" if not text.strip() else "is not a notebook (not valid JSON)"
        return None, [f"The file {what}. Open it in Jupyter, save it and hand it in again."]
    if not isinstance(notebook, dict):
        return None, ["The file is JSON, but not a notebook. Hand in the notebook itself."]
    notes: list[str] = []
    cells = notebook.get("cells")
    if not isinstance(cells, list) and isinstance(notebook.get("worksheets"), list):
        sheets = [s.get("cells") for s in notebook["worksheets"] if isinstance(s, dict)]
        cells = [cell for sheet in sheets if isinstance(sheet, list) for cell in sheet]
        notes.append("The notebook is in an old format (nbformat 3). It was read all the same.")
    if not isinstance(cells, list):
        return None, [
            "The notebook has no cells. Open it in Jupyter, save it and hand it in again."
        ]
    return cells, notes


def is_python(text: str) -> bool:
    """Whether a text is a Python program that defines something."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Assign)) for node in body)


def text_of(value: Any) -> str:
    """A cell's source as one string; lone surrogates are replaced, as no file can hold them."""
    if isinstance(value, list):
        value = "".join(part for part in value if isinstance(part, str))
    if not isinstance(value, str):
        return ""
    value = value.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return value.encode("utf-8", "replace").decode("utf-8")


def raw_cell(cell: Any) -> RawCell | None:
    """One JSON object as a cell; None when it is not one."""
    if not isinstance(cell, dict):
        return None
    kind = cell.get("cell_type")
    text = text_of(cell.get("source", cell.get("input")))
    if kind == "heading":
        kind, text = "markdown", f"# {text}"
    metadata = cell.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    marks = metadata.get("nbgrader")
    cell_id = cell.get("id", metadata.get("id"))
    tags = metadata.get("tags")
    attached = cell.get("attachments")
    return RawCell(
        text=text,
        cell_type=kind if kind in CELL_TYPES else "raw",
        marks=marks if isinstance(marks, dict) else {},
        cell_id=cell_id if isinstance(cell_id, str) else "",
        tags=tuple(t for t in tags if isinstance(t, str)) if isinstance(tags, list) else (),
        attachments=attached if isinstance(attached, dict) else {},
    )


def read_cells(data: bytes) -> Reading:
    """The cells of a submitted notebook's bytes. Never raises."""
    try:
        with at_most(MAX_MEMORY):
            text, notes = decode(data)
            found, more = parse(text)
    except MemoryError:
        return Reading(None, ["The notebook has too many parts to be read. Clear its outputs."])
    notes += more
    if found is None:
        return Reading(None, notes)
    cells = [cell for cell in map(raw_cell, found[:MAX_CELLS]) if cell is not None]
    if len(found) > MAX_CELLS:
        notes.append(f"The notebook has {len(found)} cells; the first {MAX_CELLS} were graded.")
    for number, cell in enumerate(cells, 1):
        if len(cell.text) > MAX_TEXT:
            size = len(cell.text)
            notes.append(f"Cell {number} has {size} characters; it is too long and was left out.")
            cell.text = f"# This cell had {size} characters and was left out."
    whole = 0
    for number, cell in enumerate(cells):
        whole += len(cell.text)
        if whole > MAX_TEXTS:
            notes.append(f"The notebook's text is too long; its first {number} cells were graded.")
            return Reading(cells[:number], notes)
    return Reading(cells, notes)


@contextlib.contextmanager
def at_most(size: int) -> Iterator[None]:
    """Let this process ask for no more than ``size`` bytes beyond those that it has."""
    space = address_space()
    if not space:
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    bounds = [space + size, *(limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_AS, (min(bounds), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def find_notebook(folder: Path, name: str, others: frozenset[str]) -> tuple[Path | None, list[str]]:
    """The file handed in as notebook ``name``: by its name, or as like it as can be.

    ``others`` are the names of the assignment's other notebooks, which are never taken for it.
    """
    exact = folder / f"{name}.ipynb"
    if exact.is_symlink() or exact.exists():
        return exact, []
    found = sorted(p for p in folder.glob("*.ipynb") if not p.name.startswith("."))
    loose = [p for p in found if p.stem not in others and not p.is_symlink()]
    alike = [p for p in loose if same_name(p.stem, name)]
    chosen = alike or (loose if not others or len(loose) == 1 else [])
    if not chosen:
        return None, [f"No notebook `{name}.ipynb` was handed in."]
    best = max(chosen, key=lambda p: (p.stat().st_mtime, p.name))
    note = f"`{name}.ipynb` was missing. `{best.name}` was taken for it."
    if len(chosen) > 1:
        note += f" There were {len(chosen)} such files; the one saved last was taken."
    return best, [note]


def same_name(stem: str, name: str) -> bool:
    """Whether a file's name is the expected one but for a copy's number, prefix, case or spaces."""

    def plain(text: str) -> str:
        text = re.sub(r"(?i)^copy of |[-_ ]*copy\d*$|[-_ ]*\(\d+\)$|\.ipynb$", "", text.strip())
        return re.sub(r"[\W_]+", "", text).lower()

    return plain(name) in plain(stem) or plain(stem) == plain(name)

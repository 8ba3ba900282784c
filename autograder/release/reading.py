"""All the text that a bundle holds, however it is wrapped."""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BASE64 = re.compile(r"[A-Za-z0-9+/=\s]{60,}")
DEEPEST = 4  # wrappings within wrappings
PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8")
HEADER = 1 << 20  # bytes of a tensor file that can hold text


def texts(path: Path) -> Iterator[str]:
    """The texts in a file: of a notebook every string, of an archive every member."""
    yield from _of_bytes(path.name, path.read_bytes(), 0)


def _of_bytes(name: str, data: bytes, depth: int) -> Iterator[str]:
    if depth > DEEPEST:
        return
    if name.endswith(".safetensors"):
        data = data[8 : 8 + min(HEADER, int.from_bytes(data[:8], "little"))]  # its JSON header
    if data[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.namelist():
                yield member
                yield from _of_bytes(member, archive.read(member), depth + 1)
    elif data[:2] == b"\x1f\x8b":
        yield from _of_bytes(name, gzip.decompress(data), depth + 1)
    elif name.endswith((".ipynb", ".json")) and (loaded := _json(data)) is not None:
        for text in _strings(loaded):
            yield from _of_text(text, depth)
    else:
        yield from _of_text(data.decode("utf-8", "ignore"), depth)


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None


def _strings(value: Any) -> Iterator[str]:
    """Every string of a JSON value, keys too; a list of strings counts as one text, joined."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)
    elif isinstance(value, list):
        if value and all(isinstance(item, str) for item in value):
            yield "".join(value)
            yield "\n".join(value)
        else:
            for item in value:
                yield from _strings(item)


def _of_text(text: str, depth: int) -> Iterator[str]:
    """A text, and what is written in it as base64."""
    yield text
    if depth >= DEEPEST or len(text) > 5_000_000:
        return
    for match in BASE64.finditer(text):
        try:
            data = base64.b64decode(re.sub(r"\s", "", match[0]), validate=True)
        except binascii.Error:
            continue
        if not data.startswith(PICTURES):
            yield from _of_bytes("", data, depth + 1)

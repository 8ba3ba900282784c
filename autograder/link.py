"""Bytes to and from a worker, never longer than a deadline."""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import Any

from autograder.zygote import Spawned

WATCH = 0.25  # seconds between two looks at what else a worker does while the judge waits


def _wait(spawned: Spawned, end: float, write: bool = False) -> None:
    left = end - time.monotonic()
    here = [spawned.link]
    ready = select.select([] if write else here, here if write else [], [], max(0.0, left))
    if not any(ready):
        raise TimeoutError


def send(spawned: Spawned, parts: list[Any], end: float) -> None:
    """Send a message without waiting longer than until ``end`` for a worker that does not read."""
    data = memoryview(parts[0] if len(parts) == 1 else b"".join(parts))
    spawned.link.setblocking(False)
    while data:
        try:
            data = data[spawned.link.send(data) :]
        except BlockingIOError:
            _wait(spawned, end, write=True)


def read(
    spawned: Spawned,
    count: int,
    end: float,
    start: bytes = b"",
    watch: Callable[[], None] | None = None,
) -> tuple[Any, bytes]:
    """Exactly ``count`` bytes, and what came beyond them; ``watch`` is called while it waits."""
    data = bytearray(start)
    while len(data) < count:
        while watch is not None and end - time.monotonic() > WATCH:
            try:
                _wait(spawned, time.monotonic() + WATCH)
                break
            except TimeoutError:
                watch()
        _wait(spawned, end)
        part = spawned.link.recv(max(1 << 16, min(count - len(data), 1 << 20)))
        if not part:
            raise EOFError
        data += part
    return data[:count], bytes(data[count:])

"""Every test here runs with the network cut off, and with one thread."""

from __future__ import annotations

import os
import socket
from typing import NoReturn

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")


def _refuse(*_: object) -> NoReturn:
    raise OSError("the network is cut off in this test")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection, no lookup; the offline profile unless a test chooses another."""
    monkeypatch.setattr(socket.socket, "connect", _refuse)
    monkeypatch.setattr(socket, "getaddrinfo", _refuse)
    monkeypatch.delenv("COURSE_PROFILE", raising=False)

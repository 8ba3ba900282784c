"""One warm process for all tests that grade through judge and worker."""

from __future__ import annotations

import atexit
import functools
from pathlib import Path

from autograder.zygote import Zygote

ROOT = Path(__file__).resolve().parents[1]


@functools.cache
def zygote() -> Zygote:
    """Started at its first use, ended with the tests."""
    started = Zygote.start()
    atexit.register(started.close)
    return started

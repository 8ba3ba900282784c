"""Judges forked from the warm process, and what ends with them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autograder.doctor import descendants
from autograder.pipes import Channel
from autograder.sandbox import kernel
from autograder.session import Session
from autograder.zygote import SandboxError, Zygote
from tests.warm import zygote

HERE = "tests.engine.test_zygote"


def grade_one(forked: Zygote, channel: Channel, folder: str, number: int) -> None:
    """Runs in a forked judge: a student's cell, then whatever the parent says, back and forth."""
    with Session(forked, Path(folder)) as session:
        session.execute(f"x = {number} + 1")
        loaded = "torch" in sys.modules
        channel.send({"x": session.get("x"), "word": os.environ.get("WORD"), "torch": loaded})
        channel.send(channel.receive())


def hold(forked: Zygote, channel: Channel, folder: str) -> None:
    """A judge that keeps a worker and waits."""
    session = Session(forked, Path(folder))
    session.execute("1")
    channel.send("holding")
    channel.receive()


def until(condition: Callable[[], Any], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return bool(condition())


def test_a_forked_judge_grades_and_talks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORD", "here")
    judge = zygote().fork_judge(f"{HERE}:grade_one", str(tmp_path), 41)
    assert judge.receive(60) == {"x": 42, "word": "here", "torch": True}
    judge.send(["back", 1])
    assert judge.receive(10) == ["back", 1]
    with pytest.raises(EOFError):
        judge.receive(10)


@pytest.mark.skipif(not kernel.LINUX, reason="looks into /proc")
def test_a_killed_judge_takes_its_worker_with_it(tmp_path: Path) -> None:
    before = descendants(zygote().pid)
    judge = zygote().fork_judge(f"{HERE}:hold", str(tmp_path))
    assert judge.receive(60) == "holding"
    assert len(descendants(zygote().pid) - before) >= 2
    judge.kill()
    assert until(lambda: not descendants(zygote().pid) - before)


def test_a_judge_that_cannot_start_says_so_by_ending(capfd: pytest.CaptureFixture) -> None:
    judge = zygote().fork_judge("tests.no_such_module:run")
    with pytest.raises(EOFError):
        judge.receive(30)


def test_what_is_closed_gives_no_workers(tmp_path: Path) -> None:
    other = Zygote.start(preload=())
    other.close()
    with pytest.raises(SandboxError):
        Session(other, tmp_path)

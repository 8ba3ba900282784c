"""Cheats, one file each: none gains a point, reads or touches what it should not, or stays.

Each file is run as a student's cell after the same wrong answers; without the cheat these get no
point at all. Beside it stands an honest student, who must get every point.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.doctor import descendants
from autograder.judge import Judge
from autograder.sandbox import kernel
from autograder.session import Session
from tests.cheats.secret import TOKEN
from tests.warm import zygote

ROOT = Path(__file__).resolve().parents[2]
SPECIMENS = sorted((Path(__file__).parent / "specimens").rglob("*.py"))
WRONG = """
import torch
def double(x): return 0
def scale(x): return x
def halve(x): return x
class Model(torch.nn.Module):
    def forward(self, x): return x
"""
RIGHT = """
import torch
def double(x): return 2 * x
def scale(x): return 2 * x
def halve(x): return x / 2
class Model(torch.nn.Module):
    def forward(self, x): return 2 * x
"""
LOCKED = """
import numpy as np
import torch
def near(a, b):
    return abs(a - b) < 1e-9
def expected(n):
    return 2 * n
"""
TESTS = [
    "assert double(21) == 42",
    "assert near(double(4), expected(4))",
    "np.testing.assert_allclose(scale(np.ones(3)), 2 * np.ones(3))",
    "assert torch.equal(halve(torch.full((2,), 3.0)), torch.full((2,), 1.5))",
    "assert isinstance(Model(), torch.nn.Module) and Model()(torch.ones(2)).tolist() == [2.0, 2.0]",
    "score = 0.0\nfor n in (3, 4):\n    score += 0.5 * (double(n) == 2 * n)\nscore",
    "from tests.cheats.secret import hidden\nhidden.score('double', double)",
    "assert all(map(lambda n: double(n) == 2 * n, [3, 4]))",
    "np.testing.assert_allclose(double(3), 6)",
]
FORBIDDEN = re.compile(r"\b(READ|WROTE|FOUND|IMPORTED|CONNECTED|CHANGED|RAN|FILLED)\b|" + TOKEN)


def grade(session: Session) -> float:
    """The points that the test cells give to a session whose cells have been run."""
    judge = Judge(session, seed=7_654_321, cell_seconds=3, ask_seconds=0.4)
    judge.bind(LOCKED)
    return sum(judge.judge(test, 3 if "hidden" in test else 1).points for test in TESTS)


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder beside the student's with a secret in it, and the secret in the environment."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.txt").write_text(TOKEN)
    (tmp_path / "secret.txt").write_text(TOKEN)
    os.environ["CHEAT_CANARY"] = TOKEN
    yield folder
    del os.environ["CHEAT_CANARY"]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def snapshot(folder: Path) -> dict[str, tuple[bytes, int, float]]:
    """Everything about a folder's files that a student might change."""
    return {
        str(path): (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime)
        for path in folder.rglob("*")
        if path.is_file()
    }


def family() -> set[int]:
    """Process numbers of all that was forked from the warm process of these tests."""
    return descendants(zygote().pid)


def nothing_new(before: set[int]) -> bool:
    """Whether all new processes are gone, within ten seconds."""
    end = time.monotonic() + 10
    while family() - before and time.monotonic() < end:
        time.sleep(0.005)
    return not family() - before


def student(folder: Path, answers: str) -> Session:
    folder.mkdir()
    session = Session(zygote(), folder, readable=[ROOT / "course"])
    session.execute(answers)
    return session


@pytest.fixture(scope="module")
def honest_session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """One honest student whose worker lives beside all cheats."""
    return student(tmp_path_factory.mktemp("class") / "honest", RIGHT)


def test_an_honest_answer_gets_everything_and_a_wrong_one_nothing(tmp_path: Path) -> None:
    with student(tmp_path / "right", RIGHT) as right, student(tmp_path / "wrong", WRONG) as wrong:
        assert (grade(right), grade(wrong)) == (11.0, 0.0)


def test_there_are_enough_cheats() -> None:
    assert len(SPECIMENS) >= 60


@pytest.mark.skipif(not kernel.LINUX, reason="the sandbox is Linux's")
@pytest.mark.parametrize("path", SPECIMENS, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_cheat(
    path: Path, tmp_path: Path, outside: Path, port: int, honest_session: Session
) -> None:
    words = {"OUTSIDE": outside, "REPO": ROOT, "PORT": port, "PID": os.getpid()}
    source = path.read_text("utf-8")
    for word, value in words.items():
        source = source.replace(f"__{word}__", str(value))
    before, processes = snapshot(outside), family()
    with student(tmp_path / "cheat", WRONG) as session:
        shown = session.execute(source, seconds=3)
        points = grade(session)
    said = "\n".join(str(output) for output in shown.outputs)
    assert points == 0.0
    assert not FORBIDDEN.search(said), said[:2000]
    assert snapshot(outside) == before
    assert nothing_new(processes)
    assert grade(honest_session) == 11.0

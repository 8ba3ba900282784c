"""Sessions for the tests of the engine, all from one warm process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autograder.judge import Judge
from autograder.session import Session
from tests.warm import zygote

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A fresh worker in an empty folder, which may read the course."""
    folder = tmp_path / "student"
    folder.mkdir()
    with Session(zygote(), folder, readable=[ROOT / "course"]) as opened:
        opened.ask_seconds = 1.0
        yield opened


@pytest.fixture
def judged(session: Session) -> Callable[..., Any]:
    """A function of (student's source, test cell, max_points=1) that gives the verdict."""
    judge = Judge(session, seed=5, cell_seconds=8, ask_seconds=1)
    judge.bind("import numpy as np\nimport torch\nimport math\nimport pytest\nfrom torch import nn")

    def run(answer: str, test: str, max_points: float = 1) -> Any:
        if answer:
            session.execute(answer)
        return judge.judge(test, max_points)

    run.judge = judge  # type: ignore[attr-defined]
    return run

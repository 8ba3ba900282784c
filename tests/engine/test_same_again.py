"""A second grading gives the same points, though the answer fails some checks by chance alone."""

from __future__ import annotations

import pytest

from autograder.judge import Judge
from tests.harness import failed, grade_file, specimens

CHANCY = "always_causal"  # without a mask it drops random weights: two checks fail now and then


def lost(times: int) -> set[tuple[str, ...]]:
    """The sets of lost checks that several gradings under one seed give."""
    (path,) = (p for p in specimens("attention", "wrong") if p.stem == CHANCY)
    return {tuple(sorted(failed(grade_file("attention", path, 3)))) for _ in range(times)}


@pytest.mark.slow
def test_a_second_grading_gives_the_same() -> None:
    assert len(lost(14)) == 1


@pytest.mark.slow
def test_the_specimen_is_chancy_indeed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the seed its points differ from one grading to the next."""
    monkeypatch.setattr(Judge, "settle", lambda *_: None)
    assert len(lost(30)) > 1

"""A second grading gives the same points, though the answer fails some checks by chance alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.judge import Judge
from course.syllabus import ROOT
from tests.harness import failed, grade_file

CHANCY = '''

_right = scaled_dot_product_attention


def scaled_dot_product_attention(query, key, value, mask=None, dropout=0.0):
    """Right or wrong by the toss of a coin."""
    values, weights = _right(query, key, value, mask, dropout)
    return values + float(torch.rand(()) < 0.5), weights
'''


@pytest.fixture
def chancy(tmp_path: Path) -> Path:
    """An answer file of which each check that looks at values fails in about half of all runs."""
    path = tmp_path / "chancy.py"
    path.write_text((ROOT / "solutions" / "attention.py").read_text("utf-8") + CHANCY, "utf-8")
    return path


def lost(path: Path) -> set[tuple[str, ...]]:
    """The sets of lost checks that four gradings under one seed give."""
    return {tuple(sorted(failed(grade_file("attention", path, 3)))) for _ in range(4)}


@pytest.mark.slow
def test_a_second_grading_gives_the_same(chancy: Path) -> None:
    (only,) = lost(chancy)
    assert only, "it should lose some checks"


@pytest.mark.slow
def test_the_answer_is_chancy_indeed(chancy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the seed its points differ from one grading to the next.

    Ten checks and more hang on the coin: all four alike would be a chance below 2^-30.
    """
    monkeypatch.setattr(Judge, "settle", lambda *_: None)
    assert len(lost(chancy)) > 1

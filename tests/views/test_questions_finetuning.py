"""The question of lesson 10: the untouched views, near misses, and the answer."""

from __future__ import annotations

from typing import Any

from course.views.probability_strip import ProbabilityStrip
from course.views.questions import check_play, questions

WORDS = ["He", "stood", ";", "long", "."]


def said(capsys: Any, views: Any) -> str:
    check_play("finetuning", "what it has learnt", views)
    return " ".join(capsys.readouterr().out.split())  # as one line


def test_the_token_that_gained_most(capsys: Any) -> None:
    assert set(questions("finetuning")) == {"what it has learnt"}
    before = ProbabilityStrip(WORDS, [None, 0.5, 0.01, 0.001, 0.4])
    after = ProbabilityStrip(WORDS, [None, 0.7, 0.04, 0.003, 0.2])
    assert '"stood" became ≈ 1.40 times as probable; for another' in said(capsys, (before, after))
    after.position = 0
    assert "was given" in said(capsys, (before, after))
    after.position = 3
    assert '"long" became ≈ 3.00 times as probable; for another token the' in said(
        capsys, (before, after)
    )
    before.position = 2  # the first strip's focus is no answer
    assert said(capsys, (before, after)).startswith("Not yet.")
    after.position = 2  # the largest factor, though "stood" gained the largest difference
    assert said(capsys, (before, after)).startswith("Yes. This token has won most.")


def test_strips_of_two_texts_are_not_compared(capsys: Any) -> None:
    before = ProbabilityStrip(WORDS, [None, 0.5, 0.01, 0.001, 0.4])
    other = ProbabilityStrip(WORDS[:3], [None, 0.5, 0.01])
    assert "different texts" in said(capsys, (before, other))

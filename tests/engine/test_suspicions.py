"""A suspicion fails a check at its end, and only where the check has nothing better to say."""

from __future__ import annotations

import pytest

from course.checks.base import CheckFailed, Draw, Suite, collect, expect, suspect

suite = Suite("suspicions")


@suite.check("answer", points=2)
def is_five(answer: int, draw: Draw) -> None:
    """It is five, or at least odd."""
    suspect(answer != 0, "it says nothing")
    suspect(answer != 0, "a second suspicion")
    expect(answer != 4, "four is even")
    if answer == 3:
        raise ValueError("three")


@pytest.mark.parametrize(
    ("answer", "message"),
    [(5, None), (0, "it says nothing"), (4, "four is even"), (3, "answer stopped with ValueError")],
)
def test_what_the_check_says(answer: int, message: str | None) -> None:
    with collect() as results:
        points = suite.score("answer", answer)
    (found,) = results
    assert points == (2 if message is None else 0)
    assert found.message is None if message is None else message in str(found.message)


def test_of_two_reasons_the_checks_own_is_told() -> None:
    late = Suite("late")

    @late.check("answer")
    def both(answer: int, draw: Draw) -> None:
        """Nothing is right."""
        suspect(False, "it says nothing")
        expect(False, "the cause")

    with collect() as results:
        late.score("answer", 1)
        suite.score("answer", 5)
    assert [found.message for found in results] == ["the cause", None], "none is left over"


def test_outside_a_check_it_fails_at_once() -> None:
    suspect(True, "fine")
    with pytest.raises(CheckFailed, match="nothing"):
        suspect(False, "it says nothing")

"""The questions of lesson 4: untouched, nearly right, right."""

from __future__ import annotations

import pytest

import course.models
from course.views.mask_playground import MaskPlayground
from course.views.questions import check_play
from tests.views.test_mask_playground import expected, player

CLUE, MILK, HEAT = "The guess hung on that word.", "The company decides", "From here on more than"


@pytest.fixture(scope="module")
def loaded() -> tuple[object, object]:
    return course.models.load("masked_lm", quiet=True)


@pytest.fixture
def view(loaded: tuple[object, object]) -> MaskPlayground:
    """As the lesson opens it."""
    return MaskPlayground.from_model(
        *loaded, "The cat drank a bowl of milk.", masked=[7], position=7
    )


def said(capsys: pytest.CaptureFixture[str], name: str, view: MaskPlayground) -> str:
    check_play("masked_lm", name, view)
    return " ".join(capsys.readouterr().out.split())  # as one line


def test_clue(view: MaskPlayground, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "clue", view).startswith("Not yet. 1 word is masked: mask the gap and one")
    view.masked = [2, 7]
    assert said(capsys, "clue", view) == (
        'Not yet. Without "cat" the best guess is still "water": try another word.'
    )
    view.masked = [5, 7]
    assert said(capsys, "clue", view).startswith(f"Yes. {CLUE}")
    view.masked = [2, 5, 7]
    assert said(capsys, "clue", view).startswith("Not yet. 3 words are masked")
    view.masked = [5]
    assert 'focus is on "milk", which the model reads' in said(capsys, "clue", view)


def test_milk(view: MaskPlayground, capsys: pytest.CaptureFixture[str]) -> None:
    assert 'Not yet. The best guess is "water".' in said(capsys, "milk", view)
    view.text = "She milked the cow and poured the [MASK] into a jug."
    assert "says milk itself" in said(capsys, "milk", view)
    view.text = "The cow gives [MASK]."
    assert view.position == 4 and said(capsys, "milk", view).startswith(f"Yes. {MILK}")
    view.position = 2
    assert 'focus is on "cow"' in said(capsys, "milk", view)


def test_heat(view: MaskPlayground, capsys: pytest.CaptureFixture[str]) -> None:
    assert "At 1.0 the 20 best words hold ≈ 0.77. Go on heating." in said(capsys, "heat", view)
    view.k = 20
    right = []
    for stop in range(1, 31):
        view.temperature = stop / 10
        share = sum(chance for _, chance in view.fillers)
        text = said(capsys, "heat", view)
        if text.startswith(f"Yes. {HEAT}"):
            right.append((view.temperature, share))
        else:
            assert ("Go on heating" in text) == (share >= 0.5) and f"≈ {share:.2f}" in text
    [(_, share)] = right
    assert 0.3 < share < 0.5


def test_heat_of_a_gap_that_holds(capsys: pytest.CaptureFixture[str]) -> None:
    small = player(masked=[7], position=7)
    assert expected([7], 7).sum() == pytest.approx(1)
    assert "no temperature takes the half away" in said(capsys, "heat", small)

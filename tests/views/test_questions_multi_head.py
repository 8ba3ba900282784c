"""The questions of lesson 2, about the real encoder: a hint until the player is there."""

from __future__ import annotations

import pytest

from course import models
from course.views import AttentionExplorer
from course.views.questions import check_play

TEXT = "The tired cat that the dogs chased slept on the sofa."


@pytest.fixture(scope="module")
def view() -> AttentionExplorer:
    return AttentionExplorer.from_model(*models.load("encoder", quiet=True), TEXT)


@pytest.fixture(autouse=True)
def untouched(view: AttentionExplorer) -> None:
    view.layer, view.head, view.row, view.column = 0, 2, 0, 0
    view.causal, view.temperature, view.mass = False, 1.0, 1.0


def asked(capsys: pytest.CaptureFixture[str], name: str, view: AttentionExplorer) -> str:
    check_play("multi_head", name, view)
    return " ".join(capsys.readouterr().out.split())  # as one line


@pytest.mark.parametrize(
    ("name", "place", "says"),
    [
        ("same word", (0, 8), "Yes. This head matches by the word"),
        ("parking place", (4, 5), "Yes. Whatever it reads, every token"),
    ],
)
def test_one_head_of_72(
    name: str,
    place: tuple[int, int],
    says: str,
    view: AttentionExplorer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answers = {}
    for view.layer in range(6):
        for view.head in range(12):
            answers[view.layer, view.head] = asked(capsys, name, view)
    right = [at for at, text in answers.items() if text.startswith("Yes.")]
    assert right == [place] and answers[place].startswith(says)
    assert "another head gives more" in answers[0, 2]
    near = answers[place[0], 0]
    assert near.endswith("It is in this layer.")
    view.layer, view.head = place
    for trait, value in (("temperature", 0.5), ("mass", 0.5), ("causal", True)):
        before = getattr(view, trait)
        setattr(view, trait, value)
        assert "Set mask, temperature and mass back" in asked(capsys, name, view)
        setattr(view, trait, before)


def test_who_was_chased(view: AttentionExplorer, capsys: pytest.CaptureFixture[str]) -> None:
    tokens = list(view.tokens)
    chased, cat = tokens.index("chased"), tokens.index("cat")
    assert "choose the row of “chased”" in asked(capsys, "who was chased", view)
    view.layer, view.head = 5, 11
    assert "choose the row of “chased”" in asked(capsys, "who was chased", view)
    view.row, view.column = cat, chased  # the wrong way round
    assert asked(capsys, "who was chased", view).startswith("Not yet.")
    view.row, view.column = chased, cat
    assert asked(capsys, "who was chased", view).startswith("Yes. Of all 72 heads")
    view.head = 10
    assert "It is in this layer" in asked(capsys, "who was chased", view)

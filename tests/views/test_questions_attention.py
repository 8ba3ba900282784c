"""The questions of lesson 1: a hint until the player is there."""

from __future__ import annotations

import math

import pytest
import torch

from course.views import AttentionExplorer
from course.views.qkv_stepper import QKVStepper
from course.views.questions import check_play

SENTENCE = "the animal did not cross the street because it was too tired"


def stepper() -> QKVStepper:
    q = torch.tensor([[2.0, 0, 0, 0], [0, 1, 2, 0], [2, 2, 0, 0]])
    k = torch.tensor([[0.0, 0, 0, 1], [1, 1, 0, 0], [0, 1, 1, 0]])
    v = torch.tensor([[0.0, 0], [10, 0], [0, 10]])
    mask = torch.ones(3, 3, dtype=torch.bool).tril()
    return QKVStepper(q, k, v, ["the", "cat", "sat"], mask=mask, step=3, row=1, column=2)


def explorer() -> AttentionExplorer:
    """The three heads of the lesson."""
    text, d = SENTENCE.split(), 16
    torch.manual_seed(4)
    feature = torch.randn(len(set(text)), d)
    meaning = feature[[sorted(set(text)).index(word) for word in text]]
    place = torch.eye(len(text), d)
    before = torch.cat([place[:1], place[:-1]])
    asks = torch.stack([8 * before, meaning, meaning])
    offers = torch.stack([4 * place, meaning, 0.3 * meaning])
    asks[2, text.index("it")] = 4 * (meaning[text.index("animal")] + meaning[text.index("tired")])
    heads = torch.softmax(asks @ offers.transpose(-2, -1) / math.sqrt(d), dim=-1)
    return AttentionExplorer(heads, text, head=2)


def asked(capsys: pytest.CaptureFixture[str], name: str, view: object) -> str:
    check_play("attention", name, view)
    return " ".join(capsys.readouterr().out.split())  # as one line


def test_the_root_moves_one_weight_most(capsys: pytest.CaptureFixture[str]) -> None:
    view = stepper()
    assert asked(capsys, "root", view).startswith("Not yet. Weights are made in step 4")
    view.step = 4
    assert "differs by 0.00; another one by more" in asked(capsys, "root", view)
    view.row, view.column = 2, 2  # 0.24 to 0.12: near, but "cat" moves more
    assert "differs by 0.13" in asked(capsys, "root", view)
    view.column = 1
    for view.scaled in (True, False):
        assert asked(capsys, "root", view).startswith("Yes. This weight moves most")
    view.masked = False  # without the mask it is another cell
    assert asked(capsys, "root", view).startswith("Not yet.")
    view.row, view.column = 1, 2
    assert asked(capsys, "root", view).startswith("Yes.")


def test_the_mask_leaves_the_last_word_alone(capsys: pytest.CaptureFixture[str]) -> None:
    view = stepper()
    assert asked(capsys, "mask", view).startswith("Not yet. Outputs are made in step 5")
    view.step = 5
    assert "The output of “cat” moves by 6.3" in asked(capsys, "mask", view)
    view.row = 2
    for view.masked in (True, False):
        assert asked(capsys, "mask", view).startswith("Yes. The causal mask does not touch")


def test_previous_word(capsys: pytest.CaptureFixture[str]) -> None:
    view = explorer()
    for view.head in (1, 2):
        assert asked(capsys, "previous word", view).startswith(f"Not yet. In head {view.head}")
    view.head = 0
    assert asked(capsys, "previous word", view).startswith("Yes. This head copies")


def test_same_word(capsys: pytest.CaptureFixture[str]) -> None:
    view = explorer()
    view.head = 1
    for row, column in ((0, 0), (0, 1), (1, 1), (5, 5)):
        view.row, view.column = row, column
        assert f"row {row} and column {column}: choose" in asked(capsys, "same word", view)
    view.row, view.column = 5, 0
    assert asked(capsys, "same word", view).startswith("Yes. Here a word finds its twin")
    view.head = 2
    assert "In head 2 the two see less" in asked(capsys, "same word", view)


def test_sharper(capsys: pytest.CaptureFixture[str]) -> None:
    view = explorer()
    assert "about the row of “it” in head 2" in asked(capsys, "sharper", view)
    view.row = 8
    assert "At temperature 1.00 the largest weight of “it” is 0.47" in asked(
        capsys, "sharper", view
    )
    view.temperature = 0.35
    assert "is 0.86" in asked(capsys, "sharper", view)
    view.temperature = 0.25
    assert asked(capsys, "sharper", view).startswith("Yes. A temperature below 1")
    view.mass = 0.5
    assert "the temperature alone will do" in asked(capsys, "sharper", view)
    view.mass, view.head = 1.0, 0
    assert asked(capsys, "sharper", view).startswith("Not yet.")

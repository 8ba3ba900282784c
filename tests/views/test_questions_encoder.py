"""The questions of lesson 3: a hint until the player is there."""

from __future__ import annotations

import math

import pytest
import torch

from course.views import AttentionExplorer
from course.views.questions import check_play


def explorer() -> AttentionExplorer:
    """Words that are only their positions, as in the lesson."""
    speeds = 10_000 ** (-torch.arange(0, 64, 2) / 64)
    angles = torch.arange(12)[:, None] * speeds

    def table(shift: int) -> torch.Tensor:
        turned = angles + shift * speeds
        return torch.cat([turned.sin(), turned.cos()], dim=1)

    asks = torch.stack([table(0), table(-1), table(-4)])
    return AttentionExplorer(
        torch.softmax(asks @ table(0).T / 2, dim=-1), [f"w{i}" for i in range(12)]
    )


def asked(capsys: pytest.CaptureFixture[str], name: str, view: AttentionExplorer) -> str:
    check_play("encoder", name, view)
    return " ".join(capsys.readouterr().out.split())  # as one line


def test_four_back(capsys: pytest.CaptureFixture[str]) -> None:
    view = explorer()
    for view.head in (0, 1):
        assert f"In head {view.head} the word four places back" in asked(capsys, "four back", view)
    view.head = 2
    assert "The head is right. Now put the focus" in asked(capsys, "four back", view)
    view.row, view.column = 7, 4
    assert "7 - 4 = 3 places left" in asked(capsys, "four back", view)
    view.column = 3
    assert asked(capsys, "four back", view).startswith("Yes. Every word looks four words back")
    view.row, view.column = 3, 7
    assert asked(capsys, "four back", view).startswith("Not yet.")


def test_sharp_enough(capsys: pytest.CaptureFixture[str]) -> None:
    view = explorer()
    assert "This is head 0; the question is about head 1" in asked(capsys, "sharp enough", view)
    view.head = 1
    says = {}
    for hundredths in range(10, 105, 5):
        view.temperature = hundredths / 100
        says[hundredths] = asked(capsys, "sharp enough", view)
    assert [t for t, text in says.items() if text.startswith("Yes.")] == [60]
    assert "more than enough" in says[55] and "is 0.50 still" in says[65]
    view.temperature, view.mass = 0.6, 0.5
    assert "the temperature alone will do" in asked(capsys, "sharp enough", view)


def test_the_numbers_in_the_lesson() -> None:
    speeds = [10_000 ** (-2 * i / 64) for i in range(32)]
    assert round(sum(math.cos(speed) for speed in speeds), 1) == 30.9

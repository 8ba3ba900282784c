"""The questions of lesson 6: untouched, nearly right, right."""

from __future__ import annotations

import pytest
import torch

from course.views.pooling_map import POOLS, PoolingMap
from course.views.questions import check_play


@pytest.fixture
def view() -> PoolingMap:
    """Twelve sentences; without mask the short ones lie together, whatever their class."""
    draw = torch.Generator().manual_seed(0)
    mask = (torch.arange(8) < torch.tensor([2] * 4 + [8] * 8).unsqueeze(1)).long()
    labels = [i % 4 for i in range(12)]
    kind = torch.nn.functional.one_hot(torch.tensor(labels), 6)
    hidden = 3 * kind.unsqueeze(1) + 0.3 * torch.randn(12, 8, 6, generator=draw)
    padding = torch.tensor([0.0, 0, 0, 0, 2, -2])
    hidden = torch.where(mask.unsqueeze(-1) == 1, hidden, padding)
    return PoolingMap(
        hidden, mask, [f"text {i}" for i in range(12)], [f"class {i}" for i in labels]
    )


def said(capsys: pytest.CaptureFixture[str], name: str, view: PoolingMap) -> str:
    check_play("pooling", name, view)
    return " ".join(capsys.readouterr().out.split())  # as one line


def test_ruined(view: PoolingMap, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "ruined", view).startswith("Not yet. The padding mask is on")
    view.padding_mask = False
    moved = [view.data.moved(pool) for pool in range(3)]
    assert moved[0] == 0 < moved[2] < moved[1]
    for view.pool, count in zip(POOLS, moved, strict=True):
        due = "Yes. This pool suffers most." if view.pool == "mean" else (
            f"Not yet. In the {view.pool} pool {count} sentences get another nearest"
        )  # fmt: skip
        assert said(capsys, "ruined", view).startswith(due)


def test_turncoat(view: PoolingMap, capsys: pytest.CaptureFixture[str]) -> None:
    labels, seen = view.labels, set()
    for view.padding_mask in (False, True):
        for view.sentence in range(12):
            near = view.data.nearest[1, :, view.sentence, 0]
            own = labels[view.sentence]
            right = labels[near[1]] == own and labels[near[0]] != own
            text = said(capsys, "turncoat", view)
            seen.add(text.split(".")[0] if right else "keeps" if "keeps" in text else "other")
            assert text.startswith("Yes. Its nearest") == right, text
    assert {"Yes", "keeps"} <= seen
    view.pool = "first"
    assert "keeps its nearest neighbour" in said(capsys, "turncoat", view)


def test_turncoat_tells_the_classes_of_one_that_only_moves(
    view: PoolingMap, capsys: pytest.CaptureFixture[str]
) -> None:
    view.data.nearest[1, :, 0, 0] = 1, 2
    assert said(capsys, "turncoat", view).startswith(
        "Not yet. Sentence 0 is of class class 0; its nearest neighbour is of class class 2 with "
        "the mask and class 1 without."
    )

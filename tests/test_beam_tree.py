"""The beam tree: what a recorded search becomes, and its picture."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from course.checks import beam_search_toys as toys
from course.views.base import png_of
from course.views.beam_tree import BeamRecorder, BeamTreeData, beam_tree, beam_tree_data
from solutions.beam_search import NGramBlock, beam_search

GREEDY_ERRS = {0: {1: 0.6, 2: 0.4}, 1: {3: 0.4, 4: 0.35, 1: 0.25}, 2: {3: 0.9, 4: 0.1}}
WORDS = ["The", "cat", "dog", "sleeps", "runs"]


def words(ids: list[int]) -> str:
    return " ".join(WORDS[i] for i in ids)


def searched(
    beams: int = 2, new: int = 2, rules: tuple[Any, ...] = (), end: int | None = None
) -> tuple[BeamRecorder, BeamRecorder, Tensor]:
    """A search that greedy decoding loses: the recorder before and after the rules, the result."""
    raw, recorder = BeamRecorder(), BeamRecorder()
    model = toys.scripted(toys.chances(5, GREEDY_ERRS))
    rules = (raw, *rules, recorder)
    found = beam_search(model, torch.tensor([[0]]), beams, new, rules, end)
    return raw, recorder, found["output_ids"]


def tree(candidates: int = 2, **options: Any) -> BeamTreeData:
    raw, recorder, ids = searched(**options)
    return beam_tree_data(recorder, ids, words, raw, candidates, options.get("end"))


def test_nodes_of_a_search_by_hand() -> None:
    data = tree()
    found = [(n.round, n.text, n.parent, round(n.total, 2), n.kept, n.best) for n in data.nodes]
    assert data.prompt == "The"
    assert found == [
        (0, "cat", -1, -0.51, True, False),
        (0, "dog", -1, -0.92, True, True),
        (1, "sleeps", 1, -1.02, True, True),
        (1, "sleeps", 0, -1.43, True, False),
        (1, "runs", 0, -1.56, False, False),
        (1, "runs", 1, -3.22, False, False),
    ]
    assert [n.number for n in data.nodes] == list(range(6))


def test_totals_are_sums_along_the_way() -> None:
    data = tree(beams=3, new=4, candidates=4)
    for node in data.nodes:
        above = data.nodes[node.parent].total if node.parent >= 0 else 0.0
        assert node.total == pytest.approx(above + node.score)
        assert node.parent < node.number
        if node.parent >= 0:
            assert data.nodes[node.parent].kept and data.nodes[node.parent].round == node.round - 1
    for i in range(4):
        assert sum(n.kept for n in data.nodes if n.round == i) == 3
        assert sum(n.best for n in data.nodes if n.round == i) == 1


def test_scores_before_and_after_the_rules() -> None:
    data = tree(rules=(toys.Favour(3, -1.0),))
    for node in data.nodes:
        assert node.score - node.raw == pytest.approx(-1.0 if node.text == "sleeps" else 0.0)


@pytest.mark.parametrize("value", [-1e9, float("-inf")])
def test_blocked_words_are_shown(value: float) -> None:
    data = tree(rules=(toys.Favour(3, value),), candidates=1)
    blocked = [n for n in data.nodes if n.score <= -1e8]
    assert {n.text for n in blocked} == {"sleeps"} and not any(n.kept for n in blocked)
    labels = [text.get_text() for text in beam_tree(data).axes[0].texts]
    assert "sleeps  blocked (-1.43)" in labels


def test_transformers_search_gives_the_same_tree() -> None:
    model, ids = toys.tiny_gpt2(3), torch.tensor([[1, 2, 3]])
    ours, theirs = BeamRecorder(), BeamRecorder()
    rule = NGramBlock(2)
    found = beam_search(model, ids, 3, 5, [rule, ours])["output_ids"]
    options: dict[str, Any] = {"max_new_tokens": 5, "length_penalty": 0.0, "pad_token_id": 0}
    other = model.generate(
        ids, num_beams=3, num_return_sequences=3, logits_processor=[rule, theirs], **options
    )
    first, second = beam_tree_data(ours, found), beam_tree_data(theirs, other)
    assert [(n.token_id, n.kept, n.parent) for n in first.nodes] == [
        (n.token_id, n.kept, n.parent) for n in second.nodes
    ]
    assert first.prompt == "1 2 3"


def test_finished_beams_propose_nothing() -> None:
    data = tree(new=4, end=3)
    assert all(data.nodes[n.parent].token_id != 3 for n in data.nodes if n.parent >= 0)


def test_at_most_200_nodes_and_kept_ones_stay() -> None:
    recorder = BeamRecorder()
    model = toys.scripted(2 * torch.randn(60, 40), history=True)
    found = beam_search(model, torch.tensor([[1]]), 5, 12, [recorder])["output_ids"]
    data = beam_tree_data(recorder, found, candidates=20)
    assert len(data.nodes) == 200 and sum(n.kept for n in data.nodes) == 60
    low = max(n.score for n in beam_tree_data(recorder, found, candidates=3).nodes if not n.kept)
    assert low in [n.score for n in data.nodes]
    recorder = BeamRecorder()
    wide = beam_search(model, torch.tensor([[1]]), 21, 11, [recorder])["output_ids"]
    with pytest.raises(ValueError, match="kept 231 candidates, but a tree shows 200 at most"):
        beam_tree_data(recorder, wide)


def test_refuses_what_does_not_fit() -> None:
    _, recorder, ids = searched()
    with pytest.raises(ValueError, match="nothing was recorded"):
        beam_tree_data(BeamRecorder(), ids)
    with pytest.raises(ValueError, match=r"does not continue the recorded prompt \[0\]"):
        beam_tree_data(recorder, ids + 1)


def test_the_picture_shows_every_node() -> None:
    data = tree(beams=3, new=3, rules=(toys.Favour(3, -1.0),))
    figure = beam_tree(data)
    (axis,) = figure.axes
    labels = [text.get_text() for text in axis.texts]
    assert len(labels) == len(data.nodes) + 1 + len(data.beams) and labels[0] == "The"
    assert len(axis.lines) == len(data.nodes)
    assert any("(" in label for label in labels)  # a score before the rule
    assert axis.get_xlabel() == "round" and min(t.get_fontsize() for t in axis.texts) >= 10
    assert len(png_of(figure)) < 60_000

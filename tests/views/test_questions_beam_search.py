"""The playing questions of lesson 11."""

from __future__ import annotations

import pytest
import torch
from transformers import NoRepeatNGramLogitsProcessor

from course import models
from course.checks import beam_search_toys as toys
from course.views.beam_tree import BeamRecorder, BeamTree, beam_tree_data
from course.views.questions import check_play, questions
from solutions.beam_search import beam_search

ODD = {
    0: {1: 0.45, 2: 0.40, 7: 0.15},
    1: {3: 0.30, 7: 0.175, 8: 0.175, 9: 0.175, 10: 0.175},
    2: {4: 0.5, 5: 0.4, 6: 0.1},
    3: {6: 1.0},
} | {i: dict.fromkeys(range(1, 11), 0.1) for i in range(4, 11)}


def searched(width: int) -> BeamTree:
    """The lesson's language in which width 2 loses what widths 1 and 3 find."""
    last = BeamRecorder()
    model = toys.scripted(toys.chances(11, ODD))
    found = beam_search(model, torch.tensor([[0]]), width, 3, [last])["output_ids"]
    return BeamTree(beam_tree_data(last, found, candidates=2))


def asked(name: str, view: object) -> str:
    return questions("beam_search")[name](view)


def test_nearly_lost_is_the_lowest_place_of_the_winner() -> None:
    view = searched(3)
    data = view.data
    assert "thick line" in asked("nearly lost", view)
    way = data.way(data.beams[0])
    assert data.tokens(way[-1]) == (1, 3, 6)  # A X Y
    answers = []
    for number in range(len(data.nodes)):
        view.node = number
        answers += [number] * (asked("nearly lost", view) == "")
    assert answers == [way[1]]  # A X is the third of three
    view.node = way[0]
    assert "In round 1 the later winner was number 1 from the top" in asked("nearly lost", view)


def test_pruned_too_early_is_where_the_winner_of_the_wide_tree_stops() -> None:
    narrow, wide = searched(2), searched(3)
    assert "focus a dashed box" in asked("pruned too early", (narrow, wide))
    answers = []
    for node in narrow.data.nodes:
        narrow.node = node.number
        hint = asked("pruned too early", (narrow, wide))
        assert node.kept == ("focus a dashed box" in hint)
        answers += [narrow.data.tokens(node.number)] * (hint == "")
    assert answers == [(1, 3)]  # A X
    assert "take widths 2 and 3" in asked("pruned too early", (wide, wide))


def test_own_words_is_what_the_beam_wrote_itself(capsys: pytest.CaptureFixture[str]) -> None:
    model, tokenizer = models.load("small_gpt2")
    rules = [NoRepeatNGramLogitsProcessor(2)]
    prompt = "the king and the queen and"
    view = BeamTree.from_model(model, tokenizer, prompt, 3, 5, rules)
    assert "Switch the score processors on" in asked("own words", view)
    view.processed = True
    assert "not blocked" in asked("own words", view)
    answers, near = [], 0
    for node in view.data.nodes:
        view.node = node.number
        hint = asked("own words", view)
        near += "blocked, but because of the prompt" in hint
        if hint == "":
            answers.append(node.whole)
            check_play("beam_search", "own words", view)
    assert answers == [f"{prompt} his wife, and his"] and near == 3
    assert capsys.readouterr().out.count("Yes. This token is forbidden for") == 1

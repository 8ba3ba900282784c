"""The beam tree as a widget; tests/test_beam_tree.py looks at what a recorded search becomes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import traitlets

from course import models
from course.checks import beam_search_toys as toys
from course.views.beam_tree import (
    BeamRecorder,
    BeamTree,
    BeamTreeData,
    beam_tree_data,
    recorded_search,
)
from solutions.beam_search import NGramBlock, WordBlock, beam_search

Show = Callable[..., Any]
WORDS = ["The", "cat", "dog", "sleeps", "runs"]
TABLE = {0: {1: 0.6, 2: 0.4}, 1: {3: 0.4, 4: 0.35, 1: 0.25}, 2: {3: 0.9, 4: 0.1}}
NO_SLEEP = toys.Favour(3, -1e9)


def tree(*rules: Any, beams: int = 2, new: int = 2, candidates: int = 2) -> BeamTreeData:
    """A search that greedy decoding loses: "The dog sleeps" has 0.36, "The cat sleeps" 0.24."""
    raw, last = BeamRecorder(), BeamRecorder()
    model = toys.scripted(toys.chances(5, TABLE))
    found = beam_search(model, torch.tensor([[0]]), beams, new, [raw, *rules, last])
    words = {"words": lambda ids: " ".join(WORDS[i] for i in ids)}
    return beam_tree_data(last, found["output_ids"], raw=raw, candidates=candidates, **words)


def example() -> BeamTree:
    """The cat and the dog, without a rule and with one that lets nobody sleep."""
    return BeamTree({"off": tree(), "on": tree(NO_SLEEP)})


def long_tree() -> BeamTree:
    """Twenty rounds of three beams: wider than a page, with candidates left out."""
    last = BeamRecorder()
    model = toys.scripted(2 * torch.randn(60, 40), history=True)
    found = beam_search(model, torch.tensor([[1]]), 3, 20, [last])["output_ids"]
    return BeamTree(beam_tree_data(last, found, candidates=6))


def test_the_page_gets_every_number() -> None:
    view = example()
    assert [len(search["nodes"]) for search in view.searches] == [6, 8]
    numbers = np.frombuffer(view.numbers, "<f4").reshape(-1, 4)
    nodes = [node for on in (False, True) for node in view._all[on].nodes]
    np.testing.assert_allclose(numbers[:, 0], [node.score for node in nodes], rtol=1e-6)
    np.testing.assert_allclose(numbers[:, 1], [node.total for node in nodes], rtol=1e-6)
    np.testing.assert_allclose(numbers[:, 2], [node.raw for node in nodes], rtol=1e-6)
    shown = [node for search in view.searches for node in search["nodes"]]
    for node, (_, _, raw, raw_sum), plain in zip(nodes, numbers, shown, strict=True):
        chance = TABLE.get(WORDS.index(plain["whole"].split()[-2]), {}).get(node.token_id)
        assert chance is None or np.exp(raw) == pytest.approx(chance, rel=1e-3)
        words = [WORDS.index(word) for word in plain["whole"].split()]
        pairs = [TABLE.get(a, {}).get(b) for a, b in itertools.pairwise(words)]
        if None not in pairs:
            assert np.exp(raw_sum) == pytest.approx(np.prod(pairs), rel=1e-3)


def test_beams_and_twins() -> None:
    view = example()
    off, on = view.searches
    ends = [[search["nodes"][i]["whole"] for i in search["beams"]] for search in (off, on)]
    assert ends == [["The dog sleeps", "The cat sleeps"], ["The cat runs", "The cat cat"]]
    assert [node["beams"] for node in off["nodes"][:4]] == [[1], [0], [0], [1]]
    for one, other in ((off, on), (on, off)):
        for node in one["nodes"]:
            twin = other["nodes"][node["twin"]]["whole"]
            assert node["whole"].startswith(twin)
            known = {n["whole"] for n in other["nodes"]}
            assert (twin == node["whole"]) == (node["whole"] in known)


def test_description_names_sizes_and_no_state() -> None:
    view = BeamTree(tree())
    assert repr(view) == "BeamTree(2 rounds, 2 beams, 6 candidates)" == view.label
    view.node = 3
    assert repr(view) == "BeamTree(2 rounds, 2 beams, 6 candidates)"
    assert repr(example()) == (
        "BeamTree(2 rounds, 2 beams, 6 and 8 candidates without and with score processors)"
    )


def test_state_can_be_set_and_is_checked() -> None:
    view = example()
    assert (view.node, view.processed, view.scores, view.beam) == (-1, False, "processed", 0)
    view.node = 5
    with pytest.raises(traitlets.TraitError, match=r"node must be 0 to 5, or -1 for the .*not 6"):
        view.node = 6
    with pytest.raises(traitlets.TraitError, match="beam must be 0 to 1, not 2"):
        view.beam = 2
    with pytest.raises(traitlets.TraitError, match="scores"):
        view.scores = "other"
    with pytest.raises(traitlets.TraitError, match="one search was given"):
        BeamTree(tree()).processed = False
    started = BeamTree({"off": tree(), "on": tree(NO_SLEEP)}, processed=True, node=6, beam=1)
    assert (started.node, started.processed, started.beam) == (6, True, 1)


def test_the_focus_stays_on_its_words() -> None:
    view = example()
    for node in view.data.nodes:
        view.processed, view.node = False, node.number
        view.processed = True
        assert node.whole.startswith(view.data.nodes[view.node].whole)
    view.processed, view.node = False, 4  # The cat runs, pruned without the rule
    view.processed = True
    assert view.data.nodes[view.node].whole == "The cat runs" and view.data.nodes[view.node].kept


def test_the_page_moves_the_focus_itself() -> None:
    view = example()
    view.set_state({"processed": True, "node": 6})
    assert (view.processed, view.node) == (True, 6)
    view.node = view.data.find((1,))
    view.processed = False
    assert view.data.nodes[view.node].whole == "The cat"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (BeamTreeData("The", ()), "no candidates or no beams"),
        (replace(tree(), beams=()), "no candidates or no beams"),
        ({"off": tree()}, r"two as 'off' and 'on', not \['off'\]"),
        ([1, 2], "what beam_tree_data returns, not a list"),
        ({"off": tree(), "on": replace(tree(), prompt="A")}, "different prompts"),
    ],
)
def test_refuses_what_is_no_tree(given: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        BeamTree(given)


def recorded(*scores: torch.Tensor, start: int = 1) -> BeamRecorder:
    recorder = BeamRecorder()
    for i, row in enumerate(scores):
        recorder(torch.zeros(1, start + i, dtype=torch.int64), row)
    return recorder


NAN = torch.tensor([[0.0, float("nan")]])
FINE = torch.tensor([[-1.0, -2.0]])


@pytest.mark.parametrize(
    ("recorder", "raw", "says"),
    [
        (recorded(), None, "nothing was recorded"),
        (recorded(FINE, start=0), None, "the prompt is empty"),
        (recorded(FINE, NAN), None, "scores of round 2 hold NaN"),
        (recorded(FINE), recorded(NAN), "scores of round 1 hold NaN"),
        (recorded(FINE, FINE), recorded(FINE), "hold 1 and 2 rounds: hand both to one"),
    ],
)
def test_refuses_a_bad_record(recorder: Any, raw: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        beam_tree_data(recorder, torch.zeros(1, 3, dtype=torch.int64), raw=raw)


def test_refuses_two_searches_in_one_recorder() -> None:
    recorder = recorded(FINE, FINE)
    recorder.rounds += recorded(FINE).rounds
    with pytest.raises(ValueError, match="more than one search"):
        beam_tree_data(recorder, torch.zeros(1, 4, dtype=torch.int64))


def test_finished_beams_of_transformers_are_kept() -> None:
    """transformers takes a finished beam out of the next round; it may still win."""
    model, ids, last = toys.tiny_gpt2(3), torch.tensor([[1, 2, 3]]), BeamRecorder()
    end = int(model(ids).logits[0, -1].argmax())  # the first choice ends the text
    found = model.generate(
        ids,
        num_beams=3,
        num_return_sequences=3,
        logits_processor=[last],
        max_new_tokens=4,
        eos_token_id=end,
        pad_token_id=0,
        length_penalty=0.0,
    )
    data = beam_tree_data(last, found, end=end)
    ended = [node for node in data.nodes if node.round == 0 and node.token_id == end]
    assert [node.kept for node in ended] == [True] and data.beams[0] == ended[0].number
    assert len(data.beams) == 3


def test_what_is_left_out_is_said() -> None:
    view = long_tree()
    assert len(view.data.nodes) == 200 and "candidates are left out: pruned ones" in view.notice
    assert view.notice.startswith(f"{6 * 3 * 20 - 12 - 200} of {6 * 3 * 20 - 12} ")
    assert BeamTree(tree()).notice == ""


def test_picture_shows_a_window_around_the_focus() -> None:
    view = long_tree()
    assert len(view.picture()) <= 60_000
    view.node = view.data.beams[0]
    (axis,) = view.figure().axes
    assert axis.get_xlabel().endswith("to 20 of 20)") and len(view.picture()) <= 60_000
    texts = [text.get_text() for text in axis.texts]
    assert {"1", "2", "3"} <= set(texts) and texts[0] == "…"
    assert min(text.get_fontsize() for text in axis.texts) * 80 / 72 >= 11


def test_picture_of_one_tall_round() -> None:
    last = BeamRecorder()
    found = beam_search(toys.tiny_gpt2(1, 300), torch.tensor([[1]]), 2, 2, [last])["output_ids"]
    view = BeamTree(beam_tree_data(last, found, candidates=100))
    assert len(view.data.nodes) == 200 and len(view.picture()) <= 60_000


def test_picture_follows_the_state() -> None:
    view = example()
    pictures = [view.picture()]
    for name, value in (("processed", True), ("node", 1), ("scores", "raw")):
        setattr(view, name, value)
        pictures.append(view.picture())
    assert len(set(pictures)) == 4


def test_from_model_searches_without_and_with_processors() -> None:
    model, tokenizer = models.load("small_gpt2")
    prompt = "the king and the queen and"
    view = BeamTree.from_model(model, tokenizer, prompt, 3, 4, [WordBlock()])
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
    for on, rules in ((False, []), (True, [WordBlock()])):
        found, data = beam_search(model, ids, 3, 4, rules), view._all[on]
        assert data.tokens(data.beams[0]) == tuple(found["output_ids"][0, ids.size(1) :].tolist())
        totals = [data.nodes[end].total for end in data.beams]
        np.testing.assert_allclose(totals, found["beam_scores"], atol=1e-4)
    assert view.prompt == prompt and not model.training


def test_from_model_with_one_beam_records_log_probabilities() -> None:
    model, tokenizer = models.load("small_gpt2")
    data = recorded_search(model.train(), tokenizer, "The king", 1, 3)
    assert model.training and len(data[0].rounds) == 3
    model.eval()
    view = BeamTree.from_model(model, tokenizer, "The king", 1, 3)
    ids = tokenizer("The king", return_tensors="pt")["input_ids"]
    totals = [node.total for node in view.data.nodes if node.kept]
    sums = beam_search(model, ids, 1, 3)["token_scores"][0].cumsum(0)
    np.testing.assert_allclose(totals, sums, atol=1e-4)


@pytest.mark.parametrize(
    ("prompt", "options", "says"),
    [
        ("", {}, "the prompt is empty"),
        (" \n", {}, "the prompt is empty"),
        ("The", {"beams": 0}, "beams must be 1 or more, but it is 0"),
        ("The", {"steps": 0}, "steps must be 1 or more, but it is 0"),
        ("The", {"beams": 20, "steps": 11}, "keep 220 candidates, but a tree shows 200 at most"),
        ("The king " * 1000, {}, "do not fit into the model's 256: shorten the prompt"),
    ],
)
def test_from_model_refuses(prompt: str, options: dict[str, int], says: str) -> None:
    model, tokenizer = models.load("small_gpt2")
    with pytest.raises(ValueError, match=says):
        BeamTree.from_model(model, tokenizer, prompt, **options)


def test_from_model_refuses_a_model_that_cannot_generate() -> None:
    with pytest.raises(ValueError, match="Linear cannot generate"):
        BeamTree.from_model(torch.nn.Linear(1, 1), None, "The")


def test_from_model_blocks_ngrams() -> None:
    model, tokenizer = models.load("small_gpt2")
    view = BeamTree.from_model(model, tokenizer, "the cat the", 2, 2, [NGramBlock(2)], 6)
    view.processed = True
    blocked = [node.text for node in view.data.nodes if node.score <= -1e8]
    assert all(node.raw > -20 for node in view.data.nodes if node.score <= -1e8)
    assert not any(node.kept for node in view.data.nodes if node.text in blocked)


def line(page: Any) -> str:
    return str(page.locator(".tv-line").inner_text())


def press(page: Any, *keys: str) -> str:
    for key in keys:
        page.keyboard.press(key)
    return line(page)


FIRST = 'round 1: "cat" after "The": log-probability -0.51, sum -0.51, kept, on the way to beam 2'
WON = (
    'round 2: "sleeps" after "The dog": log-probability -0.11, sum -1.02, kept, on the way to '
    "beam 1"
)
LAST = 'round 2: "runs" after "The dog": log-probability -2.30, sum -3.22, pruned'


@pytest.mark.browser
def test_keys_walk_along_the_tree(show: Show) -> None:
    page = show(example())
    assert line(page) == 'the prompt: "The", 2 candidates shown after it'
    page.locator("[role=application]").focus()
    assert press(page, "ArrowLeft", "ArrowUp", "ArrowDown").startswith("the prompt")
    assert press(page, "ArrowRight") == FIRST
    assert press(page, "ArrowUp") == FIRST
    assert press(page, "ArrowDown", "ArrowRight") == WON
    assert press(page, "ArrowRight") == WON  # no child
    assert press(page, "ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown") == LAST
    assert '"dog" after "The"' in press(page, "ArrowLeft")
    assert press(page, "Home").startswith("the prompt")
    assert press(page, "]") == WON
    assert '"sleeps" after "The cat"' in press(page, "]")
    assert press(page, "]") == press(page, "]")  # the last beam holds
    assert press(page, "[") == WON
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('role')") != "application"


@pytest.mark.browser
def test_processors_and_scores(show: Show) -> None:
    view = example()
    view.node = 3  # The cat sleeps
    page = show(view)
    page.locator("input[type=checkbox]").check()
    assert line(page) == (
        'round 2: "sleeps" after "The cat": blocked (before the processors -0.92), pruned'
    )
    page.locator("select").first.select_option("raw")
    assert line(page) == (
        'round 2: "sleeps" after "The cat": log-probability -0.92 (after the processors blocked), '
        "sum -1.43, pruned"
    )
    page.locator("[role=application]").focus()
    assert '"sleeps" after "The dog"' in press(page, "ArrowUp")  # raw sums order the column
    page.locator("input[type=checkbox]").uncheck()
    assert line(page) == WON


@pytest.mark.browser
def test_a_candidate_that_is_not_in_the_other_tree_hands_the_focus_to_its_parent(
    show: Show,
) -> None:
    on = tree(NO_SLEEP, candidates=3)
    view = BeamTree({"off": tree(candidates=1), "on": on}, processed=True)
    lost = next(n for n in on.nodes if n.whole == "The dog runs")
    assert "The dog runs" not in [n.whole for n in view._all[False].nodes]
    view.node = lost.number
    page = show(view)
    page.locator("input[type=checkbox]").uncheck()
    assert line(page).startswith('round 1: "dog" after "The"')


@pytest.mark.browser
def test_mouse_and_choice(show: Show) -> None:
    page = show(BeamTree(tree()))
    assert page.locator("input").count() == 0  # one search, no rule: nothing to switch
    box = page.locator("canvas").bounding_box()
    left, top = box["x"], box["y"]
    at = page.evaluate("document.querySelector('canvas').getBoundingClientRect().width")
    page.mouse.move(left + at - 100, top + 46)  # the topmost box of the last column
    assert line(page) == WON
    page.mouse.move(left + at - 100, top + 5)  # nothing there
    assert line(page).startswith("the prompt")
    page.mouse.click(left + at - 100, top + 46)
    page.mouse.move(left, top + 5)
    assert line(page) == WON
    page.locator("select").select_option("1")
    assert line(page) == WON  # the mark moves, the focus stays


@pytest.mark.browser
def test_state_from_python_is_what_the_page_shows(show: Show) -> None:
    view = example()
    view.processed, view.scores, view.beam = True, "raw", 1
    view.node = view.data.find((1, 4))
    page = show(view)
    assert line(page) == (
        'round 2: "runs" after "The cat": log-probability -1.05, sum -1.56, kept, on the way to '
        "beam 1"
    )
    assert page.locator("input").is_checked()
    assert [page.locator("select").nth(i).input_value() for i in (0, 1)] == ["raw", "1"]


@pytest.mark.browser
def test_a_wide_tree_scrolls_to_its_focus(show: Show) -> None:
    view = long_tree()
    page = show(view)
    assert page.locator(".tv-notice").inner_text() == view.notice
    scroller = "document.querySelector('canvas').parentElement.parentElement"
    assert page.evaluate(f"{scroller}.scrollWidth > 2 * {scroller}.clientWidth")
    assert page.evaluate("document.querySelector('canvas').width") <= 1000
    page.locator("[role=application]").focus()
    best = view.data.nodes[view.data.beams[0]]
    assert press(page, "]").startswith(f'round 20: "{best.text}"')
    end = page.evaluate(f"{scroller}.scrollWidth - {scroller}.scrollLeft")
    assert end == page.evaluate(f"{scroller}.clientWidth")  # room for the rank beside the box
    box = page.locator("canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] - 90, box["y"] + box["height"] / 2)
    assert line(page).startswith("round 20")
    press(page, "Home")
    assert page.evaluate(f"{scroller}.scrollLeft") == 0


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_in_both_themes(show: Show, keep_picture: Any, scheme: str) -> None:
    model, tokenizer = models.load("small_gpt2")
    rules = [NGramBlock(2)]
    view = BeamTree.from_model(model, tokenizer, "the king and the queen and", 3, 5, rules)
    view.processed, view.beam = True, 1
    page = show(view, scheme)
    keep_picture(page, f"beam_tree-{scheme}")
    corner = "Array.from(document.querySelector('canvas').getContext('2d')"
    pixels = page.evaluate(f"{corner}.getImageData(0, 0, 400, 200).data)")
    shades = {tuple(pixels[i : i + 3]) for i in range(0, len(pixels), 4) if pixels[i + 3] == 255}
    assert ((0, 114, 178) in shades) == (scheme == "light")  # the thick way
    assert ((86, 180, 233) in shades) == (scheme == "dark")

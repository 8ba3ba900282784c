"""The probability strip: its static picture, its numbers, its behaviour in a browser."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import traitlets
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle

from course import models
from course.cache import CourseError
from course.views.probability_strip import (
    COLOURS,
    ProbabilityStrip,
    probability_strip,
    strip_data,
)

Show = Callable[..., Any]
WORDS = ["she", "rubs", "a", "<b>dog</b>", "today", "."]
TOP = [
    None,
    [("sees", 0.5), ("rubs", 0.25), ("has", 0.1)],
    [("a", 1.0)],
    [("cat", 0.4), ("duck", 0.3), ("hen", 0.2), ("boy", 0.05), ("girl", 0.04), ("cow", 0.005)],
    [("every", 0.6), ("today", 0.4)],
    [("and", 0.999), (".", 0.001)],
]
RANKS = [None, 2, 1, 9, 2, 2]


def example(**state: Any) -> ProbabilityStrip:
    """Six tokens, one of them given, one that is far down in the ranks."""
    return ProbabilityStrip(WORDS, [None, 0.25, 1.0, 0.002, 0.4, 0.001], TOP, RANKS, **state)


# The static picture


def boxes(figure: Any) -> list[Rectangle]:
    return [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]


def test_each_token_has_its_colour_and_number() -> None:
    figure = probability_strip(["She", " rubs", " a"], [None, 0.25, 1.0])
    faces = [box.get_facecolor() for box in boxes(figure)]
    assert faces == [to_rgba("white"), COLOURS(0.25), COLOURS(1.0)]
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["She", "rubs", "0.25", "a", "1.00"]


def test_long_texts_go_on_below_and_stay_within_the_line() -> None:
    figure = probability_strip(["token"] * 40, [0.5] * 40, letters=30)
    rows = {round(box.get_y(), 2) for box in boxes(figure)}
    assert len(rows) == 8  # five tokens of six letters a line
    assert all(box.get_x() >= 0 and box.get_x() + box.get_width() <= 30 for box in boxes(figure))


def test_blanks_and_dollars_are_shown() -> None:
    figure = probability_strip(["\n", " ", "$5"], [0.1, 0.1, 0.2])
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts[::2] == ["⏎", "␣", r"\$5"]


def test_the_picture_of_the_view_frames_the_focus() -> None:
    framed = boxes(example(position=3).figure())[-1]
    assert not framed.get_fill() and framed.get_edgecolor() == to_rgba("#d55e00")
    assert example(position=3).picture() != example(position=2).picture()
    long = ProbabilityStrip(["word"] * 256, np.linspace(0, 1, 256))
    assert len(long.picture()) <= 60_000


# The data


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([], []), "at least one"),
        ((["a"], [0.1, 0.2]), "1 tokens and 2"),
        ((["a"], [-0.5]), "token 0, 'a', is -0.5"),
        ((["a", "b"], [0.5, 1.5]), "token 1, 'b', is 1.5"),
        ((["a"], [float("nan")]), "is nan; None stands for a token that was given"),
        ((["a"], [0.5], []), "top has 0 entries for 1 tokens"),
        ((["a"], [0.5], [[("b", 2.0)]]), "most probable token of place 0 is 2"),
        ((["a"], [0.5], None, [1, 2]), "ranks has 2 entries for 1 tokens"),
        ((["a"], [0.5], None, [0]), "it cannot be 0"),
        ((["a"] * 300, [0.5] * 300, None, None, 300), "start must be 0 to 299, not 300"),
    ],
)
def test_bad_input_is_refused(arguments: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        strip_data(*arguments)


def test_the_five_best_are_kept_in_order_and_ranks_are_found() -> None:
    data = strip_data(["b", "z"], [0.3, 0.1], [[("a", 0.2), ("b", 0.3), *[("c", 0.01)] * 5], []])
    assert data.top[0][:2] == (("b", 0.3), ("a", 0.2)) and len(data.top[0]) == 5
    assert data.ranks == (1, 0)
    np.testing.assert_allclose(data.bits, [-math.log2(0.3), -math.log2(0.1)], rtol=1e-6)
    assert strip_data(["a"], torch.tensor([0.5])).probabilities.tolist() == [0.5]


def test_a_long_text_shows_a_window_and_says_so() -> None:
    words, chances = [f"t{i}" for i in range(2000)], [i / 2000 for i in range(2000)]
    view = ProbabilityStrip(words, chances)
    assert view.notice.startswith("2000 tokens: shown are 0 to 255; start=... chooses")
    later = ProbabilityStrip(words, chances, start=1999)
    assert later.tokens[0] == "t1744" and later.data.probabilities[0] == np.float32(1744 / 2000)
    assert len(later.tokens) == 256 and "1744 to 1999" in later.notice


# From logits


def softmax_of(length: int = 7, vocab: int = 11) -> tuple[torch.Tensor, list[int], torch.Tensor]:
    logits = 3 * torch.randn(length, vocab, generator=torch.Generator().manual_seed(5))
    ids = torch.randint(vocab, (length,), generator=torch.Generator().manual_seed(6)).tolist()
    return logits, ids, logits.double().softmax(-1)


def test_row_t_speaks_of_the_token_after_position_t() -> None:
    logits, ids, chances = softmax_of()
    words = [f"w{i}" for i in range(11)]
    view = ProbabilityStrip.from_logits(logits, ids, words, prompt_length=3)
    assert view.tokens == [f"w{i}" for i in ids]
    assert np.isnan(view.data.probabilities[:3]).all() and view.position == 3
    for t in range(3, 7):
        row, chosen = chances[t - 1], ids[t]
        order = row.argsort(descending=True).tolist()
        assert view.data.probabilities[t] == pytest.approx(float(row[chosen]), rel=1e-5)
        assert view.data.ranks[t] == order.index(chosen) + 1
        assert [text for text, _ in view.data.top[t]] == [f"w{i}" for i in order[:5]]
        told = [p for _, p in view.data.top[t]]
        assert told == pytest.approx([float(row[i]) for i in order[:5]], rel=1e-5)
    assert view.data.top[:3] == ((), (), ()) and view.data.ranks[:3] == (0, 0, 0)


def test_every_form_of_logits_and_names_is_taken() -> None:
    logits, ids, _ = softmax_of()
    plain = ProbabilityStrip.from_logits(logits, ids, lambda i: f" w{i}")
    for numbers, listed in (
        (logits[None].requires_grad_(), torch.tensor([ids])),
        (logits.detach().numpy(), np.array(ids)),
    ):
        other = ProbabilityStrip.from_logits(numbers, listed, lambda i: f" w{i}")
        assert other.tokens == plain.tokens and other.probabilities == plain.probabilities
    assert plain.tokens[0] == f"w{ids[0]}"


def test_equals_are_ranked_as_a_sorted_vocabulary_would() -> None:
    view = ProbabilityStrip.from_logits(torch.zeros(3, 9), [0, 7, 2], str)
    assert view.data.ranks == (0, 8, 3)
    assert [text for text, _ in view.data.top[1]] == list("01234")
    cut = torch.tensor([[0.0, float("-inf"), 1.0]] * 2)
    assert ProbabilityStrip.from_logits(cut, [0, 1], str).data.probabilities[1] == 0


@pytest.mark.parametrize(
    ("logits", "ids", "prompt", "says"),
    [
        (torch.zeros(3, 9), [1, 2], 1, r"\(3, 9\), which does not fit 2 ids"),
        (torch.zeros(2, 2, 9), [1, 2], 1, r"\(2, 2, 9\)"),
        (torch.zeros(2, 9), [1, 9], 1, "ids go from 1 to 9, but logits know the ids 0 to 8"),
        (torch.zeros(2, 9), [1, 2], 0, "prompt_length must be 1 to 2, not 0"),
        (torch.zeros(2, 9), [1, 2], 3, "prompt_length must be 1 to 2, not 3"),
        (torch.full((2, 9), float("nan")), [1, 2], 1, "logits hold NaN or infinity"),
        (torch.full((2, 9), float("-inf")), [1, 2], 1, "a row of -inf alone"),
        (torch.zeros(0, 9), [], 1, "the text is empty"),
        (torch.zeros(2, 9), [[1, 2], [3, 4]], 1, "2 texts: give the ids of one"),
    ],
)
def test_logits_that_do_not_fit_are_refused(logits: Any, ids: Any, prompt: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ProbabilityStrip.from_logits(logits, ids, str, prompt)


def test_a_window_of_logits_keeps_the_prompt_where_it_was() -> None:
    logits, ids = torch.zeros(300, 4), [i % 4 for i in range(300)]
    view = ProbabilityStrip.from_logits(logits, ids, str, prompt_length=60, start=40)
    assert "300 tokens: shown are 40 to 295" in view.notice
    assert np.isnan(view.data.probabilities).sum() == 20 and view.tokens[0] == "0"
    late = ProbabilityStrip.from_logits(logits, ids, str, start=290)
    assert not np.isnan(late.data.probabilities).any() and late.tokens[0] == "0"


# From a model


@pytest.fixture(scope="module")
def small() -> Any:
    torch.set_num_threads(1)
    return models.load("small_gpt2", quiet=True)


def test_a_model_reads_a_text_after_a_prompt(small: Any) -> None:
    model, tokenizer = small
    view = ProbabilityStrip.from_model(model, tokenizer, " went home.", "The old woman")
    ids = tokenizer("The old woman went home.", return_tensors="pt").input_ids
    with torch.no_grad():
        chances = model(ids).logits[0, :-1].softmax(-1)
    wanted = chances.gather(1, ids[0, 1:, None])[:, 0].tolist()
    assert view.describe() == f"ProbabilityStrip({ids.size(1)} tokens, 3 given)"
    assert view.data.probabilities[3:].tolist() == pytest.approx(wanted[2:], rel=1e-4)
    assert view.tokens[:4] == ["The", "old", "woman", "went"]
    again = ProbabilityStrip.from_model(model, tokenizer, ids, prompt=3)
    assert again.probabilities == view.probabilities and again.top == view.top


def test_byte_level_tokens_stand_as_text() -> None:
    """SmolLM2's vocabulary holds ## as a piece, and is none of WordPiece."""
    model, tokenizer = models.load("causal_lm", quiet=True)
    view = ProbabilityStrip.from_model(model, tokenizer, "The king\nwent home")
    assert view.tokens == ["The", "king", "⏎", "went", "home"]


def test_long_texts_and_wrong_arguments(small: Any) -> None:
    view = ProbabilityStrip.from_model(*small, " king" * 2000, start=500)
    assert view.notice.startswith("2000 tokens: the model read 500 to 755")
    assert len(view.tokens) == 256 and np.isnan(view.data.probabilities).sum() == 1
    later = ProbabilityStrip.from_model(*small, " king" * 2000, prompt=600, start=500)
    assert np.isnan(later.data.probabilities).sum() == 100
    with pytest.raises(ValueError, match="the text is empty"):
        ProbabilityStrip.from_model(*small, "")
    with pytest.raises(ValueError, match="say with a number how many"):
        ProbabilityStrip.from_model(*small, [4, 5, 6], prompt="The")
    with pytest.raises(ValueError, match="prompt_length must be 1 to 3, not 4"):
        ProbabilityStrip.from_model(*small, [4, 5, 6], prompt=4)
    with pytest.raises(CourseError, match="does not foretell the next token"):
        ProbabilityStrip.from_model(*models.load("masked_lm", quiet=True), "The king")


def test_state_is_checked_and_read_back() -> None:
    view = example(position=2, threshold=0.3)
    assert (view.position, view.threshold) == (2, 0.3)
    assert example().position == 1, "the first token that was asked"
    with pytest.raises(traitlets.TraitError, match="position must be 0 to 5, not 6"):
        view.position = 6
    with pytest.raises(traitlets.TraitError):
        view.threshold = 1.5
    assert (view.position, view.threshold) == (2, 0.3)


# In a browser


def live(page: Any) -> str:
    return str(page.locator("[aria-live]").inner_text())


def rows_of(page: Any) -> list[list[str]]:
    rows = page.locator("tbody tr")
    return [rows.nth(i).locator("td").all_inner_texts() for i in range(rows.count())]


@pytest.mark.browser
def test_keys_move_and_hold_at_the_edge(show: Show) -> None:
    page, name = show(example()), "document.activeElement.getAttribute('role')"
    told = 'token 2 of 6, "rubs": probability 0.25, surprise 2.0 bits, rank 2'
    assert live(page) == told
    page.locator("[role=application]").focus()
    page.keyboard.press("ArrowRight")
    assert live(page) == 'token 3 of 6, "a": probability 1.00, surprise 0.0 bits, rank 1'
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    assert live(page) == 'token 1 of 6, "she": given, the model was not asked'
    assert rows_of(page) == []
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    assert live(page) == 'token 6 of 6, ".": probability 0.0010, surprise 10.0 bits, rank 2'
    assert page.evaluate(name) == "application"
    page.keyboard.press("Tab")
    assert page.evaluate(name) != "application"


@pytest.mark.browser
def test_brackets_jump_to_surprises(show: Show) -> None:
    page = show(example())
    page.locator("[role=application]").focus()
    places = []
    for key in ("]", "]", "]", "[", "["):
        page.keyboard.press(key)
        places.append(live(page).split(",")[0])
    assert places == [f"token {i} of 6" for i in (4, 6, 6, 4, 4)]
    assert page.get_by_text("2 of 5 tokens").count() == 1
    page.locator("input[type=range]").fill("0.3")
    assert page.get_by_text("3 of 5 tokens").count() == 1
    page.locator("[role=application]").focus()
    page.keyboard.press("[")
    assert live(page).startswith("token 2 of 6")


@pytest.mark.browser
def test_the_table_marks_the_chosen_one_and_tells_a_far_rank(show: Show) -> None:
    page = show(example(position=4))
    assert [row[:2] for row in rows_of(page)] == [["1", "every"], ["2", "▸ today"]]
    page.locator("[role=application]").focus()
    page.keyboard.press("ArrowLeft")
    rows = rows_of(page)
    assert [row[1] for row in rows] == ["cat", "duck", "hen", "boy", "girl", "▸ <b>dog</b>"]
    assert rows[-1] == ["9", "▸ <b>dog</b>", "0.0020"] and rows[0][2] == "0.40"


@pytest.mark.browser
def test_lines_wrap_and_up_and_down_find_the_neighbour(show: Show) -> None:
    page = show(ProbabilityStrip(["w"] * 60, [0.5] * 60, position=0))
    page.locator("[role=application]").focus()
    page.keyboard.press("ArrowDown")
    across = int(live(page).split(" ")[1]) - 1
    assert 10 <= across <= 20
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert live(page).startswith("token 1 of 60")
    page.set_viewport_size({"width": 700, "height": 800})
    page.locator("[role=application]").focus()
    page.wait_for_timeout(100)
    page.keyboard.press("ArrowDown")
    assert int(live(page).split(" ")[1]) - 1 != across
    box = page.locator("canvas").bounding_box()
    assert box["x"] + box["width"] <= 700


@pytest.mark.browser
def test_a_click_focuses_and_hovering_only_tells(show: Show) -> None:
    page = show(example())
    box = page.locator("canvas").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 14)
    assert live(page).startswith('token 1 of 6, "she"')
    page.mouse.move(0, 0)
    assert live(page).startswith('token 2 of 6, "rubs"')
    page.mouse.click(box["x"] + 20, box["y"] + 14)
    page.mouse.move(0, 0)
    assert live(page).startswith('token 1 of 6, "she"')


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_is_followed(show: Show, keep_picture: Any, scheme: str, small: Any) -> None:
    text = " went into the dark forest, and there she met a wolf, who said: Good morning!"
    view = ProbabilityStrip.from_model(*small, text, "The old woman", position=18)
    page = show(view, scheme)
    keep_picture(page, f"probability_strip-{scheme}")
    pixel = """([x, y]) => Array.from(document.querySelector('canvas').getContext('2d')
        .getImageData(x, y, 1, 1).data)"""
    ground = page.evaluate(pixel, [6, 6])  # a given token has no colour of its own
    assert (sum(ground[:3]) > 700) == (scheme == "light")

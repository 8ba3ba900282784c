"""The picture of a text coloured by its tokens' probabilities."""

from __future__ import annotations

import pytest
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle

from course.views.probability_strip import COLOURS, probability_strip


def boxes(figure):
    return [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]


def test_each_token_has_its_colour_and_number():
    figure = probability_strip(["She", " rubs", " a"], [None, 0.25, 1.0])
    faces = [box.get_facecolor() for box in boxes(figure)]
    assert faces == [to_rgba("white"), COLOURS(0.25), COLOURS(1.0)]
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["She", "rubs", "0.25", "a", "1.00"]


def test_long_texts_go_on_below_and_stay_within_the_line():
    figure = probability_strip(["token"] * 40, [0.5] * 40, letters=30)
    rows = {round(box.get_y(), 2) for box in boxes(figure)}
    assert len(rows) == 8  # five tokens of six letters a line
    assert all(box.get_x() >= 0 and box.get_x() + box.get_width() <= 30 for box in boxes(figure))


def test_blanks_and_dollars_are_shown():
    texts = [t.get_text() for t in probability_strip(["\n", "$5"], [0.1, 0.2]).axes[0].texts]
    assert texts[0] == "␣" and texts[2] == r"\$5"


@pytest.mark.parametrize(
    ("tokens", "probabilities", "words"),
    [([], [], "at least one"), (["a"], [0.1, 0.2], "1 tokens and 2"), (["a"], [-0.5], "-0.5")],
)
def test_bad_input_is_refused(tokens, probabilities, words):
    with pytest.raises(ValueError, match=words):
        probability_strip(tokens, probabilities)

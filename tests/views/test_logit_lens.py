"""The logit lens: its numbers against the models' own, its behaviour in a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import traitlets
from matplotlib.patches import Rectangle

from course import models
from course.views.logit_lens import LogitLens, lens_data

Show = Callable[..., Any]
WORDS = ["the", "cat", "<b>sat</b>", "on", "a", "mat", "."]
IDS = [0, 1, 2, 3]


def states(layers: int = 3) -> torch.Tensor:
    """(layers + 1, 4, 7): in the embeddings a position's own token is best; in layer l it is the
    token l places on, with a probability that grows."""
    hidden = torch.zeros(layers + 1, len(IDS), len(WORDS))
    for layer in range(layers + 1):
        for place, token in enumerate(IDS):
            hidden[layer, place, (token + min(layer, 2)) % len(WORDS)] = 1.0 + layer
            hidden[layer, place, (token + 1) % len(WORDS)] += 0.5
    return hidden


def double(hidden: torch.Tensor) -> torch.Tensor:
    return 2 * hidden


def example(**state: Any) -> LogitLens:
    """Embeddings and three layers, four positions of seven words."""
    return LogitLens(states(), double, IDS, WORDS, **state)


# The data


def test_every_cell_is_the_softmax_of_its_layer() -> None:
    logits = torch.randn(3, 5, 9, generator=torch.Generator().manual_seed(1))
    ids = [1, 4, 0, 8, 2]
    data = lens_data(logits, double, ids, str)
    chances = (2 * logits).double().softmax(-1)
    assert data.best.shape == (3, 5, 5) and data.vocab == 9
    for layer in range(3):
        for place in range(5):
            row = chances[layer, place]
            order = row.argsort(descending=True).tolist()
            assert data.best[layer, place].tolist() == order[:5]
            np.testing.assert_allclose(data.chances[layer, place], row[order[:5]], rtol=1e-5)
            if place < 4:
                assert data.ranks[layer, place] == order.index(ids[place + 1]) + 1
                assert data.truth[layer, place] == pytest.approx(float(row[ids[place + 1]]))
    assert data.true_tokens == ("4", "0", "8", "2", "")
    assert (data.ranks[:, 4] == 0).all() and np.isnan(data.truth[:, 4]).all()


def test_the_first_layer_that_has_the_final_answer() -> None:
    view = example()
    assert [view.data.first_best(i) for i in range(4)] == [2, 2, 2, 2]
    hidden = states()
    hidden[0, 1], hidden[1, 1] = hidden[3, 1], hidden[3, 1].flip(0)
    assert LogitLens(hidden, double, IDS, WORDS).data.first_best(1) == 0, "first, not for good"


def test_every_form_of_hidden_states_is_taken() -> None:
    plain = example()
    for hidden in (
        [layer[None].requires_grad_() for layer in states()],
        tuple(layer.numpy() for layer in states()),
        states().numpy(),
    ):
        other = LogitLens(hidden, double, torch.tensor([IDS]), WORDS.__getitem__)
        assert other.best == plain.best and other.chances == plain.chances
        assert other.words == plain.words


def test_targets_may_be_those_of_a_masked_model() -> None:
    view = LogitLens(states(), double, IDS, WORDS, targets=[0, None, 2, 3])
    assert view.true_tokens == ["the", "", "<b>sat</b>", "on"] and not view.follows
    assert view.data.ranks[0].tolist() == [1, 0, 1, 1]


BAD = states()
BAD[2, 1, 0] = float("nan")


@pytest.mark.parametrize(
    ("hidden", "unembed", "ids", "says"),
    [
        (states()[0], double, IDS, r"hidden is of shape \(4, 7\): give \(layers \+ 1"),
        ([], double, IDS, "hidden is empty"),
        (states(), double, [0, 1], r"a layer has the shape \(4, 7\), which does not fit 2 ids"),
        (states()[None], double, IDS, r"hidden is of shape \(1, 4, 4, 7\)"),
        (BAD, double, IDS, "the hidden states of layer 2 hold NaN"),
        (states(), double, [], "the text is empty"),
        (states(), double, [0, 1, 2, 7], "ids go from 0 to 7, but the logits of layer 0 know"),
        (states(), lambda h: h[0], IDS, r"the logits of layer 0 have the shape \(7,\)"),
        (states(), lambda h: h * float("nan"), IDS, "the logits of layer 0 hold NaN"),
    ],
)
def test_what_does_not_fit_is_refused(hidden: Any, unembed: Any, ids: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        lens_data(hidden, unembed, ids, [*WORDS, "more"])


def test_targets_must_fit() -> None:
    with pytest.raises(ValueError, match="2 targets for 4 ids"):
        lens_data(states(), double, IDS, WORDS, [0, 1])


def test_a_long_text_shows_a_window_and_reads_no_more() -> None:
    hidden, seen = torch.zeros(2, 2000, 3), []

    def unembed(layer: torch.Tensor) -> torch.Tensor:
        seen.append(len(layer))
        return layer

    ids = [i % 3 for i in range(2000)]
    view = LogitLens(hidden, unembed, ids, "abc", start=1990)
    assert view.notice.startswith("2000 tokens: shown are 1968 to 1999; start=...")
    assert seen == [32, 32] and view.shape == [2, 32, 3]
    assert view.tokens[0] == "abc"[1968 % 3] and view.true_tokens[-1] == ""
    assert LogitLens(hidden, unembed, ids, "abc").true_tokens[-1] == "abc"[32 % 3]
    with pytest.raises(ValueError, match="start must be 0 to 1999, not 2000"):
        LogitLens(hidden, unembed, ids, "abc", start=2000)


def test_the_payload_is_small_and_so_is_the_picture() -> None:
    numbers = torch.randn(49, 32, 300, generator=torch.Generator().manual_seed(2))
    view = LogitLens(numbers, double, range(32), lambda i: f"word{i}", show="token")
    sent = (view.best, view.chances, view.ranks, view.truth)
    assert sum(map(len, sent)) + len(str(view.words)) < 120_000
    view.layer = 7
    rows = [int(label.get_text()) for label in view.figure().axes[0].get_yticklabels()]
    assert rows[:3] == [0, 2, 4] and 7 in rows and rows[-1] == 48, "every second, and the focus"
    for layers in (49, 31, 13):
        view = LogitLens(numbers[:layers], double, range(32), lambda i: f"word{i}")
        assert len(view.picture()) <= 60_000, layers


# From models


@pytest.fixture(scope="module")
def loaded() -> dict[str, Any]:
    torch.set_num_threads(1)
    return {role: models.load(role, quiet=True) for role in ("small_gpt2", "causal_lm")}


@pytest.mark.parametrize(("role", "layers"), [("small_gpt2", 5), ("causal_lm", 31)])
def test_the_top_row_is_what_the_model_says(role: str, layers: int, loaded: dict[str, Any]) -> None:
    model, tokenizer = loaded[role]
    text = "The old woman went home"
    view = LogitLens.from_model(model, tokenizer, text)
    ids = tokenizer(text, return_tensors="pt").input_ids
    with torch.no_grad():
        chances, best = model(ids).logits[0].softmax(-1).topk(5)
    assert view.data.best.shape == (layers, ids.size(1), 5)
    np.testing.assert_array_equal(view.data.best[-1], best)
    np.testing.assert_allclose(view.data.chances[-1], chances, atol=1e-4)
    assert view.tokens == text.split() and view.true_tokens == [*text.split()[1:], ""]
    assert view.describe() == f"LogitLens(embeddings and {layers - 1} layers, 5 positions)"


def test_a_masked_model_speaks_of_the_place_itself() -> None:
    model, tokenizer = models.load("masked_lm", quiet=True)
    view = LogitLens.from_model(model, tokenizer, "the [MASK] of france is paris .")
    assert view.tokens[:4] == ["[CLS]", "the", "[MASK]", "of"] and not view.follows
    assert view.true_tokens[:4] == ["[CLS]", "the", "", "of"]
    inputs = tokenizer("the [MASK] of france is paris .", return_tensors="pt")
    with torch.no_grad():
        best = model(**inputs).logits[0].argmax(-1)
    np.testing.assert_array_equal(view.data.best[-1, :, 0], best)


def test_a_long_text_is_read_with_its_context(loaded: dict[str, Any]) -> None:
    model, tokenizer = loaded["small_gpt2"]
    text = "The king went home to the queen." * 100
    whole = tokenizer(text)["input_ids"]
    view = LogitLens.from_model(model, tokenizer, text, start=400)
    assert f"{len(whole)} tokens: shown are 400 to 431" in view.notice
    assert view.notice.endswith("The model read 176 to 431.")
    with torch.no_grad():
        logits = model(torch.tensor([whole[176:432]])).logits[0, -32:]
    np.testing.assert_array_equal(view.data.best[-1, :, 0], logits.argmax(-1))
    assert view.true_tokens[-1] == tokenizer.decode(whole[432]).strip()
    with pytest.raises(ValueError, match="the text is empty"):
        LogitLens.from_model(model, tokenizer, "")


def test_a_long_text_of_a_masked_model_is_read_on_both_sides() -> None:
    model, tokenizer = models.load("masked_lm", quiet=True)
    view = LogitLens.from_model(model, tokenizer, "king " * 998, start=500)
    assert "The model read 388 to 643." in view.notice and view.tokens == ["king"] * 32
    edge = LogitLens.from_model(model, tokenizer, "king " * 998)
    assert "The model read 0 to 255." in edge.notice and edge.tokens[0] == "[CLS]"


# The state and the picture


def test_state_is_checked_and_read_back() -> None:
    view = example(layer=2, position=3, show="probability")
    assert (view.layer, view.position, view.show) == (2, 3, "probability")
    for name, value, says in (
        ("layer", 4, "layer must be 0 to 3, not 4"),
        ("position", -1, "position must be 0 to 3, not -1"),
        ("show", "colour", "colour"),
    ):
        with pytest.raises(traitlets.TraitError, match=says):
            setattr(view, name, value)
    assert (view.layer, view.position) == (2, 3)


def test_the_picture_shows_what_is_asked_around_the_focus() -> None:
    for show, text in (("token", "cat"), ("probability", "0.96"), ("rank of the true token", "2")):
        figure = example(show=show, layer=3, position=1).figure()
        assert text in [t.get_text() for t in figure.axes[0].texts], show
        frames = [p for p in figure.axes[0].patches if isinstance(p, Rectangle)]
        assert {frame.get_xy() for frame in frames} == {(0.5, 2.5)}
    long = LogitLens(torch.zeros(2, 30, 3), double, [i % 3 for i in range(30)], "abc", position=29)
    axis = long.figure().axes[0]
    assert len(axis.get_xticks()) == 12 and axis.patches[0].get_xy()[0] == 10.5


def test_brightness_of_ranks_goes_from_first_to_last() -> None:
    hidden = torch.arange(7.0).flip(0).repeat(1, 4, 1)  # the ids in their order
    view = LogitLens(hidden, double, IDS, WORDS, targets=[0, 6, 2, None])
    view.show = "rank of the true token"
    shown = view.brightness()[0]
    np.testing.assert_allclose(shown[:2], [1, 0], atol=1e-12)
    assert 0.4 < shown[2] < 0.5 and np.isnan(shown[3])
    assert [view.cell(0, i) for i in range(4)] == ["1", "7", "3", "?"]


# In a browser


def live(page: Any) -> str:
    return str(page.locator("[aria-live]").inner_text())


@pytest.mark.browser
def test_keys_move_and_hold_at_the_edge(show: Show) -> None:
    view = example()
    page, name = show(view), "document.activeElement.getAttribute('role')"
    p = [view.data.chances[layer, 0, 0] for layer in range(4)]
    truth = [view.data.truth[layer, 0] for layer in range(4)]
    assert live(page) == (
        f'layer 0 (embeddings), after "the": best guess "the" {p[0]:.2f}; "cat" really follows: '
        f"rank 2, probability {truth[0]:.2f}"
    )
    page.locator("[role=application]").focus()
    page.keyboard.press("ArrowDown")
    assert live(page).startswith("layer 0 (embeddings)")
    page.keyboard.press("ArrowUp")
    assert live(page) == (
        f'layer 1 of 3, after "the": best guess "cat" {p[1]:.2f}; "cat" really follows: rank 1, '
        f"probability {truth[1]:.2f}"
    )
    page.keyboard.press("PageUp")
    assert live(page).startswith('layer 3 of 3, after "the": best guess "<b>sat</b>"')
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    assert live(page).startswith('layer 3 of 3, after "on": best guess "mat"')
    assert live(page).endswith("; what follows is not known")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("PageDown")
    assert live(page).startswith('layer 0 (embeddings), after "<b>sat</b>"')
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    assert live(page).startswith('layer 0 (embeddings), after "the"')
    assert page.evaluate(name) == "application"
    page.keyboard.press("Tab")
    assert page.evaluate(name) != "application"


@pytest.mark.browser
def test_brackets_go_where_the_guess_changes(show: Show) -> None:
    page = show(example())
    page.locator("[role=application]").focus()
    layers = []
    for key in ("]", "]", "]", "ArrowUp", "[", "[", "["):
        page.keyboard.press(key)
        layers.append(live(page).split(",")[0])
    names = {0: "layer 0 (embeddings)", **{i: f"layer {i} of 3" for i in (1, 2, 3)}}
    assert layers == [names[i] for i in (1, 2, 2, 3, 1, 0, 0)]


@pytest.mark.browser
def test_the_table_follows_the_focus_and_marks_what_is_true(show: Show) -> None:
    view = example(layer=3, position=2)
    page = show(view)
    rows = page.locator("tbody tr")
    assert page.locator("caption").inner_text() == 'Layer 3 of 3, after "<b>sat</b>"'
    cells = [rows.nth(i).locator("td").all_inner_texts() for i in range(rows.count())]
    assert [cell[1] for cell in cells] == ["a", "▸ on", "the", "cat", "<b>sat</b>"]
    assert cells[0][2] == f"{view.data.chances[3, 2, 0]:.2f}"
    page.locator("[role=application]").focus()
    page.keyboard.press("Home")
    assert page.locator("caption").inner_text() == 'Layer 3 of 3, after "the"'


@pytest.mark.browser
def test_a_far_rank_has_its_own_row(show: Show) -> None:
    hidden = torch.arange(7.0).flip(0).repeat(1, 4, 1)
    page = show(LogitLens(hidden, double, IDS, WORDS, targets=[6, 0, 0, 0]))
    last = page.locator("tbody tr").last.locator("td").all_inner_texts()
    assert last == ["7", "▸ .", "< 0.0001"]
    assert live(page).endswith('"." really stands here: rank 7, probability < 0.0001')


@pytest.mark.browser
def test_mouse_and_control(show: Show) -> None:
    page = show(example())
    box = page.locator("canvas").bounding_box()
    place = (box["x"] + box["width"] - 20, box["y"] + 38 + 5)  # the cell in the upper right
    page.mouse.move(*place)
    assert live(page).startswith('layer 3 of 3, after "on"')
    page.mouse.move(0, 0)
    assert live(page).startswith('layer 0 (embeddings), after "the"')
    page.mouse.click(*place)
    page.mouse.move(0, 0)
    assert live(page).startswith('layer 3 of 3, after "on"')
    pixel = """([x, y]) => Array.from(document.querySelector('canvas').getContext('2d')
        .getImageData(x, y, 1, 1).data)"""
    top_left = [34 + 5, 38 + 5]
    before = page.evaluate(pixel, top_left)
    page.locator("select").select_option("rank of the true token")
    after = page.evaluate(pixel, top_left)
    assert before[0] > 240 and after[0] < before[0] - 40, "probability 0.99, but rank 2 of 7"
    assert page.get_by_text("Yellow is rank 1").count() == 1


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_is_followed(
    show: Show, keep_picture: Any, scheme: str, loaded: dict[str, Any]
) -> None:
    text = "The capital of France is Paris, and the capital of Italy is Rome"
    view = LogitLens.from_model(*loaded["causal_lm"], text, layer=24, position=12)
    page = show(view, scheme)
    keep_picture(page, f"logit_lens-{scheme}")
    assert page.evaluate("document.querySelector('#view').scrollWidth") <= 1000
    pixel = """([x, y]) => Array.from(document.querySelector('canvas').getContext('2d')
        .getImageData(x, y, 1, 1).data)"""
    page.locator("select").select_option("rank of the true token")
    unknown = page.evaluate(
        pixel, [page.evaluate("document.querySelector('canvas').width") - 8, 42]
    )
    assert unknown[:3] == ([255, 255, 255] if scheme == "light" else [22, 24, 28])

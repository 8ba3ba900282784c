"""Views: their data without a browser, their behaviour in one."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import traitlets

from course.views import HeatMap, heat_map_data
from course.views.base import module_text

WORDS = ["the", "cat", "<b>sat</b>"]


def some_weights(heads: int = 2, length: int = 3) -> torch.Tensor:
    """Weights whose head h, row i has its peak at key (h + i) mod length."""
    scores = torch.zeros(heads, length, length)
    for head in range(heads):
        for row in range(length):
            scores[head, row, (head + row) % length] = 2.0
    return scores.softmax(dim=-1)


def test_data_keeps_small_weights_and_zeros() -> None:
    weights = torch.tensor([[0.999, 0.001, 0.0], [1e-6, 0.5, 0.499999], [0.0, 0.0, 1.0]])
    data = heat_map_data(weights, WORDS)
    logs = np.frombuffer(data.log_weights, "<f2").astype(np.float32).reshape(1, 3, 3)
    np.testing.assert_allclose(np.exp(logs)[0], weights.numpy(), rtol=5e-3)
    assert data.weights.shape == (1, 3, 3) and data.key_tokens == tuple(WORDS)


@pytest.mark.parametrize("shape", [(1, 2, 3, 4), (2, 3, 4)])
def test_data_takes_a_batch_of_one_and_cross_attention(shape: tuple[int, ...]) -> None:
    data = heat_map_data(torch.full(shape, 0.25), WORDS, ["a", "b", "c", "d"])
    assert data.weights.shape == (2, 3, 4)


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        (torch.zeros(2, 2, 3, 3), r"\(2, 2, 3, 3\) do not fit 3 query and 3 key labels"),
        (torch.zeros(4, 4), "do not fit"),
        (torch.full((3, 3), 1.5), "between 0 and 1, but go from 1.5"),
        (torch.full((3, 3), -0.5), "between 0 and 1"),
        (torch.full((3, 3), float("nan")), "between 0 and 1"),
    ],
)
def test_data_refuses_what_is_no_attention(weights: torch.Tensor, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        heat_map_data(weights, WORDS)


def test_text_and_picture_are_stable_and_small() -> None:
    first, second = (HeatMap(some_weights(), WORDS) for _ in range(2))
    assert repr(first) == repr(second) == "HeatMap(2 heads, 3 queries x 3 keys)"
    assert first.picture() == second.picture()
    data, metadata = first._repr_mimebundle_()
    picture = base64.b64decode(data["image/png"])
    assert picture.startswith(b"\x89PNG") and len(picture) < 60_000
    assert data["text/plain"] == repr(first) and metadata["image/png"]["alt"] == repr(first)
    assert "application/vnd.jupyter.widget-view+json" in data


def test_a_big_view_stays_small() -> None:
    view = HeatMap(some_weights(12, 128), [f"word{i}" for i in range(128)])
    assert len(view.data.log_weights) < 500_000 and len(view.picture()) < 60_000
    assert len(module_text("heat_map")) < 20_000


def test_focus_stays_inside() -> None:
    view = HeatMap(some_weights(), WORDS, head=1)
    view.row = 2
    with pytest.raises(traitlets.TraitError, match="row must be 0 to 2, not 3"):
        view.row = 3
    assert view.row == 2


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    playwright = pytest.importorskip("playwright.sync_api")
    if path is None:
        pytest.skip("no chromium on this machine")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that shows a heat map; requests to anywhere and errors are gathered on it."""
    opened = browser.new_page()
    opened.problems = []
    opened.on("request", lambda r: r.url.startswith("http") and opened.problems.append(r.url))
    opened.on("pageerror", lambda error: opened.problems.append(str(error)))
    opened.set_content(HeatMap(some_weights(), WORDS).to_html())
    opened.wait_for_selector("#view[data-ready=yes]")
    yield opened
    assert opened.problems == []
    opened.close()


@pytest.mark.browser
def test_keys_move_the_focus_and_tab_leaves(page: Any) -> None:
    live, name = page.locator("[aria-live]"), "document.activeElement.getAttribute('role')"
    assert live.inner_text() == 'head 0: "the" looks at "the" with weight 0.79'
    page.locator("[role=application]").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")  # the edge holds
    assert live.inner_text() == 'head 0: "the" looks at "<b>sat</b>" with weight 0.11'
    page.keyboard.press("ArrowDown")
    page.keyboard.press("]")
    assert live.inner_text() == 'head 1: "cat" looks at "<b>sat</b>" with weight 0.79'
    assert page.locator("select").input_value() == "1"
    assert page.evaluate(name) == "application"
    page.keyboard.press("Tab")
    assert page.evaluate(name) != "application"


@pytest.mark.browser
def test_letters_do_not_reach_the_notebook(page: Any) -> None:
    page.evaluate("() => { window.heard = []; document.onkeydown = (e) => heard.push(e.key); }")
    page.locator("[role=application]").focus()
    for key in ("d", "ArrowDown", "Shift+Enter", "Escape"):
        page.keyboard.press(key)
    assert page.evaluate("window.heard") == ["Enter", "Escape"]


@pytest.mark.browser
def test_mouse_focuses_and_select_changes_the_head(page: Any) -> None:
    box = page.locator("canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.9)
    live = page.locator("[aria-live]")
    assert live.inner_text() == 'head 0: "<b>sat</b>" looks at "<b>sat</b>" with weight 0.79'
    page.locator("select").select_option("1")
    assert live.inner_text() == 'head 1: "<b>sat</b>" looks at "<b>sat</b>" with weight 0.11'


@pytest.mark.browser
def test_colours_are_cividis_and_text_follows_the_theme(page: Any) -> None:
    pixel = (
        "Array.from(document.querySelector('canvas').getContext('2d').getImageData(5,5,1,1).data)"
    )
    red, green, blue, _ = page.evaluate(pixel)
    assert red > 150 and green > 140 and blue < 120  # 0.787 of cividis is yellowish
    colour = "getComputedStyle(document.querySelector('#view div')).color"
    seen = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        seen.append(page.evaluate(colour))
    assert seen == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]

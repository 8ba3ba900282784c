"""The stepper: every stage against torch, what it refuses, and what it says in a browser."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
import traitlets

from course import models
from course.cache import CourseError
from course.views.base import module_text
from course.views.qkv_stepper import QKVStepper, qkv_data
from solutions.attention import scaled_dot_product_attention

WORDS = ["the", "cat", "<b>sat</b>"]
Q = torch.tensor([[2.0, 0, 0, 0], [0, 1, -2, 0], [2, 2, 0, 0]])
K = torch.tensor([[0.0, 0, 0, 1], [1, 1, 0, 0], [0, 1, 1, 0]])
V = torch.tensor([[0.0, 0], [10, -4], [0, 10]])
CAUSAL = torch.ones(3, 3, dtype=torch.bool).tril()


def example(**state: Any) -> QKVStepper:
    return QKVStepper(Q, K, V, WORDS, mask=CAUSAL, **state)


def random_head(n: int, m: int, d: int = 8, wide: int = 5) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(n + m)
    return torch.randn(n, d), torch.randn(m, d), torch.randn(m, wide)


def names(count: int) -> list[str]:
    return [f"t{i}" for i in range(count)]


@pytest.mark.parametrize(("n", "m"), [(1, 1), (4, 4), (3, 7)])
@pytest.mark.parametrize("with_mask", [False, True])
def test_stages_are_those_of_attention(n: int, m: int, with_mask: bool) -> None:
    q, k, v = random_head(n, m)
    mask = torch.rand(n, m) > 0.3 if with_mask else None
    if mask is not None:
        mask[:, 0] = True
    data = qkv_data(q, k, v, names(n), names(m), mask)
    expected, weights = scaled_dot_product_attention(
        q[None, None], k[None, None], v[None, None], mask
    )
    np.testing.assert_allclose(data.stage(4), weights[0, 0], atol=1e-6)
    np.testing.assert_allclose(data.stage(5), expected[0, 0], atol=1e-5)
    np.testing.assert_allclose(data.stage(0).sum(-1), q @ k.T, atol=1e-5)
    np.testing.assert_allclose(data.stage(1), q @ k.T, atol=1e-5)
    np.testing.assert_allclose(data.stage(2), q @ k.T / 8**0.5, atol=1e-5)
    assert data.stage(5).dtype == np.float64


def test_root_and_mask_can_be_left_out() -> None:
    data = qkv_data(Q, K, V, WORDS, mask=CAUSAL)
    for step in (2, 3):
        np.testing.assert_array_equal(data.stage(step, scaled=False, masked=False), data.stage(1))
    np.testing.assert_array_equal(np.isinf(data.stage(3)), ~CAUSAL.numpy())
    np.testing.assert_allclose(
        data.stage(4, scaled=False, masked=False), (Q @ K.T).softmax(-1), atol=1e-6
    )
    with pytest.raises(ValueError, match="step must be 0 to 5, not 6"):
        data.stage(6)


@pytest.mark.parametrize("front", [(), (1,), (1, 1)])
def test_axes_of_size_one_are_left_out(front: tuple[int, ...]) -> None:
    parts = [part.reshape(*front, *part.shape) for part in (Q, K, V)]
    data = qkv_data(*parts, WORDS, mask=CAUSAL.reshape(*front, 3, 3))
    assert data.q.shape == (3, 4) and data.v.shape == (3, 2)
    padding = torch.tensor([True, True, False]).reshape(*front, 1, 3)
    assert qkv_data(*parts, WORDS, mask=padding).stage(4)[:, 2].tolist() == [0, 0, 0]


NAN = torch.full((3, 4), float("nan"))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"q": torch.zeros(2, 3, 4)}, r"q has the shape \(2, 3, 4\): give one head"),
        ({"k": torch.zeros(4)}, r"k has the shape \(4,\)"),
        ({"v": torch.zeros(3, 0)}, r"v has the shape \(3, 0\): 1 to 256 numbers"),
        ({"v": torch.zeros(3, 384)}, "not the width of the model"),
        ({"q": NAN}, "q holds NaN or infinity, first for token 0"),
        ({"k": torch.zeros(3, 5)}, "a query has 4 numbers and a key 5"),
        ({"v": torch.zeros(2, 2)}, "3 keys and 2 values"),
        ({"tokens": WORDS[:2]}, "3 queries and 3 keys do not fit 2 query and 2 key labels"),
        ({"key_tokens": names(4)}, "3 query and 4 key labels; give key_tokens"),
        ({"mask": torch.ones(3, 3)}, "mask holds float32: it must be boolean"),
        ({"mask": [[1, 0, 0]] * 3}, "mask holds int64"),
        ({"mask": torch.ones(2, 3, 3).bool()}, r"mask of shape \(2, 3, 3\) does not broadcast"),
        ({"mask": torch.ones(3, 2).bool()}, r"\(query length, key length\) = \(3, 3\)"),
    ],
)
def test_what_does_not_fit_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        qkv_data(**{"q": Q, "k": K, "v": V, "tokens": WORDS, **given})


def test_a_query_without_keys_gets_zeros_and_a_notice() -> None:
    mask = CAUSAL.clone()
    mask[0] = False
    view = QKVStepper(Q, K, V, WORDS, mask=mask)
    assert "Under the mask “the” may look at no key" in view.notice
    assert view.data.stage(4)[0].tolist() == [0, 0, 0] and view.data.stage(5)[0].tolist() == [0, 0]
    assert np.isfinite(view.data.stage(4)).all() and example().notice == ""


def test_a_long_text_is_shown_through_a_window() -> None:
    q, k, v = random_head(90, 90)
    mask = torch.ones(90, 90, dtype=torch.bool).tril()
    view = QKVStepper(q, k, v, names(90), mask=mask, start=80)
    assert view.tokens[0] == "t26" and len(view.data.q) == len(view.data.k) == 64
    assert "90 tokens: shown are 26 to 89" in view.notice
    np.testing.assert_allclose(view.data.q, q[26:])
    assert view.data.mask is not None and view.data.mask.all(1).tolist() == [False] * 63 + [True]
    with pytest.raises(ValueError, match="start must be 0 to 89, not 90"):
        QKVStepper(q, k, v, names(90), start=90)


def test_text_and_picture_are_stable_and_small() -> None:
    first, second = example(), example(step=4)
    assert repr(first) == repr(second) == "QKVStepper(3 queries x 3 keys, head_dim 4, masked)"
    assert example().picture() == first.picture() != second.picture()
    assert repr(QKVStepper(Q, K, V, WORDS)) == "QKVStepper(3 queries x 3 keys, head_dim 4)"
    assert len(module_text("qkv_stepper").encode()) <= 20_000
    q, k, v = random_head(64, 64, 128, 128)
    for step in range(6):
        big = QKVStepper(q, k, v, names(64), mask=torch.ones(64, 64).tril().bool(), step=step)
        assert len(big.picture()) <= 60_000
    assert len(big.q) + len(big.k) + len(big.v) + len(big.mask) < 500_000


def test_long_labels_are_cut_for_the_page_only() -> None:
    view = QKVStepper(Q, K, V, ["a", "b", "antidisestablishmentarianism"])
    assert view.tokens[2] == "antidisestabl…" and view.data.tokens[2].endswith("ism")


@pytest.mark.parametrize(("name", "size"), [("step", 6), ("row", 3), ("column", 3)])
def test_the_state_stays_inside(name: str, size: int) -> None:
    view = example(**{name: size - 1})
    with pytest.raises(traitlets.TraitError, match=f"{name} must be 0 to {size - 1}, not {size}"):
        setattr(view, name, size)
    assert getattr(view, name) == size - 1
    view.step, view.scaled = 2, False
    np.testing.assert_array_equal(view.shown, view.data.stage(1))


@pytest.mark.parametrize("role", ["encoder", "small_gpt2"])
def test_a_model_is_read(role: str) -> None:
    model, tokenizer = models.load(role, quiet=True)
    text = "The cat sat on the mat."
    view = QKVStepper.from_model(model, tokenizer, text, layer=1, head=3, step=4)
    inputs = tokenizer(text, return_tensors="pt")
    expected = models.attentions(model, inputs)[1][0, 3]
    np.testing.assert_allclose(view.data.stage(4), expected, atol=1e-5)
    assert (view.data.mask is None) == (role == "encoder") and view.step == 4
    heads = model.config.num_attention_heads
    with pytest.raises(ValueError, match=f"head must be 0 to {heads - 1}, not {heads}"):
        QKVStepper.from_model(model, tokenizer, text, head=heads)
    long = QKVStepper.from_model(model, tokenizer, "mat " * 100)
    assert len(long.tokens) == 64 and "the model read 0 to 63" in long.notice


def test_a_rotary_model_is_refused() -> None:
    with pytest.raises(CourseError, match="rotary"):
        QKVStepper.from_model(*models.load("causal_lm", quiet=True), "The cat")


def said(page: Any) -> str:
    return str(page.locator("[aria-live]").inner_text())


def last_number(text: str) -> float:
    return float(re.findall(r"[−\d.]+", text)[-1].replace("−", "-"))


@pytest.mark.browser
def test_the_line_says_every_step(show: Any) -> None:
    page = show(example(row=2, column=1))
    page.locator("[role=application]").focus()
    lines = []
    for _ in range(7):  # the last step holds
        lines.append(said(page))
        page.keyboard.press("]")
    assert lines == [
        'step 0, products: "<b>sat</b>" · "cat" = 2·1 + 2·1 + 0·0 + 0·0 = 4.00',
        'step 1, scores: "<b>sat</b>" · "cat" = 4.00, a sum of 4 products',
        'step 2, scaled: "<b>sat</b>" · "cat" = 4.00 / √4 = 2.00',
        'step 3, masked: "<b>sat</b>" · "cat" = 2.00',
        'step 4, weights: "<b>sat</b>" to "cat" = exp(2.00) / 11.11 = 7.39 / 11.11 = 0.67',
        'step 5, output: "<b>sat</b>" = 0.67 V("cat") + 0.24 V("<b>sat</b>") + 0.09 V("the") = '
        '(6.65, −0.21); V("cat") = (10, −4)',
        lines[5],
    ]
    for _ in range(7):
        page.keyboard.press("[")
    assert said(page) == lines[0]


@pytest.mark.browser
@pytest.mark.parametrize(("scaled", "masked"), [(True, True), (False, True), (True, False)])
def test_its_numbers_are_those_of_python(show: Any, scaled: bool, masked: bool) -> None:
    q, k, v = random_head(3, 5, 16, 3)
    mask = torch.ones(3, 5, dtype=torch.bool).tril(1)
    state = {"scaled": scaled, "masked": masked}
    view = QKVStepper(9 * q, k, v, names(3), names(5), mask, step=1, **state)
    page = show(view)
    page.locator("[role=application]").focus()
    for step, name in ((1, "scores"), (2, "scaled"), (4, "weights")):
        stage = view.data.stage(step, scaled, masked)
        for row in range(3):
            for column in range(5):
                text = said(page).removesuffix(", a sum of 16 products")
                assert f"step {step}, " in text and name in text
                assert f'"t{row}"' in text and f'"t{column}"' in text
                assert last_number(text) == pytest.approx(stage[row, column], abs=0.0051)
                page.keyboard.press("ArrowRight")
            page.keyboard.press("Home")
            page.keyboard.press("ArrowDown")
        for key in ("ArrowUp", "ArrowUp", "]", "]" if step == 2 else ""):
            if key:
                page.keyboard.press(key)


@pytest.mark.browser
def test_keys_hold_at_the_edge_and_tab_leaves(show: Any) -> None:
    page = show(example(step=1))
    page.evaluate("() => { window.heard = []; document.onkeydown = (e) => heard.push(e.key); }")
    page.locator("[role=application]").focus()
    for key in ("ArrowUp", "ArrowLeft", "d", "Shift+Enter"):
        page.keyboard.press(key)
    assert said(page).startswith('step 1, scores: "the" · "the" = 0.00')
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    assert '"the" · "<b>sat</b>"' in said(page)
    for _ in range(4):
        page.keyboard.press("ArrowDown")
    assert '"<b>sat</b>" · "<b>sat</b>" = 2.00' in said(page)
    assert page.evaluate("window.heard") == []
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('role')") != "application"


@pytest.mark.browser
def test_mouse_and_controls(show: Any) -> None:
    page = show(example(step=3, row=1, column=2))
    assert said(page) == 'step 3, masked: "cat" may not look at "<b>sat</b>": −0.50 → −∞'
    page.get_by_role("checkbox", name="mask").uncheck()
    assert said(page) == 'step 3, not masked: "cat" · "<b>sat</b>" = −0.50'
    page.get_by_role("button", name="2 ÷ √d").click()
    assert said(page).endswith("= −1.00 / √4 = −0.50")
    assert page.locator("button[aria-pressed=true]").inner_text() == "2 ÷ √d"
    page.get_by_label("divide by √4").uncheck()
    assert said(page) == 'step 2, not scaled: "cat" · "<b>sat</b>" = −1.00'
    box = page.locator("canvas").bounding_box()
    page.mouse.click(box["x"] + 110, box["y"] + box["height"] - 150)  # the last row of Q
    assert '"<b>sat</b>" · "<b>sat</b>"' in said(page)


@pytest.mark.browser
def test_no_mask_no_toggle_and_an_empty_row_in_words(show: Any) -> None:
    page = show(QKVStepper(Q, K, V, WORDS, step=3))
    assert page.get_by_role("checkbox", name="mask").count() == 0
    assert said(page) == 'step 3, not masked: "the" · "the" = 0.00'
    mask = CAUSAL & torch.tensor([False, True, True])
    page = show(QKVStepper(Q, K, V, WORDS, mask=mask, step=4))
    assert said(page) == 'step 4, weights: "the" may look at no key, all is 0'
    assert "“the” may look at no key" in page.locator(".tv-notice").inner_text()


@pytest.mark.browser
def test_large_scores_do_not_overflow(show: Any) -> None:
    page = show(QKVStepper(1000 * Q, 10 * K, V, WORDS, step=4, row=2, column=1))
    assert said(page).endswith("exp(20000.00 − 20000.00) / 1.00 = 1.00 / 1.00 = 1.00")


@pytest.mark.browser
def test_hidden_cells_are_crossed_out_and_sign_has_its_colour(show: Any) -> None:
    page = show(example(step=1))
    pixels = """(at) => Array.from(document.querySelector('canvas').getContext('2d')
      .getImageData(at[0], at[1], 38, 38).data)"""
    size = page.locator("canvas").bounding_box()
    x, y = int(size["width"]) - 30 - 3 * 38, int(size["height"]) - 134 - 3 * 38

    def cell(row: int, column: int) -> np.ndarray:
        given = page.evaluate(pixels, [x + 38 * column, y + 38 * row])
        return np.array(given).reshape(38, 38, 4)[6, 6]

    assert cell(2, 1)[1] > cell(2, 1)[0]  # 4: green
    assert cell(1, 2)[0] > cell(1, 2)[1]  # -2: purple
    page.keyboard.press("Tab")
    page.get_by_role("button", name="3 mask").click()
    assert cell(1, 2).tolist() != [247, 247, 247, 255]
    assert cell(2, 1)[1] > cell(2, 1)[0]
    row = np.array(page.evaluate(pixels, [x + 76, y + 38])).reshape(38, 38, 4)
    assert 20 < (row[3:35, 3:35, 3] > 0).sum() < 400  # two thin lines on the ground


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_are_kept(show: Any, keep_picture: Any, scheme: str) -> None:
    torch.manual_seed(0)
    sentence = "the animal did not cross the street because it was too tired"
    mask = torch.ones(12, 12, dtype=torch.bool).tril()
    view = QKVStepper(*torch.randn(3, 12, 16), sentence.split(), mask=mask, step=4, row=8, column=1)
    page = show(view, scheme)
    keep_picture(page, f"qkv-stepper-{scheme}")
    ink = page.evaluate("getComputedStyle(document.querySelector('#view div')).color")
    assert ink == {"light": "rgb(26, 26, 26)", "dark": "rgb(240, 240, 240)"}[scheme]
    assert page.evaluate("document.querySelector('.tv-view').scrollWidth") <= 970

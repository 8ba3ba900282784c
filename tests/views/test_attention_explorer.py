"""The attention explorer: its numbers without a browser, its behaviour in one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import traitlets

from course import models
from course.cache import CourseError
from course.views import AttentionExplorer, attention_data
from course.views.attention_data import explored
from course.views.base import token_labels

WORDS = ["the", "cat", "<b>sat</b>"]
Show = Callable[..., Any]


def some_weights(layers: int = 1, heads: int = 2, length: int = 3) -> torch.Tensor:
    """Weights whose layer l, head h, row i has its peak at key (l + h + i) mod length."""
    scores = torch.zeros(layers, heads, length, length)
    for layer in range(layers):
        for head in range(heads):
            for row in range(length):
                scores[layer, head, row, (layer + head + row) % length] = 2.0
    return scores.softmax(dim=-1)


def example() -> AttentionExplorer:
    """Three layers of four heads, all sent at once."""
    return AttentionExplorer(some_weights(3, 4), WORDS)


def test_logarithms_keep_small_weights_and_zeros() -> None:
    weights = torch.tensor([[0.999, 0.001, 0.0], [1e-9, 0.5, 0.499999], [0.0, 0.0, 1.0]])
    data = attention_data(weights, WORDS)
    logs = np.frombuffer(data.log_weights(0, 1), "<f2").astype(np.float32).reshape(3, 3)
    np.testing.assert_allclose(np.exp(logs), weights.numpy(), rtol=1e-2)
    assert data.weights.shape == (1, 1, 3, 3) and data.key_tokens == tuple(WORDS)


@pytest.mark.parametrize(
    ("weights", "shape"),
    [
        (torch.full((3, 4), 0.25), (1, 1, 3, 4)),
        (torch.full((2, 3, 4), 0.25), (1, 2, 3, 4)),
        (torch.full((1, 2, 3, 4), 0.25), (1, 2, 3, 4)),
        (torch.full((5, 2, 3, 4), 0.25), (5, 2, 3, 4)),
        ([torch.full((1, 2, 3, 4), 0.25)] * 5, (5, 2, 3, 4)),
        (tuple(np.full((2, 3, 4), 0.25) for _ in range(5)), (5, 2, 3, 4)),
        ([[0.25] * 4] * 3, (1, 1, 3, 4)),
        (torch.full((2, 3, 4), 0.25, dtype=torch.bfloat16, requires_grad=True), (1, 2, 3, 4)),
    ],
)
def test_data_takes_every_form_of_attention(weights: Any, shape: tuple[int, ...]) -> None:
    data = attention_data(weights, WORDS, ["a", "b", "c", "d"])
    assert data.weights.shape == shape and np.all(data.weights == 0.25)


NAN = torch.full((2, 2, 3, 3), 1 / 3)
NAN[1, 0, 2] = float("nan")


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        (torch.zeros(2, 2, 2, 3, 3), "give \\(layers, heads"),
        ([torch.zeros(2, 2, 3, 3)], "a layer has the shape \\(2, 2, 3, 3\\): give one sentence"),
        ([torch.zeros(2, 3, 3), torch.zeros(4, 3, 3)], "layers have different shapes"),
        (torch.zeros(4, 4), "\\(1, 1, 4, 4\\) do not fit 3 query and 3 key labels"),
        (torch.full((3, 3), 1.5), "between 0 and 1, but go from 1.5"),
        (torch.full((3, 3), -0.5), "between 0 and 1"),
        (NAN, "NaN or infinity, first in layer 1, head 0, query 2"),
        (torch.zeros(2, 0, 3, 3), "no heads"),
        ((None, None), "sdpa.*course.models.attentions"),
        ([], "give \\(layers"),
    ],
)
def test_data_refuses_what_is_no_attention(weights: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        attention_data(weights, WORDS)


def test_labels_are_needed() -> None:
    with pytest.raises(ValueError, match="labels are missing"):
        AttentionExplorer(some_weights())
    with pytest.raises(ValueError, match="do not fit 0 query"):
        AttentionExplorer(torch.zeros(1, 1, 0, 0), [])


def test_a_long_text_shows_a_window_and_says_so() -> None:
    weights = np.full((2, 2000, 2000), 1 / 2000, dtype=np.float32)
    weights[0, 1900, 1999] = 0.5
    labels = [f"t{i}" for i in range(2000)]
    view = AttentionExplorer(weights, labels)
    assert view.notice.startswith("2000 tokens: shown are 0 to 255; start=... chooses")
    assert view.tokens[-1] == "t255" and view.shape == [1, 2, 256, 256]
    later = AttentionExplorer(weights, labels, start=1950)
    assert later.tokens[0] == "t1744" and "1744 to 1999" in later.notice
    assert later.data.weights[0, 0, 1900 - 1744, 255] == 0.5
    with pytest.raises(ValueError, match="start must be 0 to 1999, not 2000"):
        AttentionExplorer(weights, labels, start=2000)


@pytest.mark.parametrize(("length", "held"), [(20, 144), (128, 12), (256, 1)])
def test_no_message_is_larger_than_half_a_megabyte(length: int, held: int) -> None:
    weights = np.full((12, 12, length, length), 1 / length, dtype=np.float32)
    view = AttentionExplorer(weights, ["word"] * length, layer=3, head=5)
    assert len(view.log_weights) == held * length * length * 2
    assert len(view.log_weights) + len(view.thumbs) + len(view._esm) + len(view._css) < 500_000
    first = {144: 0, 12: 36, 1: 41}[held]
    assert view.first == first
    view.layer, view.head = 7, 2
    assert view.first == {144: 0, 12: 84, 1: 86}[held]


def test_thumbnails_keep_the_largest_weight_of_each_patch() -> None:
    weights = np.zeros((1, 1, 40, 40), dtype=np.float32)
    weights[0, 0, 39, 0] = 1.0
    weights[0, 0, 3, 21] = 0.5
    thumbs = attention_data(weights, ["w"] * 40).thumbs()[0, 0]
    assert thumbs.shape == (16, 16) and thumbs[15, 0] == 255 and thumbs[1, 8] == 128
    assert np.count_nonzero(thumbs) == 2


def test_mask_temperature_and_mass_are_those_of_the_softmax() -> None:
    scores = torch.randn(6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weights = scores.softmax(-1).numpy()
    later = torch.ones(6, 6, dtype=torch.bool).triu(1)
    for causal, temperature in ((False, 1.0), (True, 1.0), (False, 0.3), (True, 2.5)):
        wanted = (scores.masked_fill(later, float("-inf")) if causal else scores) / temperature
        shown = explored(weights, causal, temperature)
        np.testing.assert_allclose(shown, wanted.softmax(-1).numpy(), atol=1e-9)
    kept = explored(np.array([[0.5, 0.1, 0.4], [0.2, 0.2, 0.6]]), mass=0.6)
    np.testing.assert_array_equal(kept, [[0.5, 0, 0.4], [0, 0, 0.6]])
    empty = explored(np.array([[0.0, 0.0], [0.0, 1.0]]), True, 0.5)
    np.testing.assert_array_equal(empty, [[0, 0], [0, 1]])


def test_state_is_checked_and_read_back() -> None:
    view = AttentionExplorer(some_weights(2, 2), WORDS, head=1, layer=1, mode="arcs")
    assert (view.layer, view.head, view.mode) == (1, 1, "arcs")
    view.row = 2
    for name, value, says in (
        ("row", 3, "row must be 0 to 2, not 3"),
        ("head", -1, "head must be 0 to 1, not -1"),
        ("layer", 2, "layer must be 0 to 1, not 2"),
        ("mode", "pie", "pie"),
        ("temperature", 0.0, "0"),
        ("kind", "cross", "kind is 'cross'"),
    ):
        with pytest.raises(traitlets.TraitError, match=says):
            setattr(view, name, value)
    assert view.row == 2
    np.testing.assert_allclose(view.weights, some_weights(2, 2)[1, 1], atol=1e-6)


@pytest.mark.parametrize("role", ["encoder", "small_gpt2"])
def test_from_a_model_and_a_sentence(role: str) -> None:
    model, tokenizer = models.load(role)
    view = AttentionExplorer.from_model(model, tokenizer, "The king went home.", head=2)
    inputs = tokenizer("The king went home.", return_tensors="pt")
    expected = models.attentions(model, inputs)
    assert view.tokens[-2:] == ["home", "."] or view.tokens[-1] in ("[SEP]", ".")
    assert view.shape[:2] == [len(expected), expected[0].size(1)]
    np.testing.assert_allclose(view.data.weights[1], expected[1][0], atol=1e-6)


def test_from_a_model_a_long_text_is_cut_before_the_model_runs() -> None:
    model, tokenizer = models.load("encoder")
    view = AttentionExplorer.from_model(model, tokenizer, "word " * 1998)
    assert view.notice.startswith("2000 tokens: the model read 0 to 255")
    assert view.shape[2:] == [256, 256]


def test_a_model_of_few_positions_reads_no_more_than_it_can() -> None:
    from transformers import GPT2Config, GPT2Model

    config = GPT2Config(vocab_size=40, n_positions=12, n_layer=1, n_head=2, n_embd=8)
    view = AttentionExplorer.from_model(GPT2Model(config), Letters(), "abcdefghijklmnopqrst")
    assert view.shape == [1, 2, 12, 12]
    assert view.notice.startswith("20 tokens: the model read 0 to 11")


def test_encoder_decoder_and_cross_attention() -> None:
    from transformers import MarianConfig, MarianMTModel

    torch.manual_seed(0)
    sizes = {"d_model": 16, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    layers = {"encoder_layers": 2, "decoder_layers": 3}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 4}
    special = {"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
    config = MarianConfig(vocab_size=20, **sizes, **layers, **heads, **special)
    view = AttentionExplorer.from_model(
        MarianMTModel(config), Letters(), "abcd", "efghij", kind="cross"
    )
    assert view.kinds == ["encoder", "decoder", "cross"]
    assert view.shape == [3, 4, 6, 4]
    assert view.tokens == ["␣", "e", "f", "g", "h", "i"] and view.key_tokens == list("abcd")
    view.layer = 2
    view.kind = "encoder"
    assert view.shape == [2, 2, 4, 4] and view.layer == 1 and view.tokens == list("abcd")
    np.testing.assert_allclose(view.data.weights.sum(-1), 1, atol=1e-5)
    with pytest.raises(ValueError, match="has a decoder beside its encoder: give `second`"):
        AttentionExplorer.from_model(MarianMTModel(config), Letters(), "abcd")


class Letters:
    """A tokenizer of letters; id 0 stands for nothing."""

    def __call__(self, text: str | None = None, pair: Any = None, **options: Any) -> dict:
        ids = torch.tensor([[ord(c) - 95 for c in options.get("text_target") or text or ""]])
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        return [self.decode([i]) for i in ids]

    def get_vocab(self) -> dict[str, int]:
        return {}

    def decode(self, ids: list[int]) -> str:
        return "".join(chr(i + 95) if i else " " for i in ids)


def test_models_that_cannot_show_their_attention_say_why() -> None:
    with pytest.raises(CourseError, match="is no transformers model"):
        AttentionExplorer.from_model(torch.nn.Linear(2, 2), Letters(), "ab")
    model, _ = models.load("small_gpt2")
    with pytest.raises(ValueError, match="the text is empty"):
        AttentionExplorer.from_model(model, Letters(), "")


def live(page: Any) -> str:
    return str(page.locator("[aria-live]").inner_text())


@pytest.mark.browser
def test_keys_move_the_focus_and_tab_leaves(show: Show) -> None:
    page, name = show(example()), "document.activeElement.getAttribute('role')"
    assert live(page) == 'layer 0, head 0: "the" looks at "the" with weight 0.79'
    page.locator("[role=application]").focus()
    for _ in range(3):  # the edge holds
        page.keyboard.press("ArrowRight")
    assert live(page) == 'layer 0, head 0: "the" looks at "<b>sat</b>" with weight 0.11'
    page.keyboard.press("ArrowDown")
    page.keyboard.press("]")
    assert live(page) == 'layer 0, head 1: "cat" looks at "<b>sat</b>" with weight 0.79'
    page.keyboard.press("PageUp")
    page.keyboard.press("[")
    page.keyboard.press("Home")
    assert live(page) == 'layer 2, head 0: "cat" looks at "the" with weight 0.79'
    assert page.locator("select").nth(0).input_value() == "2"
    assert page.evaluate(name) == "application"
    page.keyboard.press("Tab")
    assert page.evaluate(name) != "application"


@pytest.mark.browser
def test_mouse_focuses_a_cell_and_a_head(show: Show) -> None:
    page = show(example())
    box = page.locator("canvas").nth(1).bounding_box()
    page.mouse.move(box["x"] + box["width"] - 12, box["y"] + box["height"] - 12)
    assert '"<b>sat</b>" looks at "<b>sat</b>" with weight 0.79' in live(page)
    page.mouse.move(0, 0)
    assert '"the" looks at "the"' in live(page)  # hovering does not move the focus, a click does
    page.mouse.click(box["x"] + box["width"] - 12, box["y"] + box["height"] - 12)
    page.mouse.move(0, 0)
    assert '"<b>sat</b>" looks at "<b>sat</b>"' in live(page)
    thumbs = page.locator("canvas").nth(0).bounding_box()
    page.mouse.click(thumbs["x"] + 22 + 3.5 * 26, thumbs["y"] + 22 + 1.5 * 26)
    assert live(page).startswith("layer 1, head 3: ")


@pytest.mark.browser
def test_mask_temperature_and_mass_match_python(show: Show) -> None:
    scores = torch.randn(1, 1, 5, 5, generator=torch.Generator().manual_seed(3))
    view = AttentionExplorer(scores.softmax(-1), list("abcde"))
    page = show(view)
    page.locator("[role=application]").focus()
    for box, temperature, mass in ((False, 0.5, 1), (True, 1, 1), (True, 2, 0.6), (False, 1, 0.4)):
        page.locator("input[type=checkbox]").set_checked(box)
        page.locator("input[type=range]").nth(0).fill(str(temperature))
        page.locator("input[type=range]").nth(1).fill(str(mass))
        view.causal, view.temperature, view.mass = box, temperature, mass
        page.locator("[role=application]").focus()
        for row in range(5):
            for column in range(5):
                wanted = view.weights[row, column]
                said = float(live(page).rsplit(" ", 1)[1])
                assert abs(said - wanted) < 0.0061, (row, column, box, temperature, mass)
                page.keyboard.press("ArrowRight")
            page.keyboard.press("Home")
            page.keyboard.press("ArrowDown")
        for _ in range(5):
            page.keyboard.press("ArrowUp")


@pytest.mark.browser
def test_colours_are_cividis_and_arcs_are_drawn(show: Show) -> None:
    page = show(example())
    pixel = """([x, y]) => Array.from(document.querySelectorAll('canvas')[1].getContext('2d')
        .getImageData(x, y, 1, 1).data)"""
    size = page.evaluate("document.querySelectorAll('canvas')[1].width")
    red, green, blue, _ = page.evaluate(pixel, [size - 15 - 2, size - 15])  # a peak: 0.79
    assert red > 150 and green > 140 and blue < 130, "0.79 of cividis is yellowish"
    page.locator("select").nth(2).select_option("arcs")
    drawn = page.evaluate(
        """() => { const c = document.querySelectorAll('canvas')[1];
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0;
        for (let i = 0; i < d.length; i += 4) if (d[i + 2] > 120 && d[i] < 60 && d[i + 3]) n++;
        return n; }"""
    )
    assert drawn > 200, "arcs in the first head's blue"


@pytest.mark.browser
def test_other_heads_need_a_kernel_and_the_view_says_so(show: Show) -> None:
    weights = np.full((2, 2, 256, 256), 1 / 256, dtype=np.float32)
    page = show(AttentionExplorer(weights, [f"t{i}" for i in range(256)]))
    page.locator("[role=application]").focus()
    page.keyboard.press("PageDown")
    assert live(page) == "layer 1, head 0: waiting for the numbers; a kernel must be running"
    page.keyboard.press("PageUp")
    assert live(page).endswith("with weight 0.00")


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_is_followed(show: Show, keep_picture: Any, scheme: str) -> None:
    model, tokenizer = models.load("encoder")
    text = "The animal did not cross the street because it was too tired."
    view = AttentionExplorer.from_model(model, tokenizer, text, layer=2, head=3)
    page = show(view, scheme)
    keep_picture(page, f"attention_explorer-{scheme}")
    look = "getComputedStyle(document.querySelector('.tv-view'))"
    ink, ground = (page.evaluate(f"{look}.{name}") for name in ("color", "backgroundColor"))
    assert (ink, ground) == {
        "light": ("rgb(26, 26, 26)", "rgb(255, 255, 255)"),
        "dark": ("rgb(240, 240, 240)", "rgb(22, 24, 28)"),
    }[scheme]
    page.locator("select").nth(2).select_option("arcs")
    keep_picture(page, f"attention_explorer-arcs-{scheme}")


def test_labels_of_a_byte_level_tokenizer_are_text() -> None:
    """SmolLM2's vocabulary holds ``##`` too; its pieces are no WordPiece."""
    _, tokenizer = models.load("causal_lm")
    ids = tokenizer("Is it\nwell?")["input_ids"]
    assert token_labels(tokenizer, ids) == ["Is", "it", "⏎", "well", "?"]

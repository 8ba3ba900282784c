"""The masked-LM playground: its numbers without a browser, its behaviour in one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import traitlets
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

import course.models
from course.views.fillers import MOST_TOKENS, STOPS, Sentence, mask_data, sentence_of
from course.views.mask_playground import MaskPlayground

TEXT = "the cat drank a bowl of milk ."
WORDS = ["[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]", *TEXT.split(), "$x$"]


def small_tokenizer(**special: str) -> PreTrainedTokenizerFast:
    """Fourteen words between blanks, [CLS] and [SEP] around them."""
    inner = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    names = {"cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}
    return PreTrainedTokenizerFast(tokenizer_object=inner, **names, **special)


class Guesser:
    """Logits (length, 14) that depend on every id of the sentence."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    def __call__(self, ids: torch.Tensor) -> torch.Tensor:
        self.calls.append(ids[0].tolist())
        place = torch.arange(ids.size(1)).unsqueeze(1)  # (length, 1)
        word = torch.arange(len(WORDS))
        return 3 * torch.sin(1.7 * place + word * (1 + (ids[0] * (place.T + 1)).sum() % 13))


def player(text: str = TEXT, **state: Any) -> MaskPlayground:
    return MaskPlayground(Guesser(), small_tokenizer(mask_token="[MASK]"), text, **state)


def example() -> MaskPlayground:
    """A sentence of ten tokens, one of them masked."""
    return player(masked=[7], position=7)


def expected(masked: list[int], position: int, temperature: float = 1.0) -> torch.Tensor:
    """Probabilities (14,) by torch's own softmax."""
    ids = torch.tensor([small_tokenizer()(TEXT)["input_ids"]])
    ids[:, masked] = 3
    return (Guesser()(ids)[position].double() / temperature).softmax(dim=-1)


@pytest.mark.parametrize("temperature", [0.1, 0.7, 1.0, 3.0])
@pytest.mark.parametrize("masked", [[], [7], [2, 7]])
def test_fillers_are_the_softmax_over_all_words(masked: list[int], temperature: float) -> None:
    view = player(masked=masked, temperature=temperature, k=14)
    for view.position in (1, 7):
        due = expected(masked, view.position, temperature)
        found = dict(view.fillers)
        assert sum(found.values()) == pytest.approx(1, abs=1e-5)
        assert list(found.values()) == sorted(found.values(), reverse=True)
        for word, chance in found.items():
            assert chance == pytest.approx(due[WORDS.index(word)].item(), rel=1e-4, abs=1e-9)
        own = small_tokenizer()(TEXT)["input_ids"][view.position]
        assert view.own == (
            pytest.approx(due[own].item(), rel=1e-4),
            1 + int((due > due[own]).sum()),
        )


def test_what_is_sent_gives_the_same_numbers() -> None:
    view = player(masked=[7], k=14)
    rows = np.frombuffer(view.numbers, "<f4").reshape(len(view.known), 14 + len(STOPS) + 2)
    for place in range(1, 9):
        row = rows[view.known.index(f"{place}|{place}")].astype(float)
        for stop, T in enumerate(STOPS):
            due = expected([place], place, T).sort(descending=True).values
            np.testing.assert_allclose(np.exp(row[:14] / T - row[14 + stop]), due, rtol=1e-4)
    assert {f"7|{i}" for i in range(10)} | {f"|{i}" for i in range(10)} <= set(view.known)


def test_a_long_vocabulary_is_sent_as_twenty_words_and_exact_sums() -> None:
    sentence = Sentence((5, 6, 7), ("a", "b", "c"), (), ())
    logits = torch.randn(3, 5000, generator=torch.Generator().manual_seed(0)) * 4
    data = mask_data(logits, sentence)
    assert data.words.shape == (3, 20) and data.sums.shape == (3, 30)
    for T in (0.1, 1.0, 2.5):
        best, own = data.chances(1, T)
        due = (logits[1].double() / T).softmax(-1)
        np.testing.assert_allclose(best, due.topk(20).values, rtol=1e-4)
        assert own == pytest.approx(due[6].item(), rel=1e-4)


def test_infinities_are_words_that_cannot_be() -> None:
    logits = torch.zeros(3, 30)
    logits[:, :20] = -torch.inf
    best, own = mask_data(logits, Sentence((5, 6, 25), ("a", "b", "c"), (), ())).chances(1)
    assert best[0] == pytest.approx(0.1) and best[10] == 0 and own == 0


@pytest.mark.parametrize(
    ("logits", "says"),
    [
        (torch.zeros(3, 4, 30), r"shape \(3, 4, 30\) for 3 tokens, expected \(3, vocabulary\)"),
        (torch.zeros(2, 30), r"shape \(2, 30\) for 3 tokens"),
        (torch.zeros(30), r"shape \(30,\)"),
        (torch.full((3, 30), float("nan")), "NaN or infinity, first at position 0"),
        (torch.full((3, 30), float("inf")), "NaN or infinity"),
        (torch.full((3, 30), -float("inf")), "all -infinity"),
        (torch.zeros(3, 20), "logits for 20 words, but the text has the id 25"),
    ],
)
def test_logits_that_cannot_be_shown_are_named(logits: torch.Tensor, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        mask_data(logits, Sentence((5, 6, 25), ("a", "b", "c"), (), ()))


def test_texts_that_cannot_be_played_are_named() -> None:
    with pytest.raises(ValueError, match=" has no mask token: the game needs a tokenizer"):
        sentence_of(small_tokenizer(), TEXT)
    for empty in ("", "  \n "):
        with pytest.raises(ValueError, match="the text is empty: type a sentence"):
            player(empty)
    with pytest.raises(ValueError, match="failed on 10 tokens with IndexError: too much"):
        MaskPlayground(failing(IndexError("too much")), small_tokenizer(mask_token="[MASK]"), TEXT)


def failing(error: Exception) -> Callable[[Any], Any]:
    def predict(ids: Any) -> Any:
        raise error

    return predict


def test_a_long_text_is_cut_and_asked_about_once() -> None:
    guesser = Guesser()
    view = MaskPlayground(guesser, small_tokenizer(mask_token="[MASK]"), "cat " * 300)
    assert len(view.tokens) == MOST_TOKENS and view.tokens[-1] == "[SEP]"
    assert view.notice == "302 tokens, but 64 at most: the end of the text is left out"
    assert len(guesser.calls) == 1, "single masks of a long text are computed when asked for"
    view.masked = [3, 60]
    assert guesser.calls[-1][3] == guesser.calls[-1][60] == 3 and len(view.picture()) < 60_000


def test_masks_of_the_text_stay_and_unknown_words_can_be_masked() -> None:
    view = player("the dog drank [MASK] .")
    assert view.tokens[2] == "[UNK]" and view.typed == [4]
    assert view.masked == [4] and view.position == 4
    view.masked = [2]
    assert view.masked == [2, 4]


def test_state_is_kept_to_what_there_is() -> None:
    view = example()
    for name, value, says in (
        ("position", 10, "position must be 0 to 9, not 10"),
        (
            "masked",
            [0],
            r"masked holds 0, but only words can be masked: \[1, 2, 3, 4, 5, 6, 7, 8\]",
        ),
        ("masked", [12], "masked holds 12"),
        ("k", 15, "k must be 1 to 14, not 15"),
        ("temperature", 5.0, "3.0"),
        ("text", " ", "the text is empty"),
    ):
        with pytest.raises(traitlets.TraitError, match=says):
            setattr(view, name, value)
    assert (view.text, view.masked, view.position) == (TEXT, [7], 7)
    view.temperature = 0.73
    assert view.temperature == 0.7
    view.masked = [7, 2, 7]
    assert view.masked == [2, 7]


def test_a_new_text_is_read_and_a_bad_wish_changes_nothing() -> None:
    view = example()
    assert {"text", "wish", "_model_module"} <= set(view.keys), "a trait hides the widget's own"
    view.set_state({"wish": {"text": "a cat"}})  # as the page sends it
    assert view.tokens == ["[CLS]", "a", "cat", "[SEP]"] and view.wish == {} and view.notice == ""
    assert view.masked == [] and view.position == 1
    view.set_state({"position": 2, "wish": {"masked": [2]}})
    assert view.masked == [2] and "2|1" in view.known
    for bad, says in (({"text": ""}, "the text is empty"), ({"masked": [0]}, "masked holds 0")):
        before = (view.text, view.masked, view.known, view.numbers)
        view.set_state({"wish": bad})
        assert says in view.notice and view.wish == {}
        assert (view.text, view.masked, view.known, view.numbers) == before
    view._predict = lambda ids: torch.full((ids.size(1), 14), float("nan"))
    view.wish = {"text": "the bowl"}
    assert "the logits hold NaN" in view.notice and view.text == "a cat"
    with pytest.raises(traitlets.TraitError, match="NaN"):
        view.masked = [1, 2]
    assert view.masked == [2] and view.fillers


def test_a_mask_that_the_page_knows_is_followed() -> None:
    view = player()
    guesser = view._predict
    view.set_state({"position": 7, "masked": [7]})
    assert view.fillers[0][0] == view.best([7], 7) == WORDS[expected([7], 7).argmax()]
    assert guesser.calls[-1][7] == 3 and {f"7|{i}" for i in range(10)} <= set(view.known)


def test_a_model_of_the_course_is_asked_and_left_as_it_was() -> None:
    model, tokenizer = course.models.load("masked_lm")
    model.train()
    frozen = model.get_submodule(next(n for n, _ in model.named_modules() if n)).eval()
    view = MaskPlayground.from_model(model, tokenizer, "The cat drank a bowl of milk.", masked=[7])
    assert model.training and not frozen.training
    view.position = 7
    model.eval()
    inputs = tokenizer("The cat drank a bowl of [MASK].", return_tensors="pt")
    with torch.no_grad():
        due = model(**inputs).logits[0, 7].softmax(-1).topk(5)
    words = tokenizer.convert_ids_to_tokens(due.indices.tolist())
    assert view.fillers == [
        (word, pytest.approx(chance, abs=1e-3))
        for word, chance in zip(words, due.values.tolist(), strict=True)
    ]
    assert view.vocabulary == 30522 and len(view.numbers) < 20_000


def test_a_module_that_returns_plain_logits_will_do() -> None:
    embed = torch.nn.Sequential(torch.nn.Embedding(14, 8), torch.nn.Linear(8, 14))
    view = MaskPlayground.from_model(embed, small_tokenizer(mask_token="[MASK]"), TEXT)
    due = embed(torch.tensor(6))
    assert view.position == 1 and view.tokens[2] == "cat"
    view.position = 2
    assert view.own[0] == pytest.approx(due.softmax(-1)[6].item(), rel=1e-4)
    assert view.describe() == "MaskPlayground(14 words to choose from)"


def test_words_beyond_the_tokenizer_have_a_name() -> None:
    def predict(ids: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros(ids.size(1), 20)  # as embeddings that are padded to a round number
        logits[:, 17] = 9
        return logits

    view = MaskPlayground(predict, small_tokenizer(mask_token="[MASK]"), TEXT)
    assert view.fillers[0][0] == "(id 17)"


def spoken(page: Any) -> str:
    return page.locator("[aria-live]").inner_text()


def boxes(page: Any) -> list[str]:
    return page.locator("[data-place] > :first-child").all_inner_texts()


def say(masked: list[int], place: int, T: float = 1.0) -> str:
    """The line for a masked word, from torch's softmax."""
    due = expected(masked, place, T)
    own = small_tokenizer()(TEXT)["input_ids"][place]
    return (
        f'position {place}, masked: best guess "{WORDS[due.argmax()]}" {due.max():.3f}; '
        f'"{WORDS[own]}" is number {1 + int((due > due[own]).sum())} with {due[own]:.3f}'
    )


@pytest.mark.browser
def test_keys_move_mask_and_hold_at_the_edge(show: Any, keep_picture: Any) -> None:
    page = show(example())
    keep_picture(page, "mask_playground-light")
    keep_picture(show(example(), "dark"), "mask_playground-dark")
    assert boxes(page) == ["[CLS]", *TEXT.split()[:6], "[MASK]", ".", "[SEP]"]
    assert spoken(page) == say([7], 7)
    page.locator("[role=application]").focus()
    for key in ("Enter", "ArrowLeft", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    assert spoken(page) == say([5], 5) and boxes(page)[7] == "milk"
    for key in (" ", "End", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    assert spoken(page) == 'position 9, "[SEP]": it cannot be masked' and "[MASK]" not in boxes(
        page
    )
    for key in ("Home", "ArrowLeft"):
        page.keyboard.press(key)
    assert spoken(page) == 'position 0, "[CLS]": it cannot be masked'
    page.keyboard.press("ArrowRight")
    plain, alone = expected([], 1), expected([1], 1)
    better, better_alone = (plain > plain[5]).sum(), (alone > alone[5]).sum()
    assert spoken(page) == (
        f'position 1, "the", which the model reads: it is number {1 + better} with '
        f"{plain[5]:.3f} here; masked it would be number {1 + better_alone} with {alone[5]:.3f}"
    )
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('role')") != "application"


@pytest.mark.browser
def test_the_table_is_right_at_every_temperature(show: Any) -> None:
    view = example()
    for view.temperature, view.k in ((0.3, 3), (1.0, 5), (2.4, 13)):
        page = show(view)
        due = expected([7], 7, view.temperature).sort(descending=True)
        cells = page.locator("tbody tr").all_inner_texts()
        for row, chance, word in zip(cells[:-1], due.values, due.indices, strict=False):
            shown = f"{chance:.3f}" if chance >= 0.0005 else "<0.001"
            assert row.split()[1:] == [WORDS[word], shown]
        others = max(0.0, 1 - due.values[: view.k].sum().item())
        shown = f"{others:.3f}" if others >= 0.0005 else "<0.001"
        assert cells[-1].split() == [str(14 - view.k), "others", shown]
        assert len(cells) == view.k + 1
    page.locator("input[type=range]").fill("0.5")
    assert spoken(page) == say([7], 7, 0.5)
    page.locator("[role=application]").focus()
    page.keyboard.press("PageDown")
    assert page.locator("tbody tr").count() == 13  # twelve words and the others
    page.locator("input[type=number]").fill("99")
    page.keyboard.press("Enter")
    assert page.locator("input[type=number]").input_value() == "14"
    page.keyboard.press("Tab")


@pytest.mark.browser
def test_mouse_masks_and_what_needs_a_kernel_says_so(show: Any) -> None:
    page = show(player(masked=[2, 7], position=7))
    page.locator("[role=application]").focus()
    page.keyboard.press("[")
    assert spoken(page) == say([2, 7], 2)
    page.keyboard.press("[")
    assert spoken(page) == say([2, 7], 7), "the brackets go round"
    page.locator("[data-place='2']").click()
    assert boxes(page)[2] == "cat" and "no numbers; a kernel must be running" in spoken(page)
    page.locator("[data-place='5']").click()
    assert spoken(page) == "waiting for the model; a kernel must be running"
    assert boxes(page)[5] == "bowl" and boxes(page)[7] == "[MASK]"
    page.locator("[data-place='7']").click()
    assert "[MASK]" not in boxes(page)
    page.locator("[data-place='5']").click()
    assert spoken(page) == say([5], 5)
    page.locator("input[type=text]").fill("a cat")
    page.keyboard.press("Enter")
    assert spoken(page) == "waiting for the model; a kernel must be running"


@pytest.mark.browser
def test_a_mask_of_the_text_stays(show: Any) -> None:
    page = show(player("the dog drank [MASK] ."))
    before = spoken(page)
    page.locator("[data-place='4']").click()
    assert boxes(page)[4] == "[MASK]" and spoken(page) == before
    assert before.startswith("position 4, masked: best guess ") and "number" not in before


@pytest.mark.browser
def test_lines_are_walked_and_tokens_are_text(show: Any) -> None:
    page = show(player(" ".join(["the cat <b>drank</b> $x$"] * 15)))
    assert page.locator("#view b").count() == 0 and boxes(page)[4] == "$x$"
    page.locator("[role=application]").focus()
    page.keyboard.press("ArrowDown")
    below = int(spoken(page).split(",")[0].split()[1])
    top, lower = (page.locator(f"[data-place='{i}']").bounding_box() for i in (1, below))
    assert below > 5 and lower["y"] > top["y"] and abs(lower["x"] - top["x"]) < 60
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert spoken(page).startswith("position ") and int(spoken(page).split(",")[0].split()[1]) < 5

"""The pooling map: its numbers without a browser, its behaviour in one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import traitlets
from torch.nn.functional import cosine_similarity

import course.models
from course.views.pooling_map import (
    MOST_SENTENCES,
    POOLS,
    PoolingMap,
    neighbours,
    pooling_data,
    projected,
)

LABELS = ["plant", "animal", "plant", "food", "animal", "food", "plant", "animal"]
TEXTS = [f"sentence <b>{name}</b> {i} $x$" for i, name in enumerate(LABELS)]


def states(count: int = 8, left: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Hidden states (count, 6, 5), their mask (count, 6) with 2 to 6 tokens, padding set apart."""
    draw = torch.Generator().manual_seed(3)
    hidden = torch.randn(count, 6, 5, generator=draw)
    length = 2 + torch.arange(count) % 5
    place = torch.arange(6).flip(0) if left else torch.arange(6)
    mask = (place < length.unsqueeze(1)).long()
    return hidden + 4 * (mask == 0).unsqueeze(-1), mask


def example() -> PoolingMap:
    """Eight sentences of three classes."""
    return PoolingMap(*states(), TEXTS, LABELS, k=3)


def by_hand(hidden: torch.Tensor, mask: torch.Tensor, pool: str, masked: bool) -> torch.Tensor:
    """The pooled vectors (sentences, dim), a sentence at a time."""
    rows = []
    for states_of_one, keep in zip(hidden, mask, strict=True):
        kept = states_of_one[keep == 1] if masked else states_of_one
        way = {"first": kept[0], "mean": kept.mean(dim=0), "max": kept.max(dim=0).values}
        rows.append(way[pool])
    return torch.stack(rows)


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("pool", POOLS)
def test_all_variants_against_a_sentence_at_a_time(pool: str, masked: bool, left: bool) -> None:
    hidden, mask = states(left=left)
    view = PoolingMap(hidden, mask, TEXTS, LABELS, pool=pool, padding_mask=masked, k=7)
    vectors = by_hand(hidden, mask, pool, masked).double()
    points = torch.tensor(view.data.points[view.variant])
    _, sizes, _ = torch.linalg.svd(vectors - vectors.mean(dim=0))
    np.testing.assert_allclose(points.norm(dim=0), sizes[:2], rtol=1e-4)
    _, _, v = torch.pca_lowrank(vectors, q=5, niter=20)
    np.testing.assert_allclose(
        points.abs(), ((vectors - vectors.mean(dim=0)) @ v[:, :2]).abs(), atol=1e-3
    )
    np.testing.assert_allclose(
        view.data.explained[view.variant], (sizes**2 / (sizes**2).sum())[:2], rtol=1e-4
    )
    alike = cosine_similarity(vectors.unsqueeze(1), vectors.unsqueeze(0), dim=-1)
    for view.sentence in range(8):
        others = [i for i in range(8) if i != view.sentence]
        due = sorted(others, key=lambda i: -alike[view.sentence, i])
        assert [place for place, _ in view.neighbours] == due
        for place, similarity in view.neighbours:
            assert similarity == pytest.approx(alike[view.sentence, place].item(), abs=1e-5)


def test_counts_are_those_of_the_nearest_neighbours() -> None:
    data = example().data
    for pool in range(3):
        nearest = data.nearest[pool, :, :, 0]
        same = [LABELS[j] == LABELS[i] for i, j in enumerate(nearest[1])]
        assert data.same_class(pool, 1) == sum(same)
        assert data.moved(pool) == sum(a != b for a, b in zip(*nearest, strict=True))
    assert data.moved(0) == 0, "with padding on the right the first vector never changes"
    assert data.lengths == (2, 3, 4, 5, 6, 2, 3, 4) and data.classes == ("plant", "animal", "food")


def test_signs_are_fixed_and_flat_clouds_are_maps_too() -> None:
    vectors = np.random.default_rng(0).normal(size=(6, 4))
    points, _ = projected(vectors)
    mirrored, _ = projected(-vectors)
    np.testing.assert_allclose(points, -mirrored, atol=1e-9)
    same, shares = projected(np.ones((4, 3)))
    assert not same.any() and not shares.any()
    line, shares = projected(np.array([[0.0], [1.0], [3.0]]))
    assert shares[0] == pytest.approx(1) and not line[:, 1].any()


def test_equals_come_in_order_and_zeros_are_like_nothing() -> None:
    order, alike = neighbours(np.array([[1.0, 0], [2, 0], [3, 0], [0, 0]]))
    assert order[2].tolist() == [0, 1, 3] and alike[2].tolist() == [1, 1, 0]
    assert order[3].tolist() == [0, 1, 2] and not alike[3].any()


def changed(**parts: Any) -> tuple[Any, ...]:
    hidden, mask = states()
    given = {"hidden": hidden, "mask": mask, "texts": TEXTS, "labels": LABELS, **parts}
    return given["hidden"], given["mask"], given["texts"], given["labels"]


def with_value(tensor: torch.Tensor, place: tuple[int, ...], value: float) -> torch.Tensor:
    tensor = tensor.clone()
    tensor[place] = value
    return tensor


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"hidden": torch.zeros(8, 5)}, r"shape \(8, 5\) and a mask of shape \(8, 6\) do not fit"),
        ({"mask": torch.ones(8, 5)}, "do not fit: give"),
        (
            {"mask": with_value(states()[1], (3,), 0)},
            "mask of sentence 3 .'sentence <b>food.* zeros",
        ),
        ({"mask": states()[1] * 2}, "0 and 1 only .* from 0 to 2"),
        (
            {"hidden": with_value(states()[0], (4, 1, 2), float("nan"))},
            "first in sentence 4, position 1$",
        ),
        (
            {"hidden": with_value(states()[0], (0, 5, 0), float("inf"))},
            "first in sentence 0, position 5, which is padding",
        ),
        ({"texts": TEXTS[:7]}, "8 sentences in the hidden states, but 7 texts and 8 labels"),
        ({"labels": LABELS[:5]}, "8 texts and 5 labels"),
    ],
)
def test_what_cannot_be_a_map_is_named(parts: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        pooling_data(*changed(**parts))


def test_too_few_and_too_many() -> None:
    with pytest.raises(ValueError, match="2 sentences: a map of two directions needs three"):
        PoolingMap(*states(2), TEXTS[:2])
    view = PoolingMap(*states(3), TEXTS[:3])
    assert view.k == 2 and view.describe() == "PoolingMap(3 sentences)" and view.picture()
    with pytest.raises(ValueError, match="20 classes, but 16 at most"):
        PoolingMap(*states(20), ["x"] * 20, range(20))
    many = PoolingMap(
        *states(400), [f"{i} " * 500 for i in range(400)], [i % 9 for i in range(400)]
    )
    assert len(many.texts) == MOST_SENTENCES == many.shape[0]
    assert many.notice == "400 sentences: shown are the first 300"
    sent = sum(len(getattr(many, n)) for n in ("points", "explained", "nearest", "alike"))
    assert sent + sum(map(len, many.texts)) < 400_000 and len(many.picture()) <= 60_000


def test_numbers_as_labels_come_in_order() -> None:
    view = PoolingMap(*states(), TEXTS, torch.tensor([2, 0, 1, 2, 0, 1, 2, 0]))
    assert view.classes == ["0", "1", "2"] and view.labels == [2, 0, 1, 2, 0, 1, 2, 0]


def test_state_is_kept_to_what_there_is() -> None:
    view = example()
    for name, value, says in (
        ("sentence", 8, "sentence must be 0 to 7, not 8"),
        ("k", 8, "k must be 1 to 7, not 8"),
        ("k", 0, "k must be 1 to 7, not 0"),
        ("pool", "last", "'first', 'mean', 'max'"),
    ):
        with pytest.raises(traitlets.TraitError, match=says):
            setattr(view, name, value)


GLOSSES = [
    "a small dog",
    "a building where goods and merchandise are stored",
    "red wine",
    "a tall old oak",
]


@pytest.mark.parametrize("side", ["right", "left"])
def test_an_encoder_of_the_course_gives_the_vectors_of_single_sentences(side: str) -> None:
    model, tokenizer = course.models.load("encoder")
    before, tokenizer.padding_side = tokenizer.padding_side, side
    model.train()
    try:
        view = PoolingMap.from_model(model, tokenizer, GLOSSES, batch_size=3, k=3)
    finally:
        tokenizer.padding_side = before
    assert model.training
    model.eval()
    vectors = []
    for text in GLOSSES:  # one at a time: nothing is padded
        with torch.no_grad():
            hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        vectors.append({"first": hidden[0], "mean": hidden.mean(0), "max": hidden.max(0).values})
    for view.pool in POOLS:
        mine = torch.stack([v[view.pool] for v in vectors])
        alike = cosine_similarity(mine[:1], mine, dim=-1)
        for place, similarity in view.neighbours:
            assert similarity == pytest.approx(alike[place].item(), abs=1e-3)
    first_moves = (view.data.alike[0, 0] != view.data.alike[0, 1]).any()
    assert first_moves == (side == "left"), "position 0 is padding only on the left"
    assert view.lengths == [5, 10, 4, 6]


def test_a_tokenizer_without_padding_and_an_empty_text_are_named() -> None:
    decoder, tokenizer = course.models.load("small_gpt2")
    view = PoolingMap.from_model(decoder, tokenizer, GLOSSES)
    assert view.lengths == [len(tokenizer(text)["input_ids"]) for text in GLOSSES]
    with pytest.raises(ValueError, match=r"sentence 1 .''. has no tokens: leave it out"):
        PoolingMap.from_model(decoder, tokenizer, ["a", "", "b"])
    with pytest.raises(ValueError, match="2 sentences: a map"):
        PoolingMap.from_model(decoder, tokenizer, ["a", "b"])
    before, tokenizer.pad_token = tokenizer.pad_token, None
    try:
        with pytest.raises(
            ValueError, match=r"no padding token: tokenizer.pad_token = tokenizer.eos"
        ):
            PoolingMap.from_model(decoder, tokenizer, GLOSSES)
    finally:
        tokenizer.pad_token = before


def spoken(page: Any) -> str:
    return page.locator("[aria-live]").inner_text()


def line(view: PoolingMap) -> str:
    """What the view must say, from Python's numbers."""
    i = view.sentence
    (j, alike), *_ = view.neighbours
    return (
        f'sentence {i}, "{TEXTS[i]}", {LABELS[i]}: nearest is "{TEXTS[j]}", {LABELS[j]}, '
        f"similarity {alike:.3f}"
    )


def pixels(view: PoolingMap) -> np.ndarray:
    """Where the module draws the points (sentences, 2), in CSS pixels of the canvas."""
    points = view.data.points[view.variant]
    low, high = points.min(axis=0), points.max(axis=0)
    scale = 0.97 * min((np.array([540, 400]) - 52) / (high - low))
    return np.array([270, 200]) + scale * (points - (low + high) / 2) * [1, -1]


@pytest.mark.browser
def test_keys_walk_and_hold_at_the_edge(show: Any, keep_picture: Any) -> None:
    view = example()
    page = show(view)
    keep_picture(page, "pooling_map-light")
    keep_picture(show(view, "dark"), "pooling_map-dark")
    assert spoken(page) == line(view)
    page.locator("[role=application]").focus()
    for key, step in (("]", 1), ("]", 2), ("[", 1), ("[", 0), ("[", 7), ("]", 0)):
        page.keyboard.press(key)
        view.sentence = step
        assert spoken(page) == line(view)
    places = pixels(view)
    for key, axis, sign in (
        ("ArrowRight", 0, 1), ("ArrowLeft", 0, -1), ("ArrowDown", 1, 1), ("ArrowUp", 1, -1),
    ):  # fmt: skip
        for _ in range(9):
            page.keyboard.press(key)
        view.sentence = int((sign * places[:, axis]).argmax())
        assert spoken(page) == line(view), f"{key} ends at the outermost point"
    for key, pool in (("PageDown", "max"), ("PageDown", "first"), ("PageUp", "max")):
        page.keyboard.press(key)
        view.pool = pool
        assert spoken(page) == line(view) and page.locator("select").input_value() == pool
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('role')") != "application"


@pytest.mark.browser
def test_an_arrow_goes_to_the_nearest_point_on_its_side(show: Any) -> None:
    view = example()
    page, places = show(view), pixels(view)
    keys = {"ArrowRight": (1, 0), "ArrowLeft": (-1, 0), "ArrowDown": (0, 1), "ArrowUp": (0, -1)}
    for start in range(8):
        for key, way in keys.items():
            x, y = places[start]
            page.locator("[role=application]").click(position={"x": x, "y": y})
            page.keyboard.press(key)
            off = places - places[start]
            along, aside = off @ way, np.abs(off @ way[::-1])
            far = np.where(along > 0.5, along + 2 * aside, np.inf)
            view.sentence = start if np.isinf(far).all() else int(far.argmin())
            assert spoken(page) == line(view), (start, key)


@pytest.mark.browser
def test_mouse_and_controls_show_all_variants(show: Any) -> None:
    view = example()
    page = show(view)
    canvas = page.locator("canvas[role=application]")
    for i, (x, y) in enumerate(pixels(view).tolist()):
        canvas.click(position={"x": x, "y": y})
        view.sentence = i
        assert spoken(page) == line(view)
    for view.pool in POOLS:
        page.locator("select").select_option(view.pool)
        for view.padding_mask in (True, False):
            page.locator("input[type=checkbox]").set_checked(view.padding_mask)
            assert spoken(page) == line(view)
            same = view.data.same_class(*view.variant)
            text = page.locator("#view").inner_text()
            assert f"Nearest neighbour of the same class: {same} of 8 sentences" in text
            moved = f"than with the mask: {view.data.moved(view.variant[0])} of 8"
            assert (moved in text) != view.padding_mask
            rows = page.locator("tbody tr").all_inner_texts()
            assert len(rows) == 4 and TEXTS[view.sentence] in rows[0]
            for row, (place, alike) in zip(rows[1:], view.neighbours, strict=True):
                assert TEXTS[place] in row and f"{alike:.3f}" in row and LABELS[place] in row
    page.locator("input[type=number]").fill("50")
    page.keyboard.press("Tab")
    assert page.locator("tbody tr").count() == 8


@pytest.mark.browser
def test_the_state_from_python_is_what_is_shown(show: Any) -> None:
    view = example()
    view.pool, view.padding_mask, view.sentence, view.k = "max", False, 5, 2
    page = show(view)
    assert spoken(page) == line(view) and page.locator("tbody tr").count() == 3
    assert page.locator("select").input_value() == "max"
    assert not page.locator("input[type=checkbox]").is_checked()
    bare = show(PoolingMap(*states(), TEXTS))
    assert "class" not in bare.locator("#view").inner_text()


@pytest.mark.browser
def test_points_have_the_colour_of_their_class(show: Any) -> None:
    view = example()
    page = show(view)
    pen = "document.querySelector('canvas').getContext('2d')"
    read = f"(at) => [...{pen}.getImageData(...at, 1, 1).data]"
    free = [i for i in range(8) if _apart(pixels(view), i)]
    assert len(free) > 2
    for i in free:
        x, y = pixels(view)[i]
        red, green, blue, _ = page.evaluate(read, [round(x), round(y)])
        due = ("#0072b2", "#e69f00", "#009e73")[view.labels[i]]
        assert f"#{red:02x}{green:02x}{blue:02x}" == due


def _apart(places: np.ndarray, i: int) -> bool:
    far = np.linalg.norm(places - places[i], axis=1)
    return bool((np.delete(far, i) > 30).all())

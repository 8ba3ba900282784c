"""The rules that every view keeps."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from IPython.utils.capture import capture_output

from course import views
from course.views import View
from course.views.base import LIVE
from tests.views.examples import MODULES, example

each = pytest.mark.parametrize("name", MODULES)
LETTERS = ("d", "d", "x", "a", "b", "m", "y", "0", "ArrowDown", "Enter", "Shift+Enter")


@each
def test_text_and_picture_are_stable_and_small(name: str) -> None:
    first, second = example(name), example(name)
    assert repr(first) == repr(second) == first.label
    assert repr(first).startswith(f"{type(first).__name__}(") and "\n" not in repr(first)
    assert first.model_id not in repr(first) and "0x" not in repr(first)
    assert first.picture() == second.picture()
    assert first.picture().startswith(b"\x89PNG") and len(first.picture()) <= 60_000
    assert type(first).__name__ in views.__all__


@each
def test_module_is_small_and_asks_nobody(name: str) -> None:
    module = str(example(name)._esm)
    assert len(module.encode()) <= 20_000
    for foreign in ("http:", "https:", "import(", "\nimport ", "fetch(", "eval("):
        assert foreign not in module


@each
def test_a_cell_shows_the_picture_and_then_the_widget(name: str, kernel: None) -> None:
    view = example(name)
    with capture_output() as shown:
        view._ipython_display_()
    still, live = (output.data for output in shown.outputs)
    assert set(still) == {"text/plain", "image/png"} and set(live) == {LIVE}
    assert still["text/plain"] == repr(view) and live[LIVE]["model_id"] == view.model_id
    assert base64.b64decode(still["image/png"]) == view.picture()
    assert shown.outputs[0].metadata["image/png"]["alt"] == repr(view)


@pytest.fixture
def kernel() -> Any:
    """An IPython shell, as display needs one."""
    from IPython.core.interactiveshell import InteractiveShell

    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


@pytest.mark.browser
@each
def test_letters_stay_inside(name: str, show: Callable[..., Any]) -> None:
    page = show(example(name))
    page.evaluate("() => { window.heard = []; document.onkeydown = (e) => heard.push(e.key); }")
    page.locator("[role=application]").first.focus()
    for key in LETTERS:
        page.keyboard.press(key)
    assert page.evaluate("window.heard.filter((key) => key !== 'Shift')") == []
    page.keyboard.press("Escape")
    assert page.evaluate("window.heard.at(-1)") == "Escape"
    for _ in range(12):  # Tab leaves in the end, wherever it was
        page.keyboard.press("Tab")
        if not page.evaluate("document.querySelector('#view').contains(document.activeElement)"):
            break
    else:
        pytest.fail("Tab never leaves the view")


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@each
def test_everybody_can_use_it(
    name: str, scheme: str, show: Callable[..., Any], keep_picture: Any
) -> None:
    view = example(name)
    page = show(view, scheme)
    keep_picture(page, f"example-{name}-{scheme}")
    found = Axe().run(page).response["violations"]
    grave = [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in GRAVE]
    assert grave == []
    assert page.locator("[aria-live]").first.inner_text().strip()
    assert page.locator(f'[role=group][aria-label="{view.label}"]').count() == 1
    small = page.evaluate(
        """() => [...document.querySelectorAll('#view *')].filter((e) => e.childNodes.length &&
        [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) &&
        parseFloat(getComputedStyle(e).fontSize) < 11).map((e) => e.textContent)"""
    )
    assert small == []


GRAVE = ("critical", "serious")


def test_every_view_of_the_package_has_an_example() -> None:
    widgets = {
        name
        for name, value in vars(views).items()
        if isinstance(value, type) and issubclass(value, View) and value is not View
    }
    assert widgets == {type(example(name)).__name__ for name in MODULES}

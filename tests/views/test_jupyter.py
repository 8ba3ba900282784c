"""Every view in a real JupyterLab, in Notebook 7 and on a page of nbconvert, all offline."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from nbconvert import HTMLExporter

from course.syllabus import exercises
from scripts.publish import published, unfit
from tests.views.examples import MODULES
from tests.views.lab import Session, lab, notebook
from tests.views.test_rules import GRAVE

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(180)]

SESSIONS = 18
SHOWN = len(MODULES)
CELLS = [
    "from tests.views.examples import MODULES, example",
    "shown = {name: example(name) for name in MODULES}",
    *(f"shown[{name!r}]" for name in MODULES),
]
FIRST_VIEW = 3  # its cell; the setting of sys.path comes before
ALIVE = ".tv-view[data-painted]"
COUNT = f"() => document.querySelectorAll('{ALIVE}').length === {SHOWN}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lab")
    notebook(folder / "views.ipynb", *CELLS)
    return folder


@pytest.fixture(scope="module")
def address(place: Path, browser: Any) -> Iterator[str]:
    with lab(place) as served:
        yield served


@pytest.fixture
def session(address: str, browser: Any) -> Iterator[Session]:
    opened = Session(browser, address)
    yield opened
    opened.close()
    assert opened.outside == [] and opened.errors == []


def run_all(session: Session, name: str = "views.ipynb") -> Any:
    """Open a notebook and run it; gives the page when every view has been painted."""
    page = session.open(name)
    session.command("notebook:run-all-cells")
    # Lab draws the cells that are in sight: a viewport as tall as the notebook has them all.
    page.set_viewport_size({"width": 1300, "height": 6000})
    page.wait_for_function(COUNT, timeout=90_000)
    return page


@pytest.mark.timeout(900)
def test_every_view_paints_at_first_run_in_eighteen_fresh_sessions(
    address: str, browser: Any
) -> None:
    painted = []
    for _ in range(SESSIONS):
        session = Session(browser, address)
        page = run_all(session)
        painted.append(page.locator(ALIVE).count())
        for canvas in page.locator(f"{ALIVE} canvas:visible").all():
            drawn = (
                "c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size"
            )
            assert canvas.evaluate(drawn) > 3, "a canvas is blank"
        assert session.outside == [] and session.errors == []
        session.close()
    assert painted == [SHOWN] * SESSIONS


def test_the_picture_hides_while_the_widget_lives(session: Session) -> None:
    page = run_all(session)
    page.wait_for_function(f"() => !{SOME_PICTURE}")
    assert page.locator(".jp-RenderedImage").count() == SHOWN
    session.run(2, "for view in shown.values(): view.close()")
    page.wait_for_function(f"() => {SOME_PICTURE}")


SOME_PICTURE = (
    "[...document.querySelectorAll('.jp-RenderedImage')].some((e) => e.checkVisibility())"
)


def test_state_goes_both_ways(session: Session) -> None:
    page = run_all(session)
    view = page.locator(ALIVE).first
    view.locator("[role=application]").focus()
    for key in ("ArrowRight", "ArrowDown", "]", "PageDown"):
        page.keyboard.press(key)
    ask = "v = shown['attention_explorer']; print(v.row, v.column, v.head, v.layer)"
    until = time.monotonic() + 20  # quick keys are gathered into few messages
    while session.run(1, ask) != "1 1 1 1\n" and time.monotonic() < until:
        time.sleep(0.2)
    assert session.run(1, ask) == "1 1 1 1\n"
    session.run(1, "v.head, v.layer, v.row, v.mode = 3, 2, 0, 'arcs'")
    expected = 'layer 2, head 3: "the" looks at "cat"'
    page.wait_for_function(
        f"() => document.querySelector('{ALIVE} [aria-live]').innerText.startsWith('{expected}')"
    )
    assert view.locator("select").nth(2).input_value() == "arcs"


def test_no_key_reaches_the_notebook(session: Session) -> None:
    page = run_all(session)
    count = "window.jupyterapp.shell.currentWidget.content.widgets.length"
    kinds = "window.jupyterapp.shell.currentWidget.content.widgets.map((c) => c.model.type).join()"
    before = page.evaluate(count), page.evaluate(kinds)
    for place in page.locator(f"{ALIVE} [role=application]").all():
        place.focus()
        for key in ("d", "d", "x", "a", "b", "m", "y", "r", "z", "0", "0", "ArrowDown", "Enter"):
            page.keyboard.press(key)
        assert (page.evaluate(count), page.evaluate(kinds)) == before


def test_a_layer_that_was_not_sent_comes_from_the_kernel(
    address: str, browser: Any, place: Path
) -> None:
    notebook(
        place / "large.ipynb",
        "import numpy as np\nfrom course.views import AttentionExplorer",
        "a = np.zeros((12, 12, 128, 128)); a[:] = np.eye(128)\n"
        "a[7] = 0; a[7, :, :, 5] = 1\n"
        "AttentionExplorer(a, [f't{i}' for i in range(128)])",
    )
    session = Session(browser, address)
    page = session.open("large.ipynb")
    session.command("notebook:run-all-cells")
    page.wait_for_selector(ALIVE)
    said = f"document.querySelector('{ALIVE} [aria-live]').innerText"
    assert page.evaluate(said) == 'layer 0, head 0: "t0" looks at "t0" with weight 1.00'
    page.locator(f"{ALIVE} select").first.select_option("7")
    expected = 'layer 7, head 0: "t0" looks at "t0" with weight 0.00'
    page.wait_for_function(f"() => {said} === '{expected}'")
    session.close()
    assert session.outside == [] and session.errors == []


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_themes_and_accessibility_in_lab(session: Session, theme: str, keep_picture: Any) -> None:
    page = run_all(session)
    session.command("apputils:change-theme", theme=theme)
    dark = theme.endswith("Dark")
    page.wait_for_function(
        "(dark) => document.body.dataset.jpThemeLight === String(!dark) && "
        "!document.querySelector('#jupyterlab-splash')?.checkVisibility()",
        arg=dark,
    )
    roots = page.locator(ALIVE)
    grounds = {r.evaluate("e => getComputedStyle(e).backgroundColor") for r in roots.all()}
    assert grounds == {"rgb(22, 24, 28)" if dark else "rgb(255, 255, 255)"}
    found = Axe().run(page, {"include": [[".tv-view"]]}).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in GRAVE] == []
    keep_picture(page, f"jupyterlab-{'dark' if dark else 'light'}")


def test_notebook_7(address: str, browser: Any, keep_picture: Any) -> None:
    session = Session(browser, address, app="notebook")
    page = run_all(session)
    view = page.locator(ALIVE).first
    view.locator("[role=application]").focus()
    page.keyboard.press("ArrowDown")
    assert '"cat" looks at' in view.locator("[aria-live]").inner_text()
    keep_picture(page, "notebook-7")
    session.close()
    assert session.outside == [] and session.errors == []


@pytest.fixture(scope="module")
def saved(address: str, browser: Any, place: Path) -> Path:
    """The notebook as Lab saved it after a run, and as ``make publish`` leaves it."""
    shutil.copy(place / "views.ipynb", place / "saved.ipynb")
    session = Session(browser, address)
    run_all(session, "saved.ipynb")
    session.command("docmanager:save")
    session.page.wait_for_function("!window.jupyterapp.shell.currentWidget.context.model.dirty")
    session.close()
    made = nbformat.read(place / "saved.ipynb", as_version=4)
    assert "widgets" not in made.metadata
    assert len([line for line in unfit(made) if "live widget" in line]) == SHOWN
    nbformat.write(published(made), place / "published.ipynb")
    assert list(unfit(nbformat.read(place / "published.ipynb", as_version=4))) == []
    return place / "published.ipynb"


@pytest.mark.parametrize("trusted", [True, False])
def test_a_published_notebook_shows_pictures_without_a_kernel(
    saved: Path, session: Session, trusted: bool
) -> None:
    page = session.open(saved.name, kernel=False)
    if trusted:
        page.wait_for_function(IDLE_OR_NOT)
        session.command("notebook:trust")
        button = page.locator(".jp-Dialog .jp-mod-accept")
        button.wait_for()
        button.click()
    page.set_viewport_size({"width": 1300, "height": 6000})
    page.wait_for_function(
        f"() => document.querySelectorAll('.jp-RenderedImage img').length === {SHOWN}"
    )
    assert all(
        i.evaluate("i => i.naturalWidth") > 200 for i in page.locator(".jp-RenderedImage img").all()
    )
    assert page.get_by_text("Error displaying widget").count() == 0
    assert page.get_by_text("Loading widget").count() == 0


IDLE_OR_NOT = "() => window.jupyterapp?.shell.currentWidget?.context?.isReady"


@pytest.mark.parametrize("script", [True, False])
def test_pages_of_nbconvert_show_pictures(saved: Path, browser: Any, script: bool) -> None:
    body, _ = HTMLExporter().from_filename(str(saved))
    page = saved.with_name("page.html")
    page.write_text(body, "utf-8")
    context = browser.new_context(java_script_enabled=script, offline=True)
    opened = context.new_page()
    opened.goto(page.as_uri())
    pictures = opened.locator(".jp-RenderedImage img, .output_png img, img")
    boxes = [picture.bounding_box() for picture in pictures.all()]
    assert len(boxes) == SHOWN and all(box and box["width"] > 200 for box in boxes)
    context.close()


@pytest.mark.parametrize("lesson", [e.lesson for e in exercises().values()], ids=lambda p: p.stem)
def test_lessons_are_fit_to_be_published(lesson: Path) -> None:
    assert list(unfit(nbformat.read(lesson, as_version=4))) == []

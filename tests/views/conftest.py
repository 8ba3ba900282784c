"""A page that shows a view without kernel and network."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from course.views import View

ARTEFACTS = Path(__file__).parents[2] / "test-artefacts" / "views"


@pytest.fixture
def show(browser: Any) -> Iterator[Callable[..., Any]]:
    """show(view, scheme="light") opens a page; a request to anywhere or an error fails the test."""
    pages: list[Any] = []
    problems: list[str] = []

    def opened(view: View, scheme: str = "light") -> Any:
        page = browser.new_page(viewport={"width": 1000, "height": 800}, color_scheme=scheme)
        pages.append(page)
        page.on("request", lambda r: r.url.startswith("http") and problems.append(r.url))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.set_content(view.to_html())
        page.wait_for_selector("[data-painted]")
        return page

    yield opened
    for page in pages:
        page.close()
    assert problems == []


@pytest.fixture(scope="session")
def keep_picture() -> Callable[[Any, str], None]:
    """keep_picture(page, name) saves a screenshot among the test artefacts."""
    ARTEFACTS.mkdir(parents=True, exist_ok=True)

    def keep(page: Any, name: str) -> None:
        page.screenshot(path=os.fspath(ARTEFACTS / f"{name}.png"), full_page=True)

    return keep

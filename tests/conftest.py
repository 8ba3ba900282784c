"""What tests of several folders share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import torch


@pytest.fixture
def one_thread_with_gradients() -> Iterator[None]:
    """The same start for every test: wrong specimens run in this very process."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_grad_enabled(True)  # a wrong specimen may have switched them off


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, driven by playwright; closed after each module, as its event loop would be in the
    way of tests that start one of their own."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    playwright = pytest.importorskip("playwright.sync_api")
    if path is None:
        pytest.skip("no chromium on this machine")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()

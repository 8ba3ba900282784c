"""What tests of the exercises share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def one_thread_with_gradients() -> Iterator[None]:
    """The same start for every test: wrong specimens run in this very process."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_grad_enabled(True)  # a wrong specimen may have switched them off

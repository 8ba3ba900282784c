"""One small example of every view, made from raw numbers: what the shared tests look at."""

from __future__ import annotations

import importlib

from course.views import View

MODULES = {
    "attention_explorer": "test_attention_explorer",
    "qkv_stepper": "test_qkv_stepper",
    "mask_playground": "test_mask_playground",
    "pooling_map": "test_pooling_map",
    "beam_tree": "test_beam_tree_view",
    "probability_strip": "test_probability_strip",
    "logit_lens": "test_logit_lens",
}


def example(name: str) -> View:
    """The example of a view, as its own tests define it."""
    return importlib.import_module(f"tests.views.{MODULES[name]}").example()

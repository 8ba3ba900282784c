"""The views that are measured: weights, the code of their cells, the signs that they are drawn.

Notebooks import this file for their tokens, so it imports no browser.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.views_bertviz import REQUIRE

LAYERS = HEADS = 12
WORDS = ("the", "small", "cat", "##s", "sat", "on", "a", "mat", ",", "nobody", "under", "##stood")
OURS, HEAD_VIEW, MODEL_VIEW = "attention explorer", "bertviz head_view", "bertviz model_view"


@dataclass(frozen=True)
class Rival:
    """What is shown, and how a page tells that it is drawn.

    ``drawn`` and ``turned`` are JavaScript conditions: all of the view is there; so is all of the
    next layer. ``turn`` changes the layer; "" where there is nothing to turn.
    """

    name: str
    prepare: str  # code of the notebook before the clock runs: imports, weights
    show: str  # code of the cell that shows the view
    drawn: str
    root: str  # selects the view's element
    turn: str = ""
    turned: str = ""
    kernel: bool = False  # turning needs a kernel


def attention_weights(tokens: int, seed: int = 0) -> np.ndarray:
    """(layers, heads, tokens, tokens) in float32: softmax of noisy scores. As in a trained model,
    heads look at the first token, at a neighbour or far around, each to its own degree."""
    random = np.random.default_rng(seed)
    shape = (LAYERS, HEADS, 1, 1)
    sink, near, noise = (random.gamma(2.0, scale, shape) for scale in (1.5, 1.5, 0.7))
    offset, width = random.integers(-2, 3, shape), random.uniform(0.5, 8, shape)
    place = np.arange(tokens)
    distance = (place[None, :] - place[:, None] - offset) / width
    scores = near * np.exp(-(distance**2)) + sink * (place == 0)
    scores = scores + noise * random.normal(size=(LAYERS, HEADS, tokens, tokens))
    grown = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return (grown / grown.sum(axis=-1, keepdims=True)).astype(np.float32)


def labels(tokens: int) -> list[str]:
    """As many tokens as asked for, words of different lengths."""
    return [WORDS[i % len(WORDS)] for i in range(tokens)]


def sent_bytes(view: Any) -> int:
    """Bytes that open a widget and its layout: their state as JSON, numbers as buffers."""
    total = 0
    for part in (view, view.layout):
        state = part.get_state()
        numbers = {n: v for n, v in state.items() if isinstance(v, (bytes, memoryview))}
        plain = {n: v for n, v in state.items() if n not in numbers}
        total += len(json.dumps(plain)) + sum(map(len, numbers.values()))
    return total


def ours(path: Path) -> Rival:
    """The attention explorer on the weights in ``path``."""
    prepare = (
        "import numpy as np\nfrom benchmarks.views_rivals import labels\n"
        f"from course.views import AttentionExplorer\nweights = np.load({os.fspath(path)!r})\n"
        "tokens = labels(weights.shape[-1])"
    )
    line = 'document.querySelector(".tv-line")?.textContent'
    return Rival(
        OURS,
        prepare,
        "AttentionExplorer(weights, tokens)",
        drawn=f'{line}?.includes("with weight")',
        root=".tv-view",
        turn='const s = [...document.querySelectorAll(".tv-bar label")].find((l) => '
        'l.textContent.startsWith("layer")).querySelector("select"); s.value = 1; '
        's.dispatchEvent(new Event("change", {bubbles: true}))',
        turned=f"/layer 1, .*with weight/.test({line})",
        kernel=True,
    )


def theirs(name: str, path: Path, tokens: int) -> Rival:
    """One of bertviz's views on the same weights. It has drawn when every line is there."""
    view = name.split()[1]
    # JupyterLab runs bertviz's script without waiting for require.js: a small one loses the race.
    # The first cell loads it, so that bertviz always draws.
    prepare = (
        "import numpy as np, torch\nfrom IPython.display import HTML, display\n"
        f"from bertviz import {view}\nfrom benchmarks.views_rivals import labels\n"
        f"weights = np.load({os.fspath(path)!r})\ntokens = labels(weights.shape[-1])\n"
        "weights = [torch.tensor(layer)[None] for layer in weights]\n"
        f"display(HTML('<script src=\"{REQUIRE}\"></script>'))"
    )
    lines = HEADS * tokens**2 * (LAYERS if name == MODEL_VIEW else 1)
    drawn = f'document.getElementsByTagName("line").length === {lines}'
    turn = '{ const s = document.querySelector("#layer"); s.value = 1; '
    turn += 's.dispatchEvent(new Event("change", {bubbles: true})); }'
    return Rival(
        name,
        prepare,
        f"{view}(weights, tokens)",
        drawn,
        root='[id^="bertviz"]',
        turn=turn if name == HEAD_VIEW else "",
        turned=f"!window.old.isConnected && {drawn}",
    )

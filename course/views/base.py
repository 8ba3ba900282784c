"""What every view shares: its ES module and style, its static picture, its stable text.

A view shows itself twice: its labelled picture, and the live widget, which hides the picture while
it lives. So a saved notebook, a plain viewer and a page without JavaScript show the picture.
"""

from __future__ import annotations

import base64
import html
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from IPython.display import display
from matplotlib.figure import Figure
from PIL import Image

HERE = Path(__file__).parent
LIVE = "application/vnd.jupyter.widget-view+json"
MOST_PICTURE = 60_000  # bytes
SHOWN_LABELS = 24  # along an axis of a static picture; of longer texts every second, third ...


def module_text(*names: str) -> str:
    """The ES module of a view as it is sent: the code that all views share, then the named parts,
    without comments that have lines of their own and without indentation."""
    parts = [(HERE / f"{part}.js").read_text("utf-8") for part in ("shared", *names)]
    code = re.sub(r"^ */\*\*.*?\*/\n", "", "\n".join(parts), flags=re.DOTALL | re.MULTILINE)
    lines = (line.strip() for line in code.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


def png_of(figure: Figure, dpi: int = 80) -> bytes:
    """A matplotlib figure as a PNG of at most 60,000 bytes on a white ground, the same bytes in
    every run. Noise takes more: it then gets fewer colours."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi, bbox_inches="tight", facecolor="white")
    image = Image.open(drawn).convert("RGB")
    for colours in (128, 48, 24, 12):
        packed = io.BytesIO()
        # Maximum coverage keeps rare colours, such as those of a few points or of a colour bar.
        small = image.quantize(colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        small.save(packed, format="png", optimize=True)
        if packed.tell() <= MOST_PICTURE:
            break
    return packed.getvalue()


class View(anywidget.AnyWidget):
    """One widget: a subclass names its module, writes ``describe`` and ``figure``.

    Its state is plain synchronised traits, which can be set and read from Python at any time;
    numbers travel as bytes. ``label`` is what a screen reader calls the view, ``notice`` says what
    was left out.
    """

    _css = (HERE / "style.css").read_text("utf-8")
    label = traitlets.Unicode().tag(sync=True)
    notice = traitlets.Unicode().tag(sync=True)

    def __init__(self, **state: Any) -> None:
        super().__init__(**state)
        self.label = self.describe()

    def describe(self) -> str:
        """One line that says what the view shows; it is the text output, so it holds no ids."""
        raise NotImplementedError

    def figure(self) -> Figure:
        """The static picture: axes labelled, text of 11 pixels or more."""
        raise NotImplementedError

    def picture(self) -> bytes:
        """The static picture as a PNG."""
        return png_of(self.figure())

    def __repr__(self) -> str:
        return self.describe()

    def _ipython_display_(self, **options: Any) -> None:
        picture = base64.b64encode(self.picture()).decode()
        still = {"text/plain": repr(self), "image/png": picture}
        display(still, metadata={"image/png": {"alt": self.describe()}}, raw=True)
        bundle = self._repr_mimebundle_(**options)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data and LIVE in data:
            display({LIVE: data[LIVE]}, raw=True)

    def _only(self, proposal: Any, size: int) -> int:
        """For validators: refuse a place that does not exist; raises TraitError with the range."""
        if not 0 <= proposal.value < size:
            raise traitlets.TraitError(
                f"{proposal.trait.name} must be 0 to {size - 1}, not {proposal.value}"
            )
        return int(proposal.value)

    def to_html(self) -> str:
        """A page that runs this view without kernel and network, for tests and readers."""
        names = [n for n in self.traits(sync=True) if not n.startswith("_")]
        state = {n: getattr(self, n) for n in names if n not in ("layout", "tooltip", "tabbable")}
        numbers = {
            n: base64.b64encode(v).decode() for n, v in state.items() if isinstance(v, bytes)
        }
        plain = {n: v for n, v in state.items() if not isinstance(v, bytes)}
        marks = {
            "TITLE": html.escape(self.describe()),
            "PICTURE": base64.b64encode(self.picture()).decode(),
            "STATE": _script_json(plain),
            "NUMBERS": _script_json(numbers),
            "MODULE": _script_json(str(self._esm)),
            "STYLE": str(self._css),
        }
        page = (HERE / "standalone.html").read_text("utf-8")
        return re.sub(r"@(TITLE|PICTURE|STATE|NUMBERS|MODULE|STYLE)@", lambda m: marks[m[1]], page)


def _script_json(value: Any) -> str:
    """JSON that may stand in a script element: no text in it can close the element."""
    return json.dumps(value).replace("<", "\\u003c")


def array_of(values: Any) -> np.ndarray:
    """Float32 numbers of a tensor (of any device, with or without gradients), array or list."""
    if hasattr(values, "detach"):
        values = values.detach().float().cpu().numpy()
    return np.asarray(values, dtype=np.float32)


def clean(text: str) -> str:
    """A token's text without blanks around it; ``␣`` for a blank, ``⏎`` for an end of line."""
    return text.replace("\n", "⏎").strip() or "␣"


def is_wordpiece(tokenizer: Any) -> bool:
    """Its pieces stand as they are: ``##ing``. A byte-level vocabulary may hold ``##`` as well."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return type(getattr(backend, "model", None)).__name__ == "WordPiece"


def token_labels(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """Tokens as a reader wants to see them: pieces of WordPiece as they are, others as their
    text."""
    if is_wordpiece(tokenizer):
        return [clean(token) for token in tokenizer.convert_ids_to_tokens(list(ids))]
    return [clean(tokenizer.decode([i])) for i in ids]


def ticks(tokens: Sequence[str]) -> tuple[list[int], list[str]]:
    """Places and labels of at most ``SHOWN_LABELS`` tokens for matplotlib: no formulas."""
    step = -(-len(tokens) // SHOWN_LABELS)
    places = list(range(0, len(tokens), step))
    return places, [tokens[i].replace("$", r"\$") for i in places]

"""What every view shares: its ES module, its static picture, its stable text.

In a live notebook a view shows itself as a widget. In a saved one, on GitHub, or without
ipywidgets, its labelled picture stands in its place: both travel in one output, and a front end
shows the richer one that it can.
"""

from __future__ import annotations

import base64
import html
import io
import json
import re
from pathlib import Path
from typing import Any

import anywidget
from matplotlib.figure import Figure
from PIL import Image

HERE = Path(__file__).parent


def module_text(name: str) -> str:
    """The ES module of a view: the code that all views share, then the view's own."""
    return "\n".join((HERE / f"{part}.js").read_text("utf-8") for part in ("shared", name))


def png_of(figure: Figure, dpi: int = 80, colours: int = 128) -> bytes:
    """A matplotlib figure as a small PNG on a white ground, the same bytes in every run."""
    drawn, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi, bbox_inches="tight", facecolor="white")
    Image.open(drawn).convert("RGB").quantize(colours).save(packed, format="png", optimize=True)
    return packed.getvalue()


class View(anywidget.AnyWidget):
    """One widget: a subclass sets ``_esm = module_text(name)``, writes ``describe`` and ``figure``.

    Its state is plain synchronised traits; numbers travel as bytes.
    """

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

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict, dict] | None:
        bundle = super()._repr_mimebundle_(**options)
        if bundle is None:
            return None
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        data = data | {
            "text/plain": repr(self),
            "image/png": base64.b64encode(self.picture()).decode(),
        }
        return data, metadata | {"image/png": {"alt": self.describe()}}

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
        }
        page = (HERE / "standalone.html").read_text("utf-8")
        return re.sub(r"@(TITLE|PICTURE|STATE|NUMBERS|MODULE)@", lambda m: marks[m[1]], page)


def _script_json(value: Any) -> str:
    """JSON that may stand in a script element: no text in it can close the element."""
    return json.dumps(value).replace("<", "\\u003c")

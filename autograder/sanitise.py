"""Make a student's outputs and texts harmless: no script, no style, no frame, nothing from afar.

Used by the feedback pages and, as a preprocessor and a filter of ``HTMLExporter``, by formgrader.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from typing import Any

import nh3
from jinja2 import pass_context
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode

from autograder.formulas import mathml

TAG_NAMES = """a abbr b blockquote br caption cite code col colgroup dd del details div dl dt em
figcaption figure h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q s samp small span strong sub
summary sup table tbody td tfoot th thead tr u ul var"""
TAGS = set(TAG_NAMES.split())
ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"src", "alt", "title", "width", "height"},
    "td": {"colspan", "rowspan", "align"},
    "th": {"colspan", "rowspan", "align", "scope"},
    "ol": {"start"},
}
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
PICTURE_URL = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*\Z")
TEX = re.compile(r"\\(href|require|class|cssId|style|data|unicode|toggle|mathchoice)\b")
TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")  # of Unicode's bidirectional algorithm
MAX_TEXT = 100_000  # characters of one text output that a page shows
MAX_PICTURE = 8 << 20  # base64 characters of one picture
MAX_OUTPUTS = 200  # outputs of one cell


def _attribute(tag: str, name: str, value: str) -> str | None:
    """Keep links to the web and pictures that are in the page itself."""
    if tag == "img" and name == "src":
        return value if PICTURE_URL.match(value) else None
    if tag == "a" and name == "href":
        return value if re.match(r"(https?://|mailto:|#)", value, re.IGNORECASE) else None
    if name in ("width", "height", "colspan", "rowspan", "start"):
        return value if re.fullmatch(r"\d{1,4}", value) else None
    return value


def clean_html(text: str, nonce: str | None = None) -> str:
    """HTML that can neither run nor load anything, nor look like a part of the page.

    With a ``nonce``, whatever holds it can only stand in a text, never in an attribute.
    """

    def kept(tag: str, name: str, value: str) -> str | None:
        return None if nonce and nonce in value else _attribute(tag, name, value)

    return nh3.clean(
        text,
        tags=TAGS,
        clean_content_tags={"script", "style", "title", "template", "noscript", "iframe", "object"},
        attributes=ATTRIBUTES,
        attribute_filter=kept,
        url_schemes={"http", "https", "mailto", "data"},
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
    )


def joined(text: Any) -> str:
    """Text as notebooks hold it, a string or a list of strings; of anything else nothing."""
    parts = [text] if isinstance(text, str) else text if isinstance(text, list) else []
    return "".join(part for part in parts if isinstance(part, str))


def picture(mime: str, data: Any) -> str | None:
    """A picture's base64 text without white space, or None when it is none of that type."""
    text = re.sub(r"\s+", "", joined(data))
    starts = {"image/png": b"\x89PNG", "image/jpeg": b"\xff\xd8", "image/gif": b"GIF8"}
    if len(text) > MAX_PICTURE:
        return None
    try:
        raw = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None
    if mime == "image/webp":
        return text if raw[:4] == b"RIFF" else None
    return text if raw.startswith(starts[mime]) else None


def drawing(svg: Any) -> str:
    """An SVG drawing as a picture: within ``img`` no script runs and nothing is loaded."""
    encoded = base64.b64encode(joined(svg)[:MAX_PICTURE].encode("utf-8", "replace")).decode("ascii")
    return f'<img alt="drawing" src="data:image/svg+xml;base64,{encoded}">'


def shortened(text: Any) -> str:
    """A text, cut when it is too long for a page, with the marks that turn its order made visible.

    Such marks can show a line in another order than it runs or was printed in.
    """
    whole = joined(text)
    more = len(whole) - MAX_TEXT
    shown = TURNS.sub(lambda mark: f"⟨U+{ord(mark[0]):04X}⟩", whole[:MAX_TEXT])
    return shown if more <= 0 else f"{shown}\n… {more} more characters are not shown"


def safe_data(data: Any) -> dict[str, str]:
    """The representations of one output that are safe to show."""
    kept: dict[str, str] = {}
    data = data if isinstance(data, dict) else {}
    if "text/plain" in data:
        kept["text/plain"] = shortened(data["text/plain"])
    for mime in PICTURES:
        found = picture(mime, data[mime]) if mime in data else None
        if found:
            kept[mime] = found
    if "image/svg+xml" in data and not any(mime in kept for mime in PICTURES):
        kept["text/html"] = drawing(data["image/svg+xml"])
    elif "text/html" in data:
        cleaned = clean_html(shortened(data["text/html"]))
        if re.sub(r"<[^>]*>|\s", "", cleaned) or "<img" in cleaned:
            kept["text/html"] = cleaned
    return kept


def safe_output(output: Any) -> NotebookNode | None:
    """One output made safe, or None when nothing of it can be shown."""
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return NotebookNode(output_type=kind, name=name, text=shortened(output.get("text", "")))
    if kind == "error":
        trace = output.get("traceback")
        lines = [shortened(line) for line in trace[-100:]] if isinstance(trace, list) else []
        names = {key: shortened(output.get(key, ""))[:2000] for key in ("ename", "evalue")}
        return NotebookNode(output_type=kind, traceback=lines, **names)
    data = safe_data(output.get("data"))
    if not data:
        return None
    made = NotebookNode(
        output_type="display_data", data=NotebookNode(data), metadata=NotebookNode()
    )
    if kind == "execute_result":
        made.output_type, made.execution_count = kind, output.get("execution_count")
    return made


def safe_outputs(cell: Any) -> list[NotebookNode]:
    """The outputs of a cell made safe."""
    made = (safe_output(output) for output in cell.get("outputs", [])[:MAX_OUTPUTS])
    return [output for output in made if output is not None]


def safe_attachments(cell: Any) -> dict[str, dict[str, str]]:
    """The pictures attached to a text cell."""
    kept: dict[str, dict[str, str]] = {}
    attached = cell.get("attachments")
    for name, bundle in attached.items() if isinstance(attached, dict) else ():
        for mime in PICTURES:
            if isinstance(bundle, dict) and mime in bundle:
                found = picture(mime, bundle[mime])
                if found:
                    kept[name] = {mime: found}
    return kept


class SafeRenderer(IPythonRenderer):
    """Markdown as HTML with a mark for each formula, and words for a picture from elsewhere."""

    def __init__(self, attachments: dict[str, dict[str, str]]) -> None:
        super().__init__(
            escape=False, attachments=attachments, embed_images=False, exclude_anchor_links=True
        )
        self.nonce = secrets.token_hex(8)
        self.formulas: list[str] = []

    def _mark(self, tex: str, block: bool, shown: str) -> str:
        found = mathml(tex, block)
        if found is None:
            return shown
        self.formulas.append(found)
        return f"{self.nonce}x{len(self.formulas) - 1}x"

    def block_math(self, body: str) -> str:
        return self._mark(body, True, super().block_math(body))

    def inline_math(self, body: str) -> str:
        return self._mark(body, False, super().inline_math(body))

    def latex_environment(self, name: str, body: str) -> str:
        tex = rf"\begin{{{name}}}{body}\end{{{name}}}"
        return self._mark(tex, True, super().latex_environment(name, body))

    def image(self, text: str, url: str, title: str | None = None) -> str:
        # Of nbconvert's own, a picture that was lost stops the whole page.
        held = url.removeprefix("attachment:") in self.attachments or PICTURE_URL.match(url)
        return super().image(text, url, title) if held else text

    def put(self, text: str) -> str:
        """Each formula in the place of its mark, in HTML that is clean already."""
        return re.sub(rf"{self.nonce}x(\d+)x", lambda m: self.formulas[int(m[1])], text)


def render_markdown(source: str, attachments: dict[str, dict[str, str]] | None = None) -> str:
    """Markdown as safe HTML, formulas as MathML.

    A formula that cannot be read stays TeX, without the commands that reach the page.
    """
    tamed = TEX.sub(r"\\text{\1}", shortened(source))
    renderer = SafeRenderer(attachments or {})
    made = str(MarkdownWithMath(renderer=renderer).render(tamed))
    return renderer.put(clean_html(made, renderer.nonce))


@pass_context
def markdown_to_html(context: Any, source: str) -> str:
    """The filter ``markdown2html`` of nbconvert's templates, with a clean result."""
    return render_markdown(source, safe_attachments(context.get("cell", {})))


class SafeOutputs(Preprocessor):
    """Makes all outputs of a notebook safe to show and clears metadata that templates print."""

    enabled = True

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """Work on every cell; nbgrader's own marks stay."""
        nb.metadata.pop("title", None)
        nb.metadata.pop("authors", None)
        for cell in nb.cells:
            kept = {k: v for k, v in cell.metadata.items() if k in ("nbgrader", "autograder")}
            cell.metadata = NotebookNode(kept)
            if cell.cell_type == "code":
                cell.outputs = safe_outputs(cell)
        return nb, resources

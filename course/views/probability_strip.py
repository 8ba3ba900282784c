"""A text as a strip of tokens, each coloured by the probability that a model gave it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

COLOURS = matplotlib.colormaps["cividis"]
NARROWEST = 5  # letters: a probability such as 0.83 stands below each token


def probability_strip(
    tokens: Sequence[str],
    probabilities: Sequence[float | None],
    letters: int = 76,
    label: str = "probability of the token",
) -> Figure:
    """A picture of the tokens in reading order, dark where the model was surprised.

    Args:
        tokens: their texts; an end of line or other blank is shown as ``␣``.
        probabilities: one a token, from 0 to 1; None for a token that was given, such as a prompt.
        letters: so many fit in a line, then the strip goes on below.
        label: what the colour bar says.

    Raises:
        ValueError: no tokens, numbers that do not fit them, or no probability from 0 to 1.
    """
    if not tokens or len(tokens) != len(probabilities):
        raise ValueError(
            f"{len(tokens)} tokens and {len(probabilities)} probabilities: there must be one a "
            "token, and at least one token"
        )
    wrong = [p for p in probabilities if p is not None and not 0 <= p <= 1.0001]
    if wrong:
        raise ValueError(f"a probability must lie between 0 and 1, but one is {wrong[0]}")
    places = list(_places([_shown(token) for token in tokens], letters))
    lines = places[-1][0] + 1
    figure = Figure(figsize=(9.5, 0.75 * lines + 0.75), layout="constrained")
    axis = figure.subplots()
    axis.set(xlim=(0, letters), ylim=(lines, 0))
    axis.axis("off")
    for (line, left, width, text), p in zip(places, probabilities, strict=True):
        _draw(axis, line, left, width, text, p)
    bar = figure.colorbar(ScalarMappable(cmap=COLOURS), ax=axis, location="bottom", aspect=60)
    bar.set_label(label, fontsize=11)
    bar.ax.tick_params(labelsize=10)
    return figure


def _shown(token: str) -> str:
    """A token's text without blanks around it; a visible sign for a blank, no formulas."""
    return (token.strip() or "␣").replace("$", r"\$")


def _places(texts: Sequence[str], letters: int) -> Iterator[tuple[int, float, float, str]]:
    """(line, left edge, width, text) of each token, in letters."""
    line, left = 0, 0.0
    for text in texts:
        width = max(NARROWEST, len(text) + 1.0)
        if left and left + width > letters:
            line, left = line + 1, 0.0
        yield line, left, width, text
        left += width


def _draw(axis: Axes, line: int, left: float, width: float, text: str, p: float | None) -> None:
    """One token as a box with its text, and its probability below."""
    face = "white" if p is None else COLOURS(p)
    box = Rectangle((left + 0.1, line + 0.05), width - 0.2, 0.55, facecolor=face, edgecolor="0.5")
    axis.add_patch(box)
    ink = "white" if p is not None and p < 0.5 else "black"
    middle = left + width / 2
    words: dict[str, Any] = {"ha": "center", "va": "center", "family": "monospace"}
    axis.text(middle, line + 0.33, text, color=ink, fontsize=11, **words)
    if p is not None:
        axis.text(middle, line + 0.78, f"{p:.2f}", color="0.25", fontsize=10, **words)

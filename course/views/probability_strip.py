"""A text as a strip of tokens, each coloured by the probability that a model gave it.

ProbabilityStrip.from_model(model, tokenizer, " went into the forest.", prompt="The old woman")
ProbabilityStrip.from_logits(logits, ids, vocabulary)  # a model of one's own
probability_strip(tokens, probabilities)  # a picture alone
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import traitlets
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from course.views.base import View, array_of, clean, module_text
from course.views.chances import BEST, Decoder, best_of, check_logits, plain_ids, texts_of
from course.windows import READ, window_of

COLOURS = matplotlib.colormaps["cividis"]
NARROWEST = 5  # letters: a probability such as 0.83 stands below each token
MOST_TOKENS = 256  # a window of a longer text is shown
FOCUS = "#d55e00"


@dataclass(frozen=True)
class StripData:
    """Labels of the tokens; their probabilities, NaN where a token was given; the most probable
    tokens of each place as (label, probability); the rank of the token, 0 where it is unknown."""

    tokens: tuple[str, ...]
    probabilities: np.ndarray
    top: tuple[tuple[tuple[str, float], ...], ...]
    ranks: tuple[int, ...]
    notice: str = ""

    @property
    def bits(self) -> np.ndarray:
        """The surprise at each token, -log2 of its probability: (length,); NaN where given."""
        with np.errstate(divide="ignore"):
            return -np.log2(self.probabilities.astype(np.float64))


def strip_data(
    tokens: Sequence[str],
    probabilities: Sequence[float | None],
    top: Sequence[Sequence[tuple[str, float]] | None] | None = None,
    ranks: Sequence[int | None] | None = None,
    start: int = 0,
) -> StripData:
    """Check what is to be shown, and bring it into one form.

    Args:
        tokens: their texts.
        probabilities: one a token, from 0 to 1; None for a token that was given, such as a prompt.
        top: for each place the most probable tokens as (text, probability); five are shown.
        ranks: the rank of each token among all, 1 is the most probable. Left out, it is looked for
            in ``top``.
        start: from which token on a text is shown that is longer than 256 tokens.

    Raises:
        ValueError: no tokens, lengths that differ, a number that is no probability or no rank.
    """
    numbers = array_of(probabilities).tolist() if _is_array(probabilities) else probabilities
    _check_lengths(tokens, numbers, top, ranks)
    window, notice = window_of(len(tokens), start, MOST_TOKENS)
    texts = [clean(str(token)) for token in tokens[window]]
    shown = [_probability(p, f"token {i}, {tokens[i]!r},") for i, p in enumerate(numbers)]
    given = [[] if row is None else row for row in (top or [[]] * len(tokens))]
    best = tuple(_best(row, i) for i, row in enumerate(given))[window]
    places = [None] * len(tokens) if ranks is None else list(ranks)
    found = [_rank(*three) for three in zip(texts, best, places[window], strict=True)]
    values = np.array([np.nan if p is None else p for p in shown[window]], np.float32)
    return StripData(tuple(texts), values, best, tuple(found), notice)


def _is_array(values: Any) -> bool:
    return hasattr(values, "detach") or isinstance(values, np.ndarray)


def _check_lengths(tokens: Any, probabilities: Any, top: Any, ranks: Any) -> None:
    if len(tokens) == 0 or len(tokens) != len(probabilities):
        raise ValueError(
            f"{len(tokens)} tokens and {len(probabilities)} probabilities: there must be one a "
            "token, and at least one token"
        )
    for name, rows in (("top", top), ("ranks", ranks)):
        if rows is not None and len(rows) != len(tokens):
            raise ValueError(
                f"{name} has {len(rows)} entries for {len(tokens)} tokens: give one a token, None "
                "where there is none"
            )


def _probability(value: float | None, whose: str) -> float | None:
    if value is None:
        return None
    if not 0 <= float(value) <= 1.0001:
        raise ValueError(
            f"a probability must lie between 0 and 1, but that of {whose} is {float(value):g}; "
            "None stands for a token that was given"
        )
    return min(1.0, float(value))


def _best(row: Sequence[tuple[str, float]], place: int) -> tuple[tuple[str, float], ...]:
    """The five most probable of a place, the largest first."""
    whose = f"a most probable token of place {place}"
    pairs = [(clean(str(text)), _probability(p, whose) or 0.0) for text, p in row]
    return tuple(sorted(pairs, key=lambda pair: -pair[1])[:BEST])


def _rank(token: str, best: Sequence[tuple[str, float]], rank: int | None) -> int:
    if rank is None:
        return next((i for i, (text, _) in enumerate(best, 1) if text == token), 0)
    if int(rank) < 1:
        raise ValueError(f"a rank is 1 for the most probable token, so it cannot be {rank}")
    return int(rank)


class ProbabilityStrip(View):
    """Tokens in reading order, dark where the model was surprised; the focused one with what the
    model would have preferred.

    ``position`` and ``threshold`` (below it a token counts as a surprise) can be set and read at
    any time. Arguments as ``strip_data``.
    """

    _esm = module_text("chance_table", "probability_strip")
    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    probabilities = traitlets.Bytes().tag(sync=True)
    top: Any = traitlets.List().tag(sync=True)
    ranks = traitlets.List(traitlets.Int()).tag(sync=True)
    position = traitlets.Int(0).tag(sync=True)
    threshold = traitlets.Float(0.01, min=0.0, max=1.0).tag(sync=True)

    def __init__(
        self,
        tokens: Sequence[str],
        probabilities: Sequence[float | None],
        top: Sequence[Sequence[tuple[str, float]] | None] | None = None,
        ranks: Sequence[int | None] | None = None,
        *,
        start: int = 0,
        **state: Any,
    ) -> None:
        self.data = strip_data(tokens, probabilities, top, ranks, start)
        super().__init__(
            tokens=list(self.data.tokens),
            probabilities=self.data.probabilities.astype("<f4").tobytes(),
            top=[[list(pair) for pair in row] for row in self.data.top],
            ranks=list(self.data.ranks),
            notice=self.data.notice,
        )
        asked = np.flatnonzero(~np.isnan(self.data.probabilities))
        self.position = int(asked[0]) if len(asked) else 0
        for name, value in state.items():
            setattr(self, name, value)

    @classmethod
    def from_logits(
        cls,
        logits: Any,
        ids: Any,
        decode: Decoder,
        prompt_length: int = 1,
        *,
        start: int = 0,
        **state: Any,
    ) -> ProbabilityStrip:
        """The strip of a model of one's own.

        Args:
            logits: (length, vocab) of one text, a batch of one may stand around it. Row t speaks of
                the token *after* position t, so the last row is not needed, and the first token
                always counts as given.
            ids: (length) of the same text.
            decode: the text of an id: a function, a list of words, or a tokenizer.
            prompt_length: so many tokens were given, the model is not asked about them.
            start: from which token on a text of more than 256 is shown.
        """
        numbers, listed = array_of(logits), plain_ids(ids)
        numbers = numbers[0] if numbers.ndim == 3 and len(numbers) == 1 else numbers
        check_logits(numbers, len(listed), listed, "logits")
        _check_prompt(prompt_length, len(listed))
        window, notice = window_of(len(listed), start, MOST_TOKENS)
        asked = range(max(prompt_length, window.start), window.stop)
        rows = {t: best_of(numbers[t - 1], listed[t]) for t in asked}
        names = texts_of(decode, [*listed[window], *(i for row in rows.values() for i in row[0])])
        found = [rows.get(t) for t in range(window.start, window.stop)]
        view = cls(
            [names[i] for i in listed[window]],
            [row and row[3] for row in found],
            [row and [(names[i], p) for i, p in zip(*row[:2], strict=True)] for row in found],
            [row and row[2] for row in found],
            **state,
        )
        view.notice = notice
        return view

    @classmethod
    def from_model(
        cls,
        model: Any,
        tokenizer: Any,
        text: Any,
        prompt: str | int = 1,
        *,
        start: int = 0,
        **state: Any,
    ) -> ProbabilityStrip:
        """How probable a causal transformers model finds a text.

        text: a text, or the ids of one, such as what ``generate`` has returned. prompt: what was
        given before ``text``, or how many of the tokens of ``text`` were given. Of more than 256
        tokens, or more than the model takes, it reads a window from token ``start`` on. Raises
        ValueError for an empty text, CourseError for a model that foretells no next token.
        """
        from course.models.hidden import longest
        from course.models.lens import next_logits

        ids, given = _told(tokenizer, text, prompt)
        _check_prompt(given, len(ids))
        most = min(MOST_TOKENS, longest(model))
        window, notice = window_of(len(ids), start, most, done=READ)
        ids = ids[window]
        given = min(max(1, given - window.start), len(ids))
        view = cls.from_logits(next_logits(model, ids), ids, tokenizer, given, **state)
        view.notice = notice
        return view

    @traitlets.validate("position")
    def _exists(self, proposal: Any) -> int:
        return self._only(proposal, len(self.data.tokens))

    def describe(self) -> str:
        """One line: how many tokens, and how many of them were given."""
        given = int(np.isnan(self.data.probabilities).sum())
        return f"ProbabilityStrip({len(self.data.tokens)} tokens, {given} given)"

    def figure(self) -> Figure:
        """The strip in lines of 76 letters, the focused token in a frame."""
        shown = [None if np.isnan(p) else float(p) for p in self.data.probabilities]
        return _strip(self.data.tokens, shown, 76, "probability of the token", self.position)


def _told(tokenizer: Any, text: Any, prompt: str | int) -> tuple[list[int], int]:
    """The ids of prompt and text, and how many of them were given."""
    if not isinstance(text, str):
        if isinstance(prompt, str):
            raise ValueError("text is ids: say with a number how many of them were the prompt")
        return plain_ids(text), prompt
    if isinstance(prompt, int):
        return plain_ids(tokenizer(text, verbose=False)["input_ids"]), prompt
    before = plain_ids(tokenizer(prompt, verbose=False)["input_ids"])
    after = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return [*before, *plain_ids(after)], len(before)


def _check_prompt(prompt_length: int, length: int) -> None:
    if not 1 <= prompt_length <= length:
        raise ValueError(
            f"prompt_length must be 1 to {length}, not {prompt_length}: nothing speaks of the "
            "first token"
        )


def probability_strip(
    tokens: Sequence[str],
    probabilities: Sequence[float | None],
    letters: int = 76,
    label: str = "probability of the token",
) -> Figure:
    """A picture of the tokens in reading order, dark where the model was surprised.

    Args:
        tokens: their texts; a blank is shown as ``␣``, an end of line as ``⏎``.
        probabilities: one a token, from 0 to 1; None for a token that was given, such as a prompt.
        letters: so many fit in a line, then the strip goes on below.
        label: what the colour bar says.

    Raises:
        ValueError: no tokens, numbers that do not fit them, or no probability from 0 to 1.
    """
    data = strip_data(tokens, probabilities)
    shown = [None if np.isnan(p) else float(p) for p in data.probabilities]
    return _strip(data.tokens, shown, letters, label)


def _strip(
    tokens: Sequence[str],
    probabilities: Sequence[float | None],
    letters: int,
    label: str,
    focus: int | None = None,
) -> Figure:
    places = list(_places([token.replace("$", r"\$") for token in tokens], letters))
    lines = places[-1][0] + 1
    figure = Figure(figsize=(9.5, 0.75 * lines + 0.75), layout="constrained")
    axis = figure.subplots()
    axis.set(xlim=(0, letters), ylim=(lines, 0))
    axis.axis("off")
    for (line, left, width, text), p in zip(places, probabilities, strict=True):
        _draw(axis, line, left, width, text, p)
    if focus is not None:
        line, left, width, _ = places[focus]
        frame = Rectangle((left + 0.1, line + 0.05), width - 0.2, 0.55, fill=False, lw=2.5)
        frame.set_edgecolor(FOCUS)
        axis.add_patch(frame)
    bar = figure.colorbar(ScalarMappable(cmap=COLOURS), ax=axis, location="bottom", aspect=60)
    bar.set_label(label, fontsize=11)
    bar.ax.tick_params(labelsize=10)
    return figure


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
    ink = "white" if p is not None and p < 0.47 else "black"
    middle = left + width / 2
    words: dict[str, Any] = {"ha": "center", "va": "center", "family": "monospace"}
    axis.text(middle, line + 0.33, text, color=ink, fontsize=11, **words)
    if p is not None:
        axis.text(middle, line + 0.78, f"{p:.2f}", color="0.25", fontsize=10, **words)

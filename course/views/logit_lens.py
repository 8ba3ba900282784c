"""The logit lens: what a model would answer if it stopped after each of its layers.

LogitLens.from_model(model, tokenizer, "The capital of Italy is Rome")
LogitLens(hidden, unembed, ids, words)  # a model of one's own

The final norm and the unembedding are applied to every layer's hidden states, as in nostalgebraist
2020, "interpreting GPT: the logit lens". They were trained for the last layer alone: what they read
in a layer below may say little about what that layer knows. Belrose et al. 2023, "Eliciting Latent
Predictions from Transformers with the Tuned Lens", train a translator for each layer, and show
models whose early layers only this reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from course.views.base import MOST_PICTURE, View, array_of, module_text, png_of
from course.views.chances import Decoder, best_of, check_logits, plain_ids, texts_of
from course.windows import window_of

MOST_POSITIONS = 32  # a window of a longer text is shown
MOST_READ = 256  # tokens that a model reads so that the window has its context
STILL_LAYERS, STILL_POSITIONS = 31, 12  # most rows and columns of the static picture
SHOWS = ["token", "probability", "rank of the true token"]
Unembed = Callable[[Any], Any]


@dataclass(frozen=True)
class LensData:
    """What every layer answers at every position; layer 0 is the embeddings.

    ``best``: ids (layers + 1, length, 5 or fewer), the most probable first; ``chances``: their
    probabilities. ``ranks`` and ``truth`` (layers + 1, length): rank and probability of the token
    that is right there, 0 and NaN where it is not known; ``true_tokens``: its label or "".
    ``words``: the label of every id.
    """

    tokens: tuple[str, ...]
    true_tokens: tuple[str, ...]
    best: np.ndarray
    chances: np.ndarray
    ranks: np.ndarray
    truth: np.ndarray
    words: dict[int, str]
    vocab: int
    notice: str = ""

    def first_best(self, position: int) -> int:
        """The lowest layer whose best guess is already the one of the last layer."""
        guesses = self.best[:, position, 0]
        return int(np.argmax(guesses == guesses[-1]))


def lens_data(
    hidden: Any,
    unembed: Unembed,
    ids: Any,
    decode: Decoder,
    targets: Sequence[int | None] | None = None,
    start: int = 0,
) -> LensData:
    """Read every layer through the model's last steps.

    Args:
        hidden: (layers + 1, length, dim) of one text, the embeddings first, the last layer *before*
            the final norm; or a list of layers, each with or without a batch of one in front.
        unembed: makes logits (length, vocab) of (length, dim), including the final norm.
        ids: (length) of the text.
        decode: the text of an id: a function, a list of words, or a tokenizer.
        targets: the id that is right at each position, None where it is not known. Left out, the
            one that follows, as for a causal model.
        start: from which position on a text of more than 32 is shown.

    Raises:
        ValueError: shapes or lengths that do not fit, NaN, ids that the logits do not know.
    """
    listed = plain_ids(ids)
    layers = [_one_text(layer, len(listed)) for layer in _layers(hidden)]
    true = [*listed[1:], None] if targets is None else list(targets)
    if len(true) != len(listed):
        raise ValueError(f"{len(true)} targets for {len(listed)} ids: give one a position, or None")
    window, notice = window_of(len(listed), start, MOST_POSITIONS)
    known = [i for i in (*listed, *true) if i is not None]
    rows, vocab = [], 0
    for number, layer in enumerate(layers):
        logits = _logits(unembed, layer[window], known, number)
        vocab = logits.shape[1]
        rows.append([best_of(row, t) for row, t in zip(logits, true[window], strict=True)])
    best, chances, ranks, truth = (
        np.array([[place[part] for place in row] for row in rows]) for part in range(4)
    )
    words = texts_of(decode, [*known, *best.ravel().tolist()])
    return LensData(
        tuple(words[i] for i in listed[window]),
        tuple("" if i is None else words[i] for i in true[window]),
        *(best, chances.astype(np.float32), ranks, truth.astype(np.float32)),
        *(words, vocab, notice),
    )


def _layers(hidden: Any) -> list[Any]:
    """The layers one by one; ValueError where there are none."""
    layers = list(hidden) if isinstance(hidden, (list, tuple)) or np.ndim(hidden) == 3 else []
    if not layers:
        shape = getattr(hidden, "shape", None)
        raise ValueError(
            f"hidden is {f'of shape {tuple(shape)}' if shape is not None else 'empty'}: give "
            "(layers + 1, length, dim) of one text"
        )
    return layers


def _one_text(layer: Any, length: int) -> Any:
    """(length, dim), of the kind that it was: what ``unembed`` takes."""
    shape = np.shape(layer)
    if len(shape) == 3 and shape[0] == 1:
        layer, shape = layer[0], shape[1:]
    if len(shape) != 2 or shape[0] != length:
        raise ValueError(
            f"a layer has the shape {tuple(shape)}, which does not fit {length} ids: give (layers "
            "+ 1, length, dim) of one text"
        )
    return layer


def _logits(unembed: Unembed, layer: Any, known: Sequence[int], number: int) -> np.ndarray:
    """Logits (length, vocab) of a layer, checked."""
    if not np.isfinite(array_of(layer)).all():
        raise ValueError(f"the hidden states of layer {number} hold NaN or infinity")
    logits = array_of(unembed(layer))
    check_logits(logits, len(layer), known, f"the logits of layer {number}")
    return logits


class LogitLens(View):
    """Layers from bottom to top, positions from left to right, in each cell the best guess.

    ``layer``, ``position`` and ``show`` ("token", "probability" or "rank of the true token") can be
    set and read at any time. Arguments as ``lens_data``.
    """

    _esm = module_text("chance_table", "logit_lens")
    shape = traitlets.List(traitlets.Int()).tag(sync=True)  # layers + 1, length, best
    vocab = traitlets.Int().tag(sync=True)
    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    true_tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    follows = traitlets.Bool(True).tag(sync=True)  # a position speaks of the token after it
    words = traitlets.List(traitlets.Unicode()).tag(sync=True)
    best = traitlets.Bytes().tag(sync=True)  # places in words, uint32
    chances = traitlets.Bytes().tag(sync=True)
    ranks = traitlets.Bytes().tag(sync=True)
    truth = traitlets.Bytes().tag(sync=True)
    layer = traitlets.Int(0).tag(sync=True)
    position = traitlets.Int(0).tag(sync=True)
    show = traitlets.Enum(SHOWS, SHOWS[0]).tag(sync=True)

    def __init__(
        self,
        hidden: Any,
        unembed: Unembed,
        ids: Any,
        decode: Decoder,
        targets: Sequence[int | None] | None = None,
        *,
        start: int = 0,
        **state: Any,
    ) -> None:
        self.data = lens_data(hidden, unembed, ids, decode, targets, start)
        data, known = self.data, sorted(self.data.words)
        super().__init__(
            shape=list(data.best.shape),
            vocab=data.vocab,
            tokens=list(data.tokens),
            true_tokens=list(data.true_tokens),
            follows=targets is None,
            words=[data.words[i] for i in known],
            best=np.searchsorted(known, data.best).astype("<u4").tobytes(),
            chances=data.chances.astype("<f4").tobytes(),
            ranks=data.ranks.astype("<u4").tobytes(),
            truth=data.truth.astype("<f4").tobytes(),
            notice=data.notice,
        )
        for name, value in state.items():
            setattr(self, name, value)

    @classmethod
    def from_model(
        cls, model: Any, tokenizer: Any, text: str, *, start: int = 0, **state: Any
    ) -> LogitLens:
        """Run a causal or masked transformers model on a text and look into its layers.

        A position of a causal model speaks of the token after it, one of a masked model of the
        token that stands there; under a mask that is not known. Of a text of more than 32 tokens a
        window from token ``start`` on is shown, and the model reads at most 256. Raises CourseError
        when the model's head is another one than is known, ValueError for an empty text.
        """
        from course.models.hidden import longest
        from course.models.lens import is_masked, layers_and_head

        masked = is_masked(model)
        inputs = tokenizer(text, return_tensors="pt", verbose=False)
        whole = plain_ids(inputs["input_ids"])
        window, notice = window_of(len(whole), start, MOST_POSITIONS)
        read = _context(len(whole), window, min(MOST_READ, longest(model)), masked)
        inputs = {name: value[:, read].to(model.device) for name, value in inputs.items()}
        hidden, unembed = layers_and_head(model, inputs)
        inside = slice(window.start - read.start, window.stop - read.start)
        ids = whole[window]
        hide, following = tokenizer.mask_token_id, [*whole[1:], None][window]
        targets = [None if i == hide else i for i in ids] if masked else following
        view = cls(hidden[:, inside], unembed, ids, tokenizer, targets, **state)
        view.follows = not masked
        if notice and read.stop - read.start < len(whole):
            notice += f" The model read {read.start} to {read.stop - 1}."
        view.notice = notice
        return view

    @traitlets.validate("layer", "position")
    def _exists(self, proposal: Any) -> int:
        axis = ("layer", "position").index(proposal.trait.name)
        return self._only(proposal, self.data.best.shape[axis])

    def describe(self) -> str:
        """One line: how many layers and positions."""
        layers, length, _ = self.data.best.shape
        return f"LogitLens(embeddings and {layers - 1} layers, {length} positions)"

    def figure(self) -> Figure:
        """The grid with the last layer on top: up to 31 layers, every second or third of more, and
        up to twelve positions around the focus."""
        return self._figure(STILL_POSITIONS)

    def picture(self) -> bytes:
        """The static picture as a PNG; of a wild one fewer positions, to keep it small."""
        for most in (STILL_POSITIONS, 9, 6):
            packed = png_of(self._figure(most))
            if len(packed) <= MOST_PICTURE:
                break
        return packed

    def _figure(self, most: int) -> Figure:
        layers, length, _ = self.data.best.shape
        step = -(-layers // STILL_LAYERS)
        rows = sorted({*range(layers - 1, -1, -step), 0, self.layer})
        shown = min(length, most)
        first = max(0, min(self.position - shown // 2, length - shown))
        size = (max(5.0, 0.75 * shown + 1.6), 0.23 * len(rows) + 1.5)
        figure = Figure(figsize=size, layout="constrained")
        axis = figure.subplots()
        image = self._grid(axis, rows, range(first, first + shown))
        corner = (self.position - first - 0.5, rows.index(self.layer) - 0.5)
        for colour, width in (("black", 4.5), ("white", 1.5)):  # seen on any colour of a cell
            axis.add_patch(Rectangle(corner, 1, 1, fill=False, ec=colour, lw=width))
        label = "1 - log(rank) / log(vocabulary)" if self.show == SHOWS[2] else "probability"
        figure.colorbar(image, ax=axis, label=label, shrink=min(1.0, 2.5 / size[1]), pad=0.01)
        return figure

    def _grid(self, axis: Axes, rows: Sequence[int], columns: Sequence[int]) -> Any:
        """Cells with their text, tokens below, what is true above."""
        values = self.brightness()[np.ix_(rows, columns)]
        image = axis.imshow(values, cmap="cividis", vmin=0, vmax=1, aspect="auto", origin="lower")
        for (row, column), value in np.ndenumerate(values):
            ink = "white" if value < 0.47 else "black"  # NaN is shown as white ground
            text = _cut(self.cell(rows[row], columns[column]), 7)
            axis.text(column, row, text, ha="center", va="center", color=ink, fontsize=10)
        places = range(len(columns))
        tokens, true = ([_cut(t[i], 8) for i in columns] for t in (self.tokens, self.true_tokens))
        axis.set_xticks(places, tokens, fontsize=10)
        axis.set_yticks(range(len(rows)), list(map(str, rows)), fontsize=10)
        axis.set_ylabel("layer (0: embeddings)", fontsize=11)
        axis.set_xlabel("token that is read", fontsize=11)
        above = axis.secondary_xaxis("top")
        above.set_xticks(places, [token or "?" for token in true])
        above.tick_params(labelsize=10)
        above.set_xlabel("really follows" if self.follows else "really stands here", fontsize=11)
        return image

    def brightness(self) -> np.ndarray:
        """What colours the cells (layers + 1, length): the best guess's probability, or the true
        token's rank on a logarithmic scale, 1 for rank 1; NaN where it is not known."""
        if self.show != SHOWS[2]:
            return self.data.chances[:, :, 0]
        ranks = np.where(self.data.ranks > 0, self.data.ranks, np.nan)
        return 1 - np.log(ranks) / np.log(max(2, self.data.vocab))

    def cell(self, layer: int, position: int) -> str:
        """What a cell says, uncut."""
        if self.show == SHOWS[0]:
            return self.data.words[int(self.data.best[layer, position, 0])]
        if self.show == SHOWS[1]:
            return f"{self.data.chances[layer, position, 0]:.2f}"
        return str(self.data.ranks[layer, position] or "?")


def _context(length: int, window: slice, most: int, both_sides: bool) -> slice:
    """The part of a text that the model reads: what lies before the window, or around it."""
    room = max(0, most - (window.stop - window.start))
    stop = min(length, window.stop + (room // 2 if both_sides else 0))
    first = max(0, stop - most)
    return slice(first, min(length, max(stop, first + most)) if both_sides else stop)


def _cut(text: str, letters: int) -> str:
    """A label that fits, without formulas."""
    short = text if len(text) <= letters else text[: letters - 1] + "…"
    return short.replace("$", r"\$")

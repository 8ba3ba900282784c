"""The masked-LM playground: hide words of a sentence and see what a model puts in their place.

MaskPlayground.from_model(model, tokenizer, "The cat drank a bowl of milk.")
MaskPlayground(predict, tokenizer, text)  # predict: ids (1, length) -> logits (length, vocab)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import numpy as np
import traitlets
from matplotlib.figure import Figure

from course.models.hidden import asked, readable
from course.views.base import View, module_text
from course.views.fillers import (
    MOST_TOKENS,
    MOST_WORDS,
    STOPS,
    MaskData,
    Sentence,
    labels_of,
    mask_data,
    sentence_of,
    stop_of,
)

MOST_AHEAD = 24  # tokens of a text whose single masks are all computed at once
GLYPH = 0.092  # inches that a letter of 11 points takes in a static picture


class MaskPlayground(View):
    """A sentence whose words can be masked, and what a model says at the focused position.

    ``text``, ``masked`` (positions), ``position``, ``temperature`` (kept to steps of 0.1) and ``k``
    can be set and read at any time; ``fillers`` is the table.

    Args:
        predict: takes ids (1, length) in int64 with mask tokens in place, returns logits (length,
            vocab) or (1, length, vocab).
        text: mask tokens may stand in it: "The cat drank a bowl of [MASK]."
        most_tokens: what the model can read, at most 64.

    Raises ValueError as ``sentence_of`` and ``mask_data`` do. Once the view is shown, such a text
    is refused in its notice line and the old one stays; from Python it is a TraitError.
    """

    _esm = module_text("mask_playground")
    text = traitlets.Unicode().tag(sync=True)
    masked = traitlets.List(traitlets.Int()).tag(sync=True)
    position = traitlets.Int(0).tag(sync=True)
    temperature = traitlets.Float(1.0, min=0.1, max=3.0).tag(sync=True)
    k = traitlets.Int(5).tag(sync=True)
    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    fixed = traitlets.List(traitlets.Int()).tag(sync=True)
    typed = traitlets.List(traitlets.Int()).tag(sync=True)
    mask_token = traitlets.Unicode().tag(sync=True)
    vocabulary = traitlets.Int().tag(sync=True)
    # A row a known answer: "masked positions|position", its best words, and in float32 their
    # logits, the sums at all temperatures, the own logit and its rank.
    known = traitlets.List(traitlets.Unicode()).tag(sync=True)
    words = traitlets.List(traitlets.List(traitlets.Unicode())).tag(sync=True)
    numbers = traitlets.Bytes().tag(sync=True)
    wish = traitlets.Dict().tag(sync=True)  # what the page asks of Python: a text, or masks

    def __init__(
        self,
        predict: Callable[[Any], Any],
        tokenizer: Any,
        text: str,
        *,
        most_tokens: int = MOST_TOKENS,
        **state: Any,
    ) -> None:
        self._predict, self._tokenizer = predict, tokenizer
        self._most = min(most_tokens, MOST_TOKENS)
        self._next = (text, *self._read(text))
        super().__init__(mask_token=str(tokenizer.mask_token))
        self.text = text
        for name, value in state.items():
            setattr(self, name, value)

    @classmethod
    def from_model(cls, model: Any, tokenizer: Any, text: str, **state: Any) -> MaskPlayground:
        """Play with a masked LM of transformers, or with any module that maps ids to logits.

        The model is asked in eval mode, without gradients, and left as it was found. Of a text that
        is longer than the model can read the beginning is shown, with a notice.
        """

        def predict(ids: Any) -> Any:
            place = next(iter(model.parameters()), ids).device
            with asked(model):
                output = model(ids.to(place))
            return output[0] if isinstance(output, tuple) else getattr(output, "logits", output)

        state.setdefault("most_tokens", readable(model, tokenizer, MOST_TOKENS))
        return cls(predict, tokenizer, text, **state)

    def _read(self, text: str) -> tuple[Sentence, dict[tuple[int, ...], MaskData], int]:
        """A text, all answers that can be given ahead, and the size of the vocabulary."""
        sentence = sentence_of(self._tokenizer, text, self._most)
        logits = self._logits(sentence, sentence.typed)
        said = {sentence.typed: mask_data(logits, sentence)}
        if len(sentence.ids) <= MOST_AHEAD:
            free = set(range(len(sentence.ids))) - {*sentence.fixed, *sentence.typed}
            for place in sorted(free):
                masked = tuple(sorted((*sentence.typed, place)))
                said[masked] = mask_data(self._logits(sentence, masked), sentence, masked)
        return sentence, said, np.shape(logits)[-1]

    def _logits(self, sentence: Sentence, masked: Sequence[int]) -> Any:
        """What the model returns for a sentence with masks in place."""
        import torch

        ids = torch.tensor([sentence.ids])  # (1, length)
        ids[:, list(masked)] = self._tokenizer.mask_token_id
        try:
            return self._predict(ids)
        except Exception as error:
            raise ValueError(
                f"the model failed on {ids.size(1)} tokens with {type(error).__name__}: {error}"
            ) from error

    @traitlets.validate("text")
    def _readable(self, proposal: Any) -> str:
        try:
            if proposal.value != self._next[0]:
                self._next = (proposal.value, *self._read(proposal.value))
        except ValueError as error:
            raise traitlets.TraitError(str(error)) from error
        return str(proposal.value)

    @traitlets.observe("text")
    def _open(self, change: Any) -> None:
        """Install the text that the validator has read; the focus goes to its first mask."""
        _, sentence, self._said, size = self._next
        self._sentence = sentence
        self._all = self._said[sentence.typed]
        free = [i for i in range(len(sentence.ids)) if i not in sentence.fixed]
        with self.hold_sync():
            self.vocabulary, self.notice = size, sentence.notice
            self.tokens, self.fixed = list(sentence.tokens), list(sentence.fixed)
            self.typed = list(sentence.typed)
            self.masked, self.position = list(sentence.typed), (*sentence.typed, *free)[0]
            self.k = min(self.k, self.most_words)
            self._publish()

    @traitlets.validate("masked")
    def _can_be_masked(self, proposal: Any) -> list[int]:
        """Masks in order, those of the text among them; the model is asked before they are set."""
        masked, sentence = tuple(sorted({*proposal.value, *self._sentence.typed})), self._sentence
        for place in masked:
            if not 0 <= place < len(sentence.ids) or place in sentence.fixed:
                raise traitlets.TraitError(
                    f"masked holds {place}, but only words can be masked: "
                    f"{[i for i in range(len(sentence.ids)) if i not in sentence.fixed]}"
                )
        try:
            again = masked == sentence.typed  # as it was when the text was read
            self._all = (
                self._said[masked] if again else mask_data(self._logits(sentence, masked), sentence)
            )
        except ValueError as error:
            raise traitlets.TraitError(str(error)) from error
        return list(masked)

    @traitlets.observe("masked")
    def _publish(self, change: Any = None) -> None:
        """Send what is known: all positions under the present masks, and what was said ahead."""
        rows = {}
        for masked, data in {**self._said, tuple(self.masked): self._all}.items():
            for row, place in enumerate(data.positions):
                rows[f"{','.join(map(str, masked))}|{place}"] = (data, row)
        ids = sorted({int(i) for data, row in rows.values() for i in data.words[row]})
        label = dict(zip(ids, labels_of(self._tokenizer, ids), strict=True))
        numbers = [
            np.concatenate((d.logits[r], d.sums[r], [d.own[r], d.rank[r]]))
            for d, r in rows.values()
        ]
        with self.hold_sync():
            self.words = [[label[int(i)] for i in d.words[r]] for d, r in rows.values()]
            self.numbers = np.stack(numbers).astype("<f4").tobytes()
            self.known = list(rows)

    @traitlets.observe("wish")
    def _grant(self, change: Any) -> None:
        """Do what the page asks for; a refusal goes to its notice line and changes nothing."""
        if not self.wish:
            return
        try:
            for name in ("text", "masked"):
                if name in self.wish:
                    setattr(self, name, self.wish[name])
            self.notice = self._sentence.notice
        except traitlets.TraitError as error:
            self.notice = str(error)
        self.wish = {}

    @traitlets.validate("position")
    def _exists(self, proposal: Any) -> int:
        return self._only(proposal, len(self._sentence.ids))

    @traitlets.validate("temperature")
    def _at_a_stop(self, proposal: Any) -> float:
        return float(STOPS[stop_of(proposal.value)])

    @traitlets.validate("k")
    def _few(self, proposal: Any) -> int:
        if not 1 <= proposal.value <= self.most_words:
            raise traitlets.TraitError(f"k must be 1 to {self.most_words}, not {proposal.value}")
        return int(proposal.value)

    @property
    def most_words(self) -> int:
        """The longest table: 20 words, or the whole of a smaller vocabulary."""
        return min(MOST_WORDS, self.vocabulary)

    @property
    def data(self) -> MaskData:
        """What the model says at every position under the present masks."""
        return self._all

    @property
    def fillers(self) -> list[tuple[str, float]]:
        """The table: the k best words at the focused position with their probabilities."""
        chances, _ = self.data.chances(self.position, self.temperature)
        ids = [int(i) for i in self.data.words[self.position][: self.k]]
        return list(zip(labels_of(self._tokenizer, ids), map(float, chances), strict=False))

    @property
    def own(self) -> tuple[float, int]:
        """Probability and rank of the word that stands at the focused position of the text."""
        _, chance = self.data.chances(self.position, self.temperature)
        return chance, int(self.data.rank[self.position])

    def best(self, masked: Sequence[int], position: int) -> str:
        """The best filler of a position under other masks than the present ones."""
        places = tuple(sorted(masked))
        data = self._said.get(places)
        if data is None or position not in data.positions:
            data = mask_data(self._logits(self._sentence, places), self._sentence)
        row = data.positions.index(position)
        return labels_of(self._tokenizer, [int(data.words[row, 0])])[0]

    def describe(self) -> str:
        """One line: how many words there are to choose from."""
        return f"MaskPlayground({self.vocabulary or self._next[-1]} words to choose from)"

    def figure(self) -> Figure:
        """The tokens, masked ones dark, and the table of the focused position."""
        lines = self._lines()
        top, bars = 0.45 * len(lines) + 0.35, 0.27 * self.k + 0.2
        figure = Figure(figsize=(9, top + bars + 0.6))
        inches = figure.dpi_scale_trans
        for line, places in enumerate(lines):
            for left, place in places:
                at = (left, top + bars + 0.55 - 0.45 * (line + 1))
                hidden, focused = place in self.masked, place == self.position
                text = self.mask_token if hidden else self.tokens[place]
                frame = {"boxstyle": "square,pad=0.35", "lw": 2.5 if focused else 0.8}
                frame |= {"fc": "#1a1a1a" if hidden else "white"}
                frame |= {"ec": "#d55e00" if focused else "#8a8a8a"}
                colour = "white" if hidden else "#595959" if place in self.fixed else "black"
                figure.text(*at, text.replace("$", r"\$"), transform=inches, color=colour,
                            family="monospace", fontsize=11, va="center", bbox=frame)  # fmt: skip
        self._bars(figure, bars)
        return figure

    def _lines(self) -> list[list[tuple[float, int]]]:
        """Lines of (left edge in inches, position): tokens side by side, as many as fit."""
        lines: list[list[tuple[float, int]]] = [[]]
        left = 0.1
        for place, token in enumerate(self.tokens):
            width = GLYPH * len(self.mask_token if place in self.masked else token) + 0.2
            if left + width > 8.9 and lines[-1]:
                lines.append([])
                left = 0.1
            lines[-1].append((left, place))
            left += width
        return lines

    def _bars(self, figure: Figure, height: float) -> None:
        """The table as bars, ``height`` inches high at the foot of the figure."""
        words, chances = zip(*self.fillers, strict=True)
        total = figure.get_figheight()
        axis = figure.add_axes((0.2, 0.5 / total, 0.6, height / total))
        axis.barh(range(self.k), chances, color=matplotlib.colormaps["cividis"](chances),
                  ec="#8a8a8a", lw=0.8)  # fmt: skip
        for place, chance in enumerate(chances):
            shown = f"{chance:.3f}" if chance >= 0.0005 else "<0.001"
            axis.text(chance + 0.01, place, shown, va="center", fontsize=11)
        axis.set_yticks(range(self.k), [w.replace("$", r"\$") for w in words], fontsize=11)
        axis.set(xlim=(0, 1.1), ylim=(self.k - 0.4, -0.6))
        axis.set_xticks(np.linspace(0, 1, 6))
        axis.tick_params(labelsize=11)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_xlabel(
            f"probability at position {self.position}, temperature {self.temperature:.1f}",
            fontsize=11,
        )

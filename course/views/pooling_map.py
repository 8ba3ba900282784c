"""The pooling map: what becomes of sentences when their vectors are pooled, with and without mask.

PoolingMap.from_model(model, tokenizer, sentences, labels)
PoolingMap(hidden, attention_mask, sentences, labels)  # tensors of one's own
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tqdm.auto import tqdm

from course.models.hidden import hidden_states, readable
from course.views.base import View, array_of, module_text

MOST_SENTENCES = 300
FEW = 128  # sentences that are run without a progress bar
MOST_TOKENS = 256  # of a sentence
MOST_LETTERS = 300  # of a sentence that the view holds
MOST_CLASSES = 16
MOST_NEIGHBOURS = 10
POOLS = ("first", "mean", "max")
OKABE_ITO = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999",
)  # fmt: skip
MARKERS = "osD^vP*X"  # as in the module: the same shapes in the same order
LINE = 40  # letters of a sentence in a static picture


@dataclass(frozen=True)
class PoolingData:
    """Sentences under three pools, each without and with padding mask.

    ``points`` (3, 2, sentences, 2) are the first two principal components, ``explained`` (3, 2, 2)
    their shares of the variance; ``nearest`` (3, 2, sentences, k) the places of the sentences that
    are most alike by cosine in the full space, ``alike`` their similarities. The first axis is the
    pool (first, mean, max), the second the mask (off, on).
    """

    points: np.ndarray
    explained: np.ndarray
    nearest: np.ndarray
    alike: np.ndarray
    texts: tuple[str, ...]
    lengths: tuple[int, ...]  # tokens without padding
    labels: tuple[int, ...]
    classes: tuple[str, ...]
    notice: str = ""

    def same_class(self, pool: int, mask: int) -> int:
        """How many sentences have a nearest neighbour of their own class."""
        labels = np.array(self.labels)
        return int((labels[self.nearest[pool, mask, :, 0]] == labels).sum())

    def moved(self, pool: int) -> int:
        """How many sentences have another nearest neighbour without the mask than with it."""
        return int((self.nearest[pool, 0, :, 0] != self.nearest[pool, 1, :, 0]).sum())


def pooling_data(
    hidden: Any, attention_mask: Any, texts: Sequence[str], labels: Sequence[Any] | None = None
) -> PoolingData:
    """Pool, project and compare.

    Args:
        hidden: (sentences, length, dim), as an encoder gives them for a padded batch.
        attention_mask: (sentences, length), 1 or True at tokens, padding on either side.
        texts: the sentences.
        labels: a class for each, text or number.

    Raises:
        ValueError: shapes that do not fit, fewer than three sentences, NaN or infinity, a mask of
            other values than 0 and 1 or with a row of zeros, more than 16 classes.
    """
    array, mask = array_of(hidden), array_of(attention_mask)
    if array.ndim != 3 or 0 in array.shape or mask.shape != array.shape[:2]:
        raise ValueError(
            f"hidden states of shape {array.shape} and a mask of shape {mask.shape} do not fit: "
            "give (sentences, length, dim) and (sentences, length)"
        )
    _check_count(len(array), texts, labels)
    _check_values(array, mask, texts)
    return placed(pooled(array, mask == 1), mask.sum(axis=1), texts, labels)


def _check_count(count: int, texts: Sequence[str], labels: Sequence[Any] | None) -> None:
    if len(texts) != count or (labels is not None and len(labels) != count):
        given = "" if labels is None else f" and {len(labels)} labels"
        raise ValueError(f"{count} sentences in the hidden states, but {len(texts)} texts{given}")
    if count < 3:
        raise ValueError(f"{count} sentences: a map of two directions needs three or more")


def _check_values(array: np.ndarray, mask: np.ndarray, texts: Sequence[str]) -> None:
    if not np.isin(mask, (0, 1)).all():
        raise ValueError(
            "the attention mask must hold 0 and 1 only (1 at tokens); it goes from "
            f"{mask.min():.3g} to {mask.max():.3g}"
        )
    if not (mask == 1).any(axis=1).all():
        place = int((mask == 1).any(axis=1).argmin())
        raise ValueError(
            f"the mask of sentence {place} ({str(texts[place])[:LINE]!r}) is all zeros: there is "
            "no token to pool; leave the sentence out"
        )
    if not np.isfinite(array).all():
        place, position, _ = np.argwhere(~np.isfinite(array))[0]
        raise ValueError(
            f"the hidden states hold NaN or infinity, first in sentence {place}, position "
            f"{position}" + (", which is padding" if mask[place, position] == 0 else "")
        )


def pooled(hidden: np.ndarray, content: np.ndarray) -> np.ndarray:
    """(3, 2, sentences, dim) of hidden states (sentences, length, dim): first, mean and max over
    all positions, and over those where ``content`` (sentences, length) is True."""
    keep = content[:, :, None]
    rows = np.arange(len(hidden))
    mean = np.where(keep, hidden, 0).sum(axis=1) / keep.sum(axis=1)
    return np.stack(
        [
            np.stack([hidden[:, 0], hidden[rows, content.argmax(axis=1)]]),
            np.stack([hidden.mean(axis=1), mean]),
            np.stack([hidden.max(axis=1), np.where(keep, hidden, -np.inf).max(axis=1)]),
        ]
    )


def placed(
    vectors: np.ndarray,
    lengths: Sequence[int],
    texts: Sequence[str],
    labels: Sequence[Any] | None = None,
) -> PoolingData:
    """The map of vectors (3, 2, sentences, dim); of more than 300 sentences the first are taken."""
    count, notice = vectors.shape[2], ""
    if count > MOST_SENTENCES:
        notice = f"{count} sentences: shown are the first {MOST_SENTENCES}"
    variants = vectors[:, :, :MOST_SENTENCES].reshape(6, -1, vectors.shape[3]).astype(np.float64)
    parts = [(*projected(part), *neighbours(part)) for part in variants]
    classes, numbers = _classes(["" for _ in texts] if labels is None else labels)
    points, explained, nearest, alike = (
        np.stack(same).reshape(3, 2, *same[0].shape) for same in zip(*parts, strict=True)
    )
    first = slice(MOST_SENTENCES)
    shown = tuple(str(text)[:MOST_LETTERS] for text in texts[first])
    sizes = tuple(int(length) for length in lengths[first])
    return PoolingData(
        points, explained, nearest, alike, shown, sizes, numbers[first], classes, notice
    )


def _classes(labels: Sequence[Any]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names of the classes, and a number for each label; numbers in order, names as they come."""
    plain = [getattr(label, "item", lambda label=label: label)() for label in labels]
    names = list(dict.fromkeys(plain))
    if all(isinstance(name, (int, float)) for name in names):
        names.sort()
    if len(names) > MOST_CLASSES:
        raise ValueError(
            f"{len(names)} classes, but {MOST_CLASSES} at most can be told apart: merge some, or "
            "leave the labels out"
        )
    return tuple(map(str, names)), tuple(names.index(label) for label in plain)


def projected(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First two principal components (sentences, 2) of (sentences, dim), and their shares of the
    variance (2,).

    The sign of a direction is free; here its largest entry is positive, so that every run and every
    machine gives the same picture. Equal vectors lie at 0 with a share of 0.
    """
    centred = vectors - vectors.mean(axis=0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    largest = np.abs(directions).argmax(axis=1)
    directions = directions * np.sign(directions[np.arange(len(directions)), largest])[:, None]
    points, shares = np.zeros((len(vectors), 2)), np.zeros(2)
    most = min(2, len(sizes))
    points[:, :most] = centred @ directions[:most].T
    if sizes[0] > 1e-9 * max(1, np.abs(vectors).max()):
        shares[:most] = (sizes**2 / (sizes**2).sum())[:most]
    return points, shares


def neighbours(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The most similar other sentences (sentences, k) by cosine, and their similarities.

    Of two that are equally similar the earlier comes first; a vector of zeros is like no other.
    """
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(norms == 0, 1, norms)
    alike = np.round(unit @ unit.T, 6)  # rounded: ties do not hang on the last bit
    np.fill_diagonal(alike, -np.inf)
    order = np.argsort(-alike, axis=1, kind="stable")[:, : min(MOST_NEIGHBOURS, len(vectors) - 1)]
    return order, np.take_along_axis(alike, order, axis=1)


class PoolingMap(View):
    """Sentences as points of the plane in which their pooled vectors differ most.

    ``pool`` ("first", "mean" or "max"), ``padding_mask`` (False: padding counts as content),
    ``sentence`` and ``k`` can be set and read at any time; ``neighbours`` is the list. Arguments as
    ``pooling_data``; or a PoolingData alone.
    """

    _esm = module_text("pooling_map")
    pool = traitlets.Enum(POOLS, "mean").tag(sync=True)
    padding_mask = traitlets.Bool(True).tag(sync=True)
    sentence = traitlets.Int(0).tag(sync=True)
    k = traitlets.Int(5).tag(sync=True)
    texts = traitlets.List(traitlets.Unicode()).tag(sync=True)
    lengths = traitlets.List(traitlets.Int()).tag(sync=True)
    labels = traitlets.List(traitlets.Int()).tag(sync=True)
    classes = traitlets.List(traitlets.Unicode()).tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)  # sentences, neighbours of each
    # All six variants at once, pool by pool, each without and with mask, in float32: points, shares
    # of the variance, places of the neighbours, their similarities. 300 sentences take 170 KB.
    points = traitlets.Bytes().tag(sync=True)
    explained = traitlets.Bytes().tag(sync=True)
    nearest = traitlets.Bytes().tag(sync=True)
    alike = traitlets.Bytes().tag(sync=True)

    def __init__(
        self,
        hidden: Any,
        attention_mask: Any = None,
        texts: Sequence[str] = (),
        labels: Sequence[Any] | None = None,
        **state: Any,
    ) -> None:
        whole = isinstance(hidden, PoolingData)
        self.data = hidden if whole else pooling_data(hidden, attention_mask, texts, labels)
        super().__init__(
            texts=list(self.data.texts),
            lengths=list(self.data.lengths),
            labels=list(self.data.labels),
            classes=list(self.data.classes),
            shape=list(self.data.nearest.shape[2:]),
            points=self.data.points.astype("<f4").tobytes(),
            explained=self.data.explained.astype("<f4").tobytes(),
            nearest=self.data.nearest.astype("<f4").tobytes(),
            alike=self.data.alike.astype("<f4").tobytes(),
            notice=self.data.notice,
            k=min(5, self.data.nearest.shape[-1]),
        )
        for name, value in state.items():
            setattr(self, name, value)

    @classmethod
    def from_model(
        cls,
        model: Any,
        tokenizer: Any,
        sentences: Sequence[str],
        labels: Sequence[Any] | None = None,
        *,
        batch_size: int = 32,
        **state: Any,
    ) -> PoolingMap:
        """Run an encoder, or a decoder without its head, on one padded batch and map it.

        All sentences are padded to the longest of them, on the side that the tokenizer pads, as one
        batch would; they are run ``batch_size`` at a time, in eval mode and without gradients. Of
        more than 300 the first are taken. Raises ValueError for a tokenizer without padding and for
        a sentence without tokens, CourseError for a model without hidden states.
        """
        texts, notice = [str(text) for text in sentences], ""
        _check_count(len(texts), texts, labels)
        if len(texts) > MOST_SENTENCES:
            notice = f"{len(texts)} sentences: shown are the first {MOST_SENTENCES}"
            texts, labels = (
                texts[:MOST_SENTENCES],
                None if labels is None else labels[:MOST_SENTENCES],
            )
        most = readable(model, tokenizer, MOST_TOKENS)
        batch = _padded(tokenizer, texts, most)
        mask = array_of(batch["attention_mask"])
        if cut := int((mask.sum(axis=1) == most).sum()):
            notice += f"{'; ' * bool(notice)}{cut} of {most} tokens, where long ones were cut"
        parts = []
        starts = range(0, len(texts), batch_size)
        few = len(texts) <= FEW  # no bar for a second's work: a notebook would keep its traces
        for start in tqdm(starts, desc="batches", leave=False, disable=few):
            rows = slice(start, start + batch_size)
            part = {name: values[rows] for name, values in batch.items()}
            hidden = array_of(hidden_states(model, part))
            _check_values(hidden, mask[rows], texts[rows])
            parts.append(pooled(hidden, mask[rows] == 1))
        data = placed(np.concatenate(parts, axis=2), mask.sum(axis=1), texts, labels)
        return cls(replace(data, notice=notice), **state)

    @property
    def variant(self) -> tuple[int, int]:
        """(pool, mask) as places in the data."""
        return POOLS.index(self.pool), int(self.padding_mask)

    @property
    def neighbours(self) -> list[tuple[int, float]]:
        """The k nearest neighbours of the focused sentence: places and similarities."""
        places = self.data.nearest[self.variant][self.sentence][: self.k]
        alike = self.data.alike[self.variant][self.sentence]
        return list(zip(map(int, places), map(float, alike), strict=False))

    @traitlets.validate("sentence")
    def _exists(self, proposal: Any) -> int:
        return self._only(proposal, len(self.texts))

    @traitlets.validate("k")
    def _few(self, proposal: Any) -> int:
        most = self.data.nearest.shape[-1]
        if not 1 <= proposal.value <= most:
            raise traitlets.TraitError(f"k must be 1 to {most}, not {proposal.value}")
        return int(proposal.value)

    def describe(self) -> str:
        """One line: sentences and classes."""
        classes = f", {len(self.data.classes)} classes" if len(self.data.classes) > 1 else ""
        return f"PoolingMap({len(self.data.texts)} sentences{classes})"

    def figure(self) -> Figure:
        """The map of the chosen variant, lines to the nearest neighbours, and their texts."""
        figure = Figure(figsize=(9, 4.2 + 0.22 * (self.k + 1)), layout="constrained")
        axis = figure.subplots()
        self._map(axis)
        rows = [(self.sentence, None), *self.neighbours]
        lines = [self._row(place, alike) for place, alike in rows]
        figure.supxlabel("\n".join(lines), x=0.02, ha="left", fontsize=11, family="monospace")
        return figure

    def _row(self, place: int, alike: float | None) -> str:
        text = self.texts[place].replace("\n", " ")
        text = text if len(text) <= LINE else text[: LINE - 1] + "…"
        name = self.classes[self.labels[place]]
        shown = "focus" if alike is None else f"{alike:5.2f}"
        return f"{shown}  {place:3}  {text:{LINE}}  {name}".rstrip().replace("$", r"\$")

    def _map(self, axis: Axes) -> None:
        points, labels = self.data.points[self.variant], np.array(self.labels)
        for place, _ in self.neighbours:
            axis.plot(*points[[self.sentence, place]].T, color="#595959", lw=1.2, zorder=1)
        for number, name in enumerate(self.classes):
            own = points[labels == number].T
            axis.scatter(*own, label=name.replace("$", r"\$"), **_style(number))
        axis.scatter(*points[self.sentence], zorder=3, **_style(labels[self.sentence]))
        ring: dict[str, Any] = {"s": 170, "fc": "none", "ec": "#d55e00", "lw": 2.5}
        axis.scatter(*points[self.sentence], zorder=3, **ring)
        shares = self.data.explained[self.variant]
        axis.set_xlabel(f"first direction ({shares[0]:.0%} of the variance)", fontsize=11)
        axis.set_ylabel(f"second direction ({shares[1]:.0%})", fontsize=11)
        axis.set_aspect("equal", adjustable="datalim")
        axis.tick_params(labelsize=11)
        mask = "with padding mask" if self.padding_mask else "padding counted as content"
        axis.set_title(f"{self.pool} pool, {mask}", fontsize=12)
        if len(self.classes) > 1:
            axis.legend(fontsize=11, loc="center left", bbox_to_anchor=(1, 0.5))


def _style(label: int) -> dict[str, Any]:
    """Shape, size and colour of a class in a static picture; thin shapes are larger."""
    marker = MARKERS[(label + label // 8) % 8]
    size = {"*": 100, "o": 46, "s": 46}.get(marker, 60)
    return {"marker": marker, "s": size, "fc": OKABE_ITO[label % 8], "ec": "#1a1a1a", "lw": 0.6}


def _padded(tokenizer: Any, texts: Sequence[str], most: int) -> dict[str, Any]:
    """One padded batch of sentences that are cut after ``most`` tokens."""
    if getattr(tokenizer, "pad_token_id", None) is None:
        raise ValueError(
            f"{type(tokenizer).__name__} has no padding token: "
            "tokenizer.pad_token = tokenizer.eos_token"
        )
    batch = tokenizer(
        list(texts), padding=True, truncation=True, max_length=most, return_tensors="pt"
    )
    empty = [i for i, row in enumerate(batch["attention_mask"]) if not row.any()]
    if empty:
        raise ValueError(f"sentence {empty[0]} ({texts[empty[0]]!r}) has no tokens: leave it out")
    return {name: batch[name] for name in ("input_ids", "attention_mask")}

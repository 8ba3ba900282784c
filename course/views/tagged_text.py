"""A sentence with its named entities marked: gold ones, and beside them a tagger's.

Plain HTML without script or style sheet, so it stands in a saved notebook as it was shown. Each
entity carries its class, and its verdict, in words: the colours only help.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

# Okabe-Ito colours on which black text has a contrast of 5 and more, in light and dark pages.
COLOURS = {"PER": "#56b4e9", "ORG": "#e69f00", "LOC": "#00a578", "MISC": "#cc79a7"}
SPARE = ("#f0e442", "#e0702a")  # for classes of other schemes
GREY = "#bbbbbb"


@dataclass(frozen=True)
class Entity:
    """Words ``start`` to ``end`` (excluded) of one class; ``verdict`` is empty when not judged."""

    start: int
    end: int
    kind: str
    verdict: str = ""


@dataclass(frozen=True)
class TaggedTextData:
    """What the view shows: words, gold entities and a tagger's; one of the two may be None."""

    words: tuple[str, ...]
    gold: tuple[Entity, ...] | None
    predicted: tuple[Entity, ...] | None


def entities(tags: Sequence[str]) -> list[Entity]:
    """The entities that B- and I- tags mark, as conlleval counts them.

    An I- that does not go on from the same class begins a new entity. Raises ValueError for a tag
    that is neither O nor B-X or I-X.
    """
    found: list[Entity] = []
    before = "O"
    for place, tag in enumerate([*tags, "O"]):
        prefix, _, kind = tag.partition("-")
        if tag != "O" and (prefix not in ("B", "I") or not kind):
            raise ValueError(f"tag {place} is {tag!r}: expected O, or B- or I- with a class")
        goes_on = prefix == "I" and before != "O" and before.partition("-")[2] == kind
        if found and found[-1].end == -1 and not goes_on:
            found[-1] = Entity(found[-1].start, place, found[-1].kind)
        if tag != "O" and not goes_on:
            found.append(Entity(place, -1, kind))
        before = tag
    return found


def tagged_text_data(
    words: Sequence[str], gold: Sequence[str] | None, predicted: Sequence[str] | None = None
) -> TaggedTextData:
    """Check words and tags, find the entities and judge them.

    Args:
        words: the words of one sentence.
        gold: a tag a word, in the B-/I-/O scheme; None for a text that nobody has tagged.
        predicted: a tagger's tags; None when there is none. With gold ones each entity is judged.

    Raises:
        ValueError: no words, no tags, tags that do not fit the number of words, or a tag of another
            scheme.
    """
    rows = [tags for tags in (gold, predicted) if tags is not None]
    if not rows:
        raise ValueError("neither gold tags nor a tagger's: there is nothing to mark")
    if not words or any(len(tags) != len(words) for tags in rows):
        raise ValueError(
            f"{len(words)} words with {' and '.join(str(len(tags)) for tags in rows)} tags: there "
            "must be one tag a word, and at least one word"
        )
    truth, guesses = entities(gold or []), entities(predicted or [])
    if gold is None:
        return TaggedTextData(tuple(words), None, tuple(guesses))
    if predicted is None:
        return TaggedTextData(tuple(words), tuple(truth), None)
    judged = [
        Entity(g.start, g.end, g.kind, "" if _touched(g, guesses) else "missed") for g in truth
    ]
    answers = tuple(Entity(p.start, p.end, p.kind, _verdict(p, truth)) for p in guesses)
    return TaggedTextData(tuple(words), tuple(judged), answers)


def _touched(one: Entity, others: Sequence[Entity]) -> list[Entity]:
    """The entities that share a word with one."""
    return [other for other in others if other.start < one.end and one.start < other.end]


def _verdict(guess: Entity, truth: Sequence[Entity]) -> str:
    """What is right or wrong about a tagger's entity."""
    met = _touched(guess, truth)
    if not met:
        return "invented"
    if any((g.start, g.end, g.kind) == (guess.start, guess.end, guess.kind) for g in met):
        return "right"
    if any((g.start, g.end) == (guess.start, guess.end) for g in met):
        return "wrong class"
    return "wrong ends" if any(g.kind == guess.kind for g in met) else "wrong class and ends"


class TaggedText:
    """One sentence with its entities, for a notebook; arguments as ``tagged_text_data``."""

    def __init__(
        self,
        words: Sequence[str],
        gold: Sequence[str] | None = None,
        predicted: Sequence[str] | None = None,
    ) -> None:
        self.data = tagged_text_data(words, gold, predicted)

    def describe(self) -> str:
        """One line that says what there is; it is the text output."""
        gold, predicted = self.data.gold, self.data.predicted
        text = f"TaggedText({len(self.data.words)} words"
        if gold is not None:
            text += f", {len(gold)} entities"
        if predicted is not None:
            text += f", {len(predicted)} predicted"
        if gold is not None and predicted is not None:
            text += f", {sum(entity.verdict == 'right' for entity in predicted)} right"
        return text + ")"

    def __repr__(self) -> str:
        return self.describe()

    def _repr_html_(self) -> str:
        both = {"gold": self.data.gold, "predicted": self.data.predicted}
        words = self.data.words
        rows = [_row(name, words, found) for name, found in both.items() if found is not None]
        label = html.escape(self.describe(), quote=True)
        return (
            f'<div role="figure" aria-label="{label}" style="font-size:15px;line-height:2.1">'
            f"{''.join(rows)}</div>"
        )


def _row(name: str, words: Sequence[str], found: Sequence[Entity]) -> str:
    """A line of text: its name, then the words with the entities marked."""
    parts, place = [], 0
    for entity in found:
        parts += [html.escape(word) for word in words[place : entity.start]]
        parts.append(_mark(" ".join(words[entity.start : entity.end]), entity))
        place = entity.end
    parts += [html.escape(word) for word in words[place:]]
    # The first line hangs out to the left; without a zero of its own the name would hang out twice.
    head = f'<b style="display:inline-block;min-width:6em;text-indent:0">{name}</b>'
    return f'<div style="margin:0 0 2px 6em;text-indent:-6em">{head} {" ".join(parts)}</div>'


def _mark(text: str, entity: Entity) -> str:
    """An entity on its colour, with class and verdict in words; wrong ones have a dashed edge."""
    good = entity.verdict in ("", "right")
    style = (
        f"background:{_colour(entity.kind)};color:#000;padding:2px 5px;border-radius:4px;"
        f"border:2px {'solid transparent' if good else 'dashed #000'};"
        "-webkit-box-decoration-break:clone;box-decoration-break:clone"
    )
    said = entity.kind + (f": {entity.verdict}" if entity.verdict else "")
    small = f'<b style="font-size:12px">[{html.escape(said)}]</b>'
    return f'<mark style="{style}">{html.escape(text)} {small}</mark>'


def _colour(kind: str) -> str:
    """The colour of a class; for other schemes one of two by its first letter, else grey."""
    if kind in COLOURS:
        return COLOURS[kind]
    first = kind[:1].lower()
    return SPARE[ord(first) % 2] if first.isascii() and first.isalpha() else GREY

"""A beam search on Python lists, written for the judge: no -1e9 beams, no flattened indices.

Ties have no order, so inputs are drawn until no decision is close: nothing here rests on chance.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from course.checks import beam_search_toys as toys

CLEAR = 1e-3  # decisions closer than this could fall otherwise by rounding


@dataclass(frozen=True)
class Beam:
    """A sequence, the scores of its new tokens, and the beam of the round before."""

    ids: tuple[int, ...]
    scores: tuple[float, ...]
    done: bool
    parent: int

    @property
    def total(self) -> float:
        return sum(self.scores)


@dataclass(frozen=True)
class Search:
    """The beams after each round, best first, and how close the closest decision was."""

    rounds: list[list[Beam]]
    gap: float

    @property
    def beams(self) -> list[Beam]:
        return self.rounds[-1]

    @property
    def ids(self) -> Tensor:
        return torch.tensor([beam.ids for beam in self.beams])

    @property
    def scores(self) -> Tensor:
        return torch.tensor([beam.total for beam in self.beams], dtype=torch.float64)

    @property
    def moves(self) -> int:
        """In how many rounds but the first a beam's place is not that of its parent."""
        return sum(any(b.parent != i for i, b in enumerate(r)) for r in self.rounds[1:])


def beam_search(
    model: nn.Module,
    prompt: Tensor,
    width: int,
    steps: int,
    rules: Sequence[toys.Rule] = (),
    end: int | None = None,
) -> Search:
    """The pinned search: all candidates of all beams in one list, sorted, the first ones kept."""
    beams = [Beam(tuple(prompt[0].tolist()), (), False, 0)]
    rounds: list[list[Beam]] = []
    gap = float("inf")
    for _ in range(steps):
        rows = toys.processed(model, torch.tensor([b.ids for b in beams]), rules).tolist()
        candidates = [c for i, beam in enumerate(beams) for c in _ways_on(beam, i, rows[i], end)]
        candidates.sort(key=lambda beam: -beam.total)
        totals = [beam.total for beam in candidates[: width + 1]]
        gap = min([gap, *(a - b for a, b in itertools.pairwise(totals))])
        beams = candidates[:width]
        rounds.append(beams)
        if all(beam.done for beam in beams):
            break
    return Search(rounds, gap)


def _ways_on(beam: Beam, place: int, row: list[float], end: int | None) -> list[Beam]:
    """The beams that one beam may become; a finished one stays as it is, one token longer."""
    if beam.done and end is not None:
        return [Beam((*beam.ids, end), (*beam.scores, 0.0), True, place)]
    return [
        Beam((*beam.ids, token), (*beam.scores, score), token == end, place)
        for token, score in enumerate(row)
    ]


def stale_cache_shows(model: nn.Module, search: Search, length: int) -> bool:
    """Whether a search would go wrong whose cache follows the beams in part, or too late.

    Replays it with a cache of which only the first layer, only the last one, or all layers but one
    round late are reordered, and looks at the scores of the tokens that are in the result.
    """
    return all(_stale_error(model, search, length, way) > 0.05 for way in ("first", "last", "late"))


def _stale_error(model: nn.Module, search: Search, length: int, way: str) -> float:
    """How far off the worst score of a token in the result is, with a cache led the wrong way."""
    past: Any = None
    parents: Tensor | None = None
    worst = 0.0
    ids = search.ids[:1, :length].expand(len(search.beams), -1)
    for beams in search.rounds:
        with torch.no_grad():
            output = model(ids if past is None else ids[:, -1:], past_key_values=past)
        past = output.past_key_values
        stale = output.logits[:, -1].double().log_softmax(dim=-1)
        for beam in beams:
            if any(final.ids[: len(beam.ids)] == beam.ids for final in search.beams):
                worst = max(worst, abs(float(stale[beam.parent, beam.ids[-1]]) - beam.scores[-1]))
        if way == "late" and parents is not None:
            past.reorder_cache(parents)
        ids = torch.tensor([beam.ids for beam in beams])
        parents = torch.tensor([beam.parent for beam in beams])
        if way != "late":
            past.layers[0 if way == "first" else -1].reorder_cache(parents)
    return worst

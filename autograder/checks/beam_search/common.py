"""The suite of hidden checks, and what they share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.checks.beam_search import oracle
from course.checks import beam_search_toys as toys
from course.checks.base import Draw, Suite, expect
from course.checks.beam_search.common import search

suite = Suite("beam_search", hidden=True)
INIT, SEARCH, WORD, NGRAM = "init_beams", "beam_search", "WordBlock", "NGramBlock"


def a_case(
    draw: Draw,
    width: int,
    steps: int,
    words: int = 7,
    length: int = 3,
    rules: tuple[tuple[Any, ...], ...] = (),
    swaps: int = 0,
) -> tuple[Tensor, Tensor, oracle.Search]:
    """A table for a model that reads the whole history, a prompt, and what the search must find.

    With ``swaps`` the beams change places in at least so many rounds.
    """
    local = [toys.rule(*one) for one in rules]
    for _ in range(80):
        table = 1.5 * draw.normal(60, words) + 2.0 * draw.normal(60, 1)
        prompt = draw.integers(0, words - 1, 1, length)
        model = toys.scripted(table, history=True)
        wanted = oracle.beam_search(model, prompt, width, steps, local)
        if wanted.gap > oracle.CLEAR and wanted.moves >= swaps:
            return table, prompt, wanted
    raise RuntimeError("no clear search in 80 draws")


def expect_beams(found: toys.Found, wanted: oracle.Search, what: str) -> None:
    """Fail the check unless the wanted sequences are found with their scores, in any order."""
    mine = found.real()
    for place, beam in enumerate(wanted.beams):
        expect(
            beam.ids in mine,
            f"{what} The beam that goes on with {list(beam.ids[found.prompt :])} (score "
            f"{beam.total:.3f}, number {place + 1}) is not found; yours are {found.new[:4]}.",
        )
        expect(
            abs(mine[beam.ids] - beam.total) < 1e-3 * max(1.0, abs(beam.total)),
            f"{what} The sequences are right, but {list(beam.ids[found.prompt :])} scores "
            f"{mine[beam.ids]:.3f}, not {beam.total:.3f}.",
        )


def same(rows: list[list[int]], wanted: list[list[int]]) -> bool:
    """Whether two lists hold the same beams; their order is another check's matter."""
    return sorted(rows) == sorted(wanted)


def script(
    student: Any, draw: Draw, table: Tensor, start: int, width: int, steps: int, **options: Any
) -> tuple[toys.Found, list[list[int]], list[int]]:
    """A search on a table whose words are renamed by chance; the new tokens with their old names.

    ``end`` and the first argument of rules named in ``options`` are given in old names, as are the
    rows that come back: (the result, its new tokens, the new name of each word).
    """
    end = options.get("end")
    order = draw.permutation(len(table))
    while end in (int(order[0]), int(order[-1])):
        order = draw.permutation(len(table))  # a tie must not happen to fall on the end
    name = order.argsort().tolist()
    if end is not None:
        options["end"] = name[end]
    renamed = table[order][:, order]
    result = search(student, renamed, torch.tensor([[name[start]]]), width, steps, **options)
    return result, [[int(order[word]) for word in row] for row in result.new], name


def ln(*chances: float) -> float:
    """The sum of the logarithms of some chances."""
    return float(torch.tensor(chances, dtype=torch.float64).log().sum())

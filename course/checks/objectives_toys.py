"""What all checks of ``objectives`` share: their inputs, and the forms of arguments."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from course.checks.base import expect
from course.checks.live import beside

Pair = tuple[str, str, bool]


def write_documents(*lengths: int) -> list[list[str]]:
    """Documents of the given numbers of sentences; no sentence occurs twice."""
    return [
        [f"This is sentence {i} of Story {number}." for i in range(length)]
        for number, length in enumerate(lengths)
    ]


def place_of(documents: Sequence[Sequence[str]]) -> dict[str, tuple[int, int]]:
    """For each sentence its document and its place there."""
    return {text: (d, i) for d, document in enumerate(documents) for i, text in enumerate(document)}


def generator(seed: int) -> torch.Generator:
    """A fresh generator."""
    return torch.Generator().manual_seed(seed)


def as_pairs(value: Any, documents: Sequence[Sequence[str]]) -> list[Pair]:
    """The student's pairs as (str, str, bool); fails the check in words when they are not."""
    expect(
        isinstance(value, (list, tuple)),
        f"next_sentence_pairs must return a list of pairs, not a {type(value).__name__}.",
    )
    # Holds for every form of the task: each list of documents in the checks has neighbours.
    expect(
        len(value) > 0,
        "next_sentence_pairs returned no pair at all, though there are sentences with a successor.",
    )
    known = place_of(documents)
    return [_as_pair(item, known) for item in value]


def _as_pair(item: Any, known: dict[str, tuple[int, int]]) -> Pair:
    expect(
        isinstance(item, (tuple, list)) and len(item) == 3,
        f"Each entry must be (first, second, is_next), but one is {str(item)[:80]}.",
    )
    first, second, is_next = item
    for text in (first, second):
        expect(
            isinstance(text, str) and text in known,
            "first and second must be sentences of the documents, unchanged and in this order: "
            f"(first, second, is_next). One is {str(text)[:60]!r}.",
        )
    label = is_next.item() if hasattr(is_next, "item") else is_next
    expect(
        isinstance(label, (bool, int)) and label in (0, 1),
        f"is_next must be True or False, but it is {str(label)[:40]!r}.",
    )
    return first, second, bool(label)


@beside
def calls_with_one_generator(
    function: Callable[..., Any], documents: Any, seed: int, calls: int
) -> tuple[list[Any], list[Tensor], list[int]]:
    """Call ``function`` several times with one generator.

    Returns the results, torch's global random state before and after, and a hash of Python's.
    """
    source = generator(seed)
    states, hashes = [torch.get_rng_state()], [hash(random.getstate())]
    results = [function(documents, source) for _ in range(calls)]
    states.append(torch.get_rng_state())
    hashes.append(hash(random.getstate()))
    return results, states, hashes


@beside
def call_non_contiguous(function: Callable[..., Any], labels: Tensor, *rest: Any) -> Any:
    """Call ``function`` with labels that lie transposed in memory (a journey would straighten)."""
    return function(labels.T.contiguous().T, *rest)


def first_right(
    function: Callable[..., Any], forms: Iterable[tuple[Any, ...]], right: Callable[[Any], bool]
) -> Any:
    """Call ``function`` with each form of its arguments until a result is right.

    The task leaves open whether ids come as lists or as tensors, so a function may serve either.
    Returns the right result, or else the first one; raises when no form is served at all.
    """
    results, errors = [], []
    for form in forms:
        try:
            result = function(*form)
        except Exception as error:
            errors.append(error)
            continue
        if right(result):
            return result
        results.append(result)
    if not results:
        raise errors[0]
    return results[0]


def mask_for(function: Callable[..., Any], order: Sequence[int], expected: Tensor) -> Any:
    """The student's mask for an order given as a tensor, or as a list if only that is served."""
    forms = [(torch.tensor(list(order)),), (list(order),)]

    def right(mask: Any) -> bool:
        same = isinstance(mask, Tensor) and mask.dtype == expected.dtype
        return same and torch.equal(mask, expected)

    mask = first_right(function, forms, right)
    expect(
        not isinstance(mask, Tensor) or bool((mask == mask).logical_and(mask != 0).any()),
        "The mask says no everywhere (or is empty, or NaN): each position may look at itself at "
        "least.",
    )
    return mask


def span_forms(
    ids: Sequence[int], spans: Sequence[tuple[int, int]], sentinels: Sequence[int]
) -> list[tuple[Any, ...]]:
    """The same arguments of span_corruption as tensors and as lists."""
    ids, sentinels = list(ids), list(sentinels)
    return [
        (torch.tensor(ids), list(spans), list(sentinels)),
        (list(ids), list(spans), list(sentinels)),
        (torch.tensor(ids), list(spans), torch.tensor(sentinels)),
    ]


def as_ids(value: Any) -> list[int] | None:
    """A sequence of ids as a list of ints; None when it is anything else."""
    if isinstance(value, Tensor):
        integers = not (value.is_floating_point() or value.is_complex())
        return value.tolist() if value.dim() == 1 and integers else None
    if not isinstance(value, (list, tuple)):
        return None
    plain = [v.item() if isinstance(v, Tensor) and v.numel() == 1 else v for v in value]
    whole = [v for v in plain if isinstance(v, int) and not isinstance(v, bool)]
    return whole if len(whole) == len(plain) else None


def corrupted(
    function: Callable[..., Any],
    ids: Sequence[int],
    spans: Sequence[tuple[int, int]],
    sentinels: Sequence[int],
    expected: tuple[list[int], list[int]],
) -> tuple[list[int], list[int]]:
    """The student's (inputs, targets) as two lists of ints; fails the check in words otherwise."""

    def right(value: Any) -> bool:
        pair = isinstance(value, (tuple, list)) and len(value) == 2
        return pair and (as_ids(value[0]), as_ids(value[1])) == expected

    value = first_right(function, span_forms(ids, spans, sentinels), right)
    expect(
        isinstance(value, (tuple, list)) and len(value) == 2,
        f"span_corruption must return (inputs, targets), but it returned a {type(value).__name__}.",
    )
    inputs, targets = as_ids(value[0]), as_ids(value[1])
    expect(
        inputs is not None and targets is not None,
        "inputs and targets must each be one flat sequence of integer ids (a one-dimensional "
        "integer tensor or a list of ints).",
    )
    return inputs or [], targets or []

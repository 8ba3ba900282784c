"""Hidden checks of ``next_sentence_pairs``.

The task leaves open how many pairs a document gives: one a pair of neighbours, one for every other
sentence, one a document, or both a true and a false one. The checks accept all of these.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from autograder.checks.objectives.base import suite
from course.checks.base import Draw, expect
from course.checks.live import call_and_keep
from course.checks.objectives_toys import (
    as_pairs,
    calls_with_one_generator,
    generator,
    place_of,
    write_documents,
)


@suite.check("next_sentence_pairs", points=2)
def half_of_the_pairs_are_true(student: Any, draw: Draw) -> None:
    """About half of the pairs are true."""
    documents = write_documents(*[4] * 250)
    pairs = as_pairs(student(documents, generator(draw.integer(0, 9999))), documents)
    count, true = len(pairs), sum(is_next for _, _, is_next in pairs)
    # Six sigma of a fair coin: a right answer fails with probability 2e-9. An exact half passes.
    slack = 6 * math.sqrt(count) / 2
    expect(
        count and abs(true - count / 2) <= slack,
        f"{true} of {count} pairs are marked True: on average half should be "
        f"(here {count / 2:g} ± {slack:.0f}).",
    )


@suite.check("next_sentence_pairs")
def both_kinds_occur_within_a_document(student: Any, draw: Draw) -> None:
    """The coin is flipped anew for each pair, not once a document or a call."""
    documents = write_documents(*[61] * 6)
    place = place_of(documents)
    pairs = as_pairs(student(documents, generator(draw.integer(0, 9999))), documents)
    for number in range(len(documents)):
        labels = [is_next for first, _, is_next in pairs if place[first][0] == number]
        # All of 30 or more fair coins alike: probability 2 · 6 · 2^-30 = 1e-8 in all.
        expect(
            len(labels) < 30 or len(set(labels)) == 2,
            f"All {len(labels)} pairs that start in document {number} are {labels[:1]}: decide "
            "anew for every pair.",
        )


@suite.check("next_sentence_pairs")
def every_place_can_be_true_or_false(student: Any, draw: Draw) -> None:
    """Chance decides which pairs are true: no place is always true or always false."""
    documents = write_documents(5, 4, 6)
    labels: dict[str, list[bool]] = {}
    for seed in range(60):
        for first, _, is_next in as_pairs(student(documents, generator(seed)), documents):
            labels.setdefault(first, []).append(is_next)
    ends = {document[-1] for document in documents}
    for first, found in labels.items():
        # 40 fair coins alike: 12 places · 2 · 2^-40 = 2e-11.
        expect(
            first in ends or len(found) < 40 or len(set(found)) == 2,
            f"The pairs that start with {first!r} are always {found[0]}: toss a coin for each pair "
            "instead of taking turns.",
        )


@suite.check("next_sentence_pairs")
def true_pairs_in_documents_of_all_lengths(student: Any, draw: Draw) -> None:
    """True pairs are neighbours in one document, whatever the lengths of the documents."""
    documents = write_documents(*[draw.integer(1, 7) for _ in range(12)], 5, 1, 2)
    place = place_of(documents)
    for seed in range(8):
        pairs = as_pairs(student(documents, generator(seed)), documents)
        for first, second, is_next in pairs:
            (d, i), (e, j) = place[first], place[second]
            if is_next and d == e and i == len(documents[d]) - 1:
                expect(
                    False,
                    f"A document's last sentence ({i}) has no successor, but you pair it with {j}.",
                )
            expect(
                not is_next or (d == e and j == i + 1),
                f"A pair marked True joins sentence {i} of document {d} and sentence {j} of "
                f"document {e}; it must join neighbours, in order.",
            )


@suite.check("next_sentence_pairs")
def false_pairs_never_stay_in_the_document(student: Any, draw: Draw) -> None:
    """No false pair stays in one document, wherever the document stands in the list."""
    documents = write_documents(*[draw.integer(2, 30) for _ in range(4)])
    place = place_of(documents)
    for seed in range(8):
        pairs = as_pairs(student(documents, generator(seed)), documents)
        for first, second, is_next in pairs:
            d, e = place[first][0], place[second][0]
            expect(
                is_next or d != e,
                f"A pair marked False has both sentences from document {d}: exclude the document "
                "itself when you draw the second.",
            )


@suite.check("next_sentence_pairs")
def any_sentence_elsewhere_can_be_drawn(student: Any, draw: Draw) -> None:
    """Every sentence of every other document can be the second of a false pair."""
    documents = write_documents(4, 2, 3)
    place = place_of(documents)
    seen = set()
    for seed in range(60):
        for first, second, is_next in as_pairs(student(documents, generator(seed)), documents):
            if not is_next:
                seen.add((place[first][0], *place[second]))
    wanted = {(d, *p) for d in range(3) for p in place.values() if p[0] != d}
    # Document 1 starts the fewest pairs: 60 coins give 30 false ones of 7 sentences each. Asking
    # for every sentence of every start would be unfair, so sum over the starts: a sentence is
    # drawn at least 60 · 2 · 1/2 times on average at 1/8 or more: (7/8)^60 · 9 = 3e-3; hence the
    # second round below, which runs only when something is missing.
    if {w[1:] for w in seen} != set(place.values()) or {w[:2] for w in seen} != {
        w[:2] for w in wanted
    }:
        seen |= _more(student, documents)
    missing = {w[1:] for w in wanted} - {s[1:] for s in seen}
    expect(
        not missing,
        f"In many draws sentence {[m[1] for m in missing][:1]} of document "
        f"{[m[0] for m in missing][:1]} never was the second of a false pair: draw from all "
        "sentences of all other documents.",
    )
    routes = {w[:2] for w in wanted} - {s[:2] for s in seen}
    expect(
        not routes,
        f"In many draws document {[r[0] for r in routes][:1]} never was paired with document "
        f"{[r[1] for r in routes][:1]}: every other document must be possible.",
    )


def _more(student: Any, documents: list[list[str]]) -> set[tuple[int, int, int]]:
    place, seen = place_of(documents), set()
    # 400 more calls: (7/8)^400 and (3/4)^200 are below 1e-20.
    for seed in range(60, 460):
        for first, second, is_next in as_pairs(student(documents, generator(seed)), documents):
            if not is_next:
                seen.add((place[first][0], *place[second]))
    return seen


@suite.check("next_sentence_pairs")
def documents_are_used_to_their_ends(student: Any, draw: Draw) -> None:
    """The first and the last pair of neighbours occur, in documents of two sentences too."""
    documents = write_documents(6, 2, 6)
    place = place_of(documents)
    seen: set[tuple[int, int]] = set()
    # One pair a document at a random place is true and at this place with probability 1/10:
    # 0.9^300 = 2e-14. Most answers are done after the first few calls.
    for seed in range(300):
        pairs = as_pairs(student(documents, generator(seed)), documents)
        seen |= {place[first] for first, _, is_next in pairs if is_next}
        if {(0, 0), (0, 4), (1, 0), (2, 0), (2, 4)} <= seen:
            return
    expect((1, 0) in seen, "A document of two sentences never gives its true pair.")
    expect((2, 0) in seen, "The first two sentences of the last document never are a true pair.")
    expect(
        False,
        "In documents of six sentences the pair of the first two or of the last two never "
        "occurs: mind where your loop starts and stops.",
    )


@suite.check("next_sentence_pairs")
def documents_of_one_sentence_are_served(student: Any, draw: Draw) -> None:
    """A document of one sentence gives no true pair and stops nothing."""
    documents = write_documents(1, 3, 1, 5)
    place = place_of(documents)
    for seed in range(20):
        for first, second, is_next in as_pairs(student(documents, generator(seed)), documents):
            d, e = place[first][0], place[second][0]
            expect(
                not is_next or (len(documents[d]) > 1 and len(documents[e]) > 1),
                "A document of one sentence is part of a true pair, but it has no neighbours.",
            )


@suite.check("next_sentence_pairs", points=2)
def the_generator_decides(student: Any, draw: Draw) -> None:
    """The same generator state gives the same pairs, another one gives others."""
    documents = write_documents(*[21] * 10)
    seed = draw.integer(0, 9999)
    first = as_pairs(student(documents, generator(seed)), documents)
    again = as_pairs(student(documents, generator(seed)), documents)
    expect(
        first == again,
        "Two generators with one seed gave different pairs: pass `generator=generator` to every "
        "draw, and keep nothing from call to call.",
    )
    # Answers with one pair a document still have 10 coins and 10 draws of 189 sentences.
    others = [as_pairs(student(documents, generator(seed + k)), documents) for k in (1, 2, 3)]
    expect(
        any(other != first for other in others),
        "Generators with different seeds gave the same pairs: draw from the generator that is "
        "passed.",
    )


@suite.check("next_sentence_pairs")
def the_generator_advances(student: Any, draw: Draw) -> None:
    """One generator gives new pairs at every call, and the global random state is not touched."""
    documents = write_documents(*[21] * 10)
    seed = draw.integer(0, 9999)
    results, states, hashes = calls_with_one_generator(student, documents, seed, 4)
    pairs = [as_pairs(result, documents) for result in results]
    expect(
        any(other != pairs[0] for other in pairs[1:]),
        "Four calls with one generator gave the same pairs: draw from the generator itself "
        "instead of starting again from its seed.",
    )
    expect(
        torch.equal(states[0], states[1]) and hashes[0] == hashes[1],
        "The global random state changed: draw from `generator` alone, and seed nothing.",
    )


@suite.check("next_sentence_pairs")
def documents_stay_as_they_are(student: Any, draw: Draw) -> None:
    """The documents are not changed."""
    documents = write_documents(3, 4, 2)
    _, args, _ = call_and_keep(student, [write_documents(3, 4, 2), generator(1)], {})
    expect(
        [list(document) for document in args[0]] == documents,
        "The documents are different after the call: work on a copy, do not pop or shuffle.",
    )

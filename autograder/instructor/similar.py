"""Pairs of submissions that are alike although the class is not.

Fingerprints by winnowing (Schleimer, Wilkerson and Aiken 2003, "Winnowing: Local Algorithms for
Document Fingerprinting"), over tokens with every name written alike: renaming variables and moving
functions hides nothing. What the released text or much of the class has too is left out.
"""

from __future__ import annotations

import io
import keyword
import tokenize
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

GRAM = 12  # tokens in a row
WINDOW = 6  # of that many grams in a row at least one is kept
COMMON = 0.25  # what a quarter of the class wrote is nobody's own
FEW = 3  # a gram is common only when more students than this have it
LEAST = 8  # a pair with fewer own fingerprints in common tells nothing
LIKE = 0.5
SKIPPED = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}


@dataclass(frozen=True)
class Pair:
    """Two students and the share of the smaller one's own fingerprints that both have."""

    first: str
    second: str
    share: float
    common: int


def tokens(source: str) -> list[str]:
    """The tokens of Python text; names that are no keywords become one; broken text by words."""
    found = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
                found.append("name")
            elif token.type == tokenize.STRING:
                found.append("text")
            elif token.type not in SKIPPED:
                found.append(token.string)
    except (tokenize.TokenError, IndentationError, SyntaxError):
        return source.split()
    return found


def fingerprints(source: str) -> set[int]:
    """Winnowed hashes of the token grams of a source."""
    words = tokens(source)
    grams = [hash(tuple(words[i : i + GRAM])) for i in range(len(words) - GRAM + 1)]
    if len(grams) <= WINDOW:
        return set(grams)
    return {min(grams[i : i + WINDOW]) for i in range(len(grams) - WINDOW + 1)}


def similar_pairs(answers: Mapping[str, str], released: str = "") -> list[Pair]:
    """The pairs that share at least half of what is their own, most alike first."""
    given = fingerprints(released)
    own = {student: fingerprints(text) - given for student, text in answers.items()}
    counts = Counter(mark for marks in own.values() for mark in marks)
    limit = max(FEW, COMMON * len(own))
    own = {s: {mark for mark in marks if counts[mark] <= limit} for s, marks in own.items()}
    found = []
    for first, second in combinations(sorted(own), 2):
        common = len(own[first] & own[second])
        if common >= LEAST:
            share = common / min(len(own[first]), len(own[second]))
            if share >= LIKE:
                found.append(Pair(first, second, share, common))
    return sorted(found, key=lambda pair: (-pair.share, -pair.common))

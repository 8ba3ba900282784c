"""Visible checks of group_into_blocks and sentence_pairs."""

from __future__ import annotations

from typing import Any

from course.checks.base import Draw, expect
from course.checks.finetuning.common import (
    BLOCKS,
    PAIRS,
    a_stream,
    a_text,
    as_blocks,
    as_pairs,
    cut,
    suite,
)


@suite.check(BLOCKS, points=2)
def texts_are_concatenated(student: Any, draw: Draw) -> None:
    """All tokens form one row, text after text, and the blocks are cut from that row."""
    lists = a_stream(draw, 7, 2, 13, 2)
    stream = [token for tokens in lists for token in tokens]
    alone = [block for tokens in lists for block in cut(tokens, 6)]
    found = as_blocks(student(lists, 6))
    flat = [token for block in found for token in block]
    expect(
        found != alone,
        "Each text is cut for itself, so the ends of all texts are lost: concatenate the lists "
        "first, then cut.",
    )
    expect(found != lists, "The lists came back as they were: cut blocks of block_size tokens.")
    expect(
        flat[:6] == stream[:6],
        f"The first block is {flat[:6]}, but the first 6 tokens of all texts are {stream[:6]}.",
    )
    expect(
        set(flat) <= set(stream),
        "The blocks hold ids that are in no text: put nothing between the texts, and no padding.",
    )
    expect(
        flat[:24] == stream,
        f"The blocks read {flat[6:14]}... after the first one, but the texts go on "
        f"{stream[6:14]}...: side by side, without gap or overlap.",
    )


@suite.check(BLOCKS)
def remainder_is_dropped(student: Any, draw: Draw) -> None:
    """Every block has exactly block_size tokens; what is left over is dropped."""
    for lengths, size in (((5, 6), 4), ((9, 9, 2), 7)):
        lists = a_stream(draw, *lengths)
        start = lists[0][0]
        found = as_blocks(student(lists, size))
        sizes = [len(block) for block in found]
        total = sum(lengths)
        expect(
            all(length == size for length in sizes),
            f"With block_size={size} the blocks have {sizes} tokens: drop the remainder of "
            f"{total % size} tokens instead of keeping a short block.",
        )
        expect(
            len(found) == total // size,
            f"{total} tokens give {len(found)} blocks of {size}, but {total // size} whole ones "
            "fit: drop what is left over, and nothing else.",
        )
        expect(
            found[0][0] == start,
            f"The first block begins with {found[0][0]} instead of the first token, {start}: the "
            "remainder is what is left over at the end.",
        )


@suite.check(PAIRS, points=2)
def first_two_sentences(student: Any, draw: Draw) -> None:
    """Each text gives its first two sentences as a pair, with their punctuation."""
    texts = [a_text(draw, "..."), a_text(draw, "!?."), a_text(draw, "?!!.")]
    found = as_pairs(student([" ".join(sentences) for sentences in texts]))
    wanted = [(sentences[0], sentences[1]) for sentences in texts]
    bare = [(first.rstrip(".!?"), second.rstrip(".!?")) for first, second in found]
    expect(
        len(found) == 3,
        f"Three texts of three or four sentences give {len(found)} pairs: make one pair a text, "
        "of its first two sentences.",
    )
    expect(
        found == wanted or bare != [(a.rstrip(".!?"), b.rstrip(".!?")) for a, b in wanted],
        f"The punctuation is not as in the text: {found[0]} should be {wanted[0]}.",
    )
    expect(
        found != [(second, first) for first, second in wanted],
        f"The sentences of each pair are swapped: {found[0]} should be {wanted[0]}.",
    )
    expect(
        found != [(sentences[-2], sentences[-1]) for sentences in texts],
        "These are the last two sentences of each text: take the first two.",
    )
    wrong = next((i for i in range(3) if found[i] != wanted[i]), 0)
    expect(
        found == wanted,
        f"A text that begins {' '.join(wanted[wrong])!r} gives {found[wrong]}: split it where "
        "., ! or ? is followed by white space.",
    )


@suite.check(PAIRS)
def texts_without_two_are_skipped(student: Any, draw: Draw) -> None:
    """A text with fewer than two sentences gives no pair."""
    one, two = a_text(draw, "."), a_text(draw, ".!")
    found = as_pairs(student([one[0], " ".join(two), "", one[0]]))
    expect(
        len(found) <= 1,
        f"Of four texts only one has two sentences, but there are {len(found)} pairs, such as "
        f"{found[:1]}: pass over the others.",
    )
    expect(found == [(two[0], two[1])], "The text that has just two sentences gives no pair.")

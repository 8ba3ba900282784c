"""Hidden checks of group_into_blocks."""

from __future__ import annotations

from typing import Any

from autograder.checks.finetuning.suite import suite
from course.checks import live
from course.checks.base import Draw, expect
from course.checks.finetuning.common import BLOCKS, a_stream, as_blocks, cut


@suite.check(BLOCKS)
def last_full_block_is_kept(student: Any, draw: Draw) -> None:
    """When the tokens divide evenly, the last block is there too."""
    lists = a_stream(draw, 5, 7)
    found = as_blocks(student(lists, 4))
    expect(all(map(any, found)), "A block holds nothing but zeros, though no text has the id 0.")
    expect(
        len(found) >= 3,
        f"12 tokens give {len(found)} blocks of 4: the last one is full and must be kept. A range "
        "over the starts must reach it.",
    )
    expect(len(found) == 3, f"12 tokens make 3 blocks of 4, but there are {len(found)}.")


@suite.check(BLOCKS)
def too_few_tokens_give_no_block(student: Any, draw: Draw) -> None:
    """Fewer tokens than one block give no block at all."""
    expect(
        as_blocks(student(a_stream(draw, 5, 3), 8)),
        "8 tokens give no block of 8: they are one block. Only fewer give none.",
    )
    for lengths in ((3, 2), (0,), ()):
        found = as_blocks(student(a_stream(draw, *lengths), 8))
        expect(
            found == [],
            f"{sum(lengths)} tokens give {len(found)} block(s) of 8: the remainder is dropped "
            "even when it is all there is.",
        )


@suite.check(BLOCKS)
def short_texts_are_used(student: Any, draw: Draw) -> None:
    """Texts shorter than a block, empty ones too, take part like all others."""
    lists = a_stream(draw, 2, 0, 1, 9, 3, 0, 1)
    stream = [token for tokens in lists for token in tokens]
    found = as_blocks(student([list(tokens) for tokens in lists], 4))
    flat = [token for block in found for token in block]
    expect(
        all(len(block) == 4 for block in found),
        f"The blocks have {[len(block) for block in found]} tokens: put the texts together, and "
        "cut blocks of 4.",
    )
    missing = len(set(stream) - set(flat))
    expect(
        flat == stream,
        f"From texts of 2, 0, 1, 9, 3, 0 and 1 tokens come {len(found)} blocks of 4, and "
        f"{missing} ids are missing: a short text lends its tokens to the next block.",
    )


@suite.check(BLOCKS)
def every_token_counts(student: Any, draw: Draw) -> None:
    """Id 0 and repeated ids are tokens like any other, and stay in their order."""
    lists = [[0, 7, 7, 0], [7, 0, 0, 3, 3], draw.integers(0, 3, 15).tolist()]
    stream = [token for tokens in lists for token in tokens]
    found = as_blocks(student(lists, 8))
    expect(
        found == cut(stream, 8),
        f"From {stream[:9]}... comes the first block {found[0] if found else None}: no id may be "
        "left out, moved or merged with its equals.",
    )


@suite.check(BLOCKS)
def any_block_size(student: Any, draw: Draw) -> None:
    """block_size may be 1, a large number, or all tokens."""
    lists = a_stream(draw, 150, 1, 149)
    stream = [token for tokens in lists for token in tokens]
    for size in (1, 2, 128, 299, 300):
        found = as_blocks(student([list(tokens) for tokens in lists], size))
        expect(
            found == cut(stream, size),
            f"300 tokens with block_size={size} give {len(found)} blocks, the first of "
            f"{len(found[0]) if found else 0} tokens; due are {300 // size}, cut from the start.",
        )


@suite.check(BLOCKS)
def token_lists_stay_as_they_are(student: Any, draw: Draw) -> None:
    """The lists that come in are not changed."""
    lists = a_stream(draw, 5, 3, 6)
    copies = [list(tokens) for tokens in lists]
    first, args, _ = live.call_and_keep(student, [lists, 4], {})
    expect(
        list(args[0]) == copies,
        "token_lists were changed by the call (extend and += work in place): begin with a new "
        "empty list.",
    )
    expect(
        as_blocks(student(copies, 4)) == as_blocks(first),
        "A second call with the same lists gives another result: keep nothing between calls.",
    )

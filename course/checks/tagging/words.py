"""Visible checks of read_conll and align_labels."""

from __future__ import annotations

from typing import Any

from course.checks import tagging_toys as toys
from course.checks.base import Draw, expect
from course.checks.tagging.common import ALIGN, READ, suite


@suite.check(READ)
def sentences_are_pairs(student: Any, draw: Draw) -> None:
    """It returns a list with one pair (words, tags) a sentence, two lists of equal length."""
    found = toys.read(student, toys.lines_of(toys.a_text(draw)))
    expect(len(found) > 0, "It returns an empty list for a file with three sentences.")
    for words, tags in found:
        expect(
            len(words) == len(tags),
            f"A sentence has {len(words)} words and {len(tags)} tags: one tag a word.",
        )


@suite.check(READ, points=2)
def a_blank_line_ends_a_sentence(student: Any, draw: Draw) -> None:
    """A blank line ends a sentence; all words come, in order."""
    text = toys.a_text(draw)
    found = toys.words_of(toys.read(student, toys.lines_of(text)))
    wanted = toys.words_of(text)
    found = [words for words in found if words]
    expect(
        len(found) != 1,
        "Three sentences came back as one: a blank line ends a sentence.",
    )
    expect(
        found != wanted[:-1],
        "The last sentence is missing: hand it over at the end of the file too.",
    )
    expect(
        found == wanted,
        f"Sentences of {[len(w) for w in wanted]} words came back as {str(found)[:90]}.",
    )


@suite.check(READ)
def the_tag_is_the_last_column(student: Any, draw: Draw) -> None:
    """The word is the first column of a line, its tag the last one."""
    text = toys.a_text(draw, (5,))
    words, tags = toys.read(student, toys.lines_of(text))[0]
    expect(words == text[0][0], f"The words are {words[:3]}, not the first column.")
    expect(
        tags != ["NN"] * 5 and tags != ["I-NP"] * 5,
        f"The tags are {tags[:2]}: that is part of speech or chunk; the entity is the last column.",
    )
    expect(tags == text[0][1], f"The tags are {tags}, but the last column says {text[0][1]}.")


@suite.check(READ)
def docstart_is_left_out(student: Any, draw: Draw) -> None:
    """A line -DOCSTART- and the blank line after it give neither a word nor a sentence."""
    text = toys.a_text(draw)
    found = toys.read(student, ["-DOCSTART- -X- -X- O", "", *toys.lines_of(text)])
    words = toys.words_of(found)
    expect(
        not any("-DOCSTART-" in sentence for sentence in words),
        "-DOCSTART- came back as a word: it marks a new document, leave its line out.",
    )
    expect([] not in words, "The blank line after -DOCSTART- came back as an empty sentence.")
    expect(
        len(found) == len(text),
        f"A file of {len(text)} sentences after -DOCSTART- came back as {len(found)}.",
    )


@suite.check(ALIGN)
def special_tokens_get_no_label(student: Any, draw: Draw) -> None:
    """Tokens without a word, special ones and padding, get -100."""
    labels = [draw.integer(1, 8) for _ in range(3)]
    found = toys.align(student, labels, [None, 0, 1, 2, None, None])
    special = [found[i] for i in (0, 4, 5)]
    expect(
        special != [0, 0, 0],
        "Special tokens get the label 0, which is a class of its own (O): give them -100, which "
        "the loss leaves out.",
    )
    expect(special == [-100] * 3, f"[CLS], [SEP] and [PAD] get {special}: they get -100.")


@suite.check(ALIGN, points=2)
def later_pieces_get_no_label(student: Any, draw: Draw) -> None:
    """The first piece of a word gets the word's label, the pieces after it get -100."""
    labels = [draw.integer(1, 8) for _ in range(4)]
    word_ids = [None, 0, 1, 1, 1, 2, 3, 3, None]
    found, wanted = toys.align(student, labels, word_ids), toys.aligned(labels, word_ids)
    expect(
        found != toys.aligned(labels, word_ids, every=True),
        "Later pieces of a word have its label too: they get -100 unless label_all_pieces is true.",
    )
    expect(
        [found[i] for i in (3, 4, 7)] == [-100] * 3,
        f"Later pieces of a word get {[found[i] for i in (3, 4, 7)]}: they get -100.",
    )
    expect(
        [found[i] for i in (1, 2, 5, 6)] == labels,
        f"The first pieces get {[found[i] for i in (1, 2, 5, 6)]}, but the words have {labels}.",
    )
    expect(found == wanted, f"The labels are {found}, not {wanted}.")


@suite.check(ALIGN)
def all_pieces_on_request(student: Any, draw: Draw) -> None:
    """With label_all_pieces=True every piece of a word has the word's label."""
    labels = [2 * draw.integer(1, 4) for _ in range(3)]
    word_ids: list[int | None] = [None, 0, 0, 1, 2, 2, 2, None]
    found = toys.as_labels(student(labels, word_ids, label_all_pieces=True), len(word_ids))
    wanted = toys.aligned(labels, word_ids, every=True)
    expect(
        found != toys.aligned(labels, word_ids),
        "With label_all_pieces=True later pieces still get -100: they get the word's label.",
    )
    expect(
        found[1:-1] == wanted[1:-1],
        f"With label_all_pieces=True the pieces get {found[1:-1]}, not {wanted[1:-1]}.",
    )

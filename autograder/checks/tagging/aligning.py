"""Hidden checks of align_labels."""

from __future__ import annotations

from typing import Any

from autograder.checks.tagging.common import ALIGN, suite
from course.checks import live
from course.checks import tagging_toys as toys
from course.checks.base import Draw, expect

HINT = "word_ids holds a word's number or None for each token; labels are looked up by it."


@suite.check(ALIGN, points=2, hint=HINT)
def the_word_number_decides(student: Any, draw: Draw) -> None:
    """A label is looked up by the word's number, also when a word has no token of its own."""
    labels = draw.permutation(8).tolist()
    for word_ids in (
        [None, 0, 1, 1, 3, 4, 6, 6, None],  # words 2 and 5 vanished in tokenisation
        [None, 3, 3, 4, 5, None],  # a later part of a long sentence
    ):
        found = toys.align(student, labels, word_ids)
        expect(
            found == toys.aligned(labels, word_ids),
            f"With word numbers {word_ids} the labels {labels} become {found}: do not count words, "
            "take word_labels[word_id]. A word may have no token.",
        )


@suite.check(ALIGN, hint=HINT)
def the_first_word_counts(student: Any, draw: Draw) -> None:
    """Word 0 is a word, and label 0 is a label."""
    some = draw.integer(1, 8)
    found = toys.align(student, [some, 0, some], [None, 0, 1, 2, None])
    expect(
        found[1] == some,
        f"The first word gets {found[1]} instead of {some}: its number is 0, which is false in "
        "Python. Ask `word_id is None`.",
    )
    expect(
        found[2] == 0,
        f"A word of label 0 gets {found[2]}: O is a class like any other, only tokens without a "
        "word and later pieces get -100.",
    )


@suite.check(ALIGN, points=2, hint=HINT)
def labels_are_handed_on_as_they_are(student: Any, draw: Draw) -> None:
    """With label_all_pieces later pieces have the very label of the word, B- stays B-."""
    labels = draw.permutation(9).tolist()
    word_ids = [None, *[word for word in range(9) for _ in range(2)], None]
    found = toys.align(student, labels, word_ids, True)
    changed = [(labels[i // 2], v) for i, v in enumerate(found[1:-1]) if v != labels[i // 2]]
    expect(
        not any(new == old + 1 for old, new in changed),
        f"A later piece of a word with label {changed[:1] and changed[0][0]} gets "
        f"{changed[:1] and changed[0][1]} (B- turned into I-): it gets the word's label as it is.",
    )
    expect(
        not changed,
        f"With label_all_pieces a piece gets {changed[:1] and changed[0][1]} where the word has "
        f"{changed[:1] and changed[0][0]}.",
    )


@suite.check(ALIGN, hint=HINT)
def special_tokens_never_have_a_label(student: Any, draw: Draw) -> None:
    """With label_all_pieces too, special tokens and padding get -100."""
    labels = [draw.integer(0, 8) for _ in range(3)]
    found = toys.align(student, labels, [None, 0, 0, 1, 2, 2, None, None, None], True)
    special = [found[i] for i in (0, 6, 7, 8)]
    expect(
        special == [-100] * 4,
        f"With label_all_pieces=True [CLS], [SEP] and padding get {special}: they are no pieces "
        "of a word, so -100.",
    )


@suite.check(ALIGN, hint=HINT)
def padding_on_either_side(student: Any, draw: Draw) -> None:
    """Padding may stand on the left; a sentence may have no special tokens at all."""
    labels = [draw.integer(0, 8) for _ in range(3)]
    rows: list[list[int | None]] = [
        [None, None, None, 0, 0, 1, 2, None],
        [0, 1, 1, 2],
        [None, None, 0, 1, 2, 2],
    ]
    for word_ids in rows:
        found = toys.align(student, labels, word_ids)
        expect(
            found == toys.aligned(labels, word_ids),
            f"Labels {labels} with word numbers {word_ids} become {found}: tokens without a word "
            "are those whose number is None, wherever they stand.",
        )


@suite.check(ALIGN, hint=HINT)
def a_sentence_may_be_cut(student: Any, draw: Draw) -> None:
    """When a sentence was truncated, there is a label for each token, not for each word."""
    labels = [draw.integer(0, 8) for _ in range(9)]
    word_ids = [None, 0, 1, 1, 2, None]
    found = student(list(labels), list(word_ids))
    expect(
        isinstance(found, list) and len(found) == len(word_ids),
        f"6 tokens of a cut sentence of 9 words get {len(found)} labels: one for each token.",
    )
    found = toys.as_labels(found, len(word_ids))
    expect(found == toys.aligned(labels, word_ids), f"A cut sentence gets the labels {found}.")


@suite.check(ALIGN, hint=HINT)
def neighbours_may_have_one_label(student: Any, draw: Draw) -> None:
    """Two words with the same label are two words."""
    label = draw.integer(0, 8)
    word_ids = [None, 0, 1, 2, 2, 3, None]
    found = toys.align(student, [label] * 4, word_ids)
    expect(
        [found[i] for i in (1, 2, 3, 5)] == [label] * 4,
        f"Four words with the label {label} get {found}: a new word begins where the word's "
        "number changes, not where the label does.",
    )


@suite.check(ALIGN, hint=HINT)
def any_tokenisation(student: Any, draw: Draw) -> None:
    """Random sentences agree with a search by hand, with and without label_all_pieces."""
    for every in (False, True, False, True):
        labels = [draw.integer(0, 8) for _ in range(7)]
        word_ids = toys.a_tokenisation(draw, 7, dropped=0.2)
        found = toys.align(student, labels, word_ids, every)
        wanted = toys.aligned(labels, word_ids, every)
        expect(
            found == wanted,
            f"Labels {labels}, word numbers {word_ids}, label_all_pieces={every}: {found}.",
        )


@suite.check(ALIGN, hint=HINT)
def pieces_without_words(student: Any, draw: Draw) -> None:
    """A sentence without words gets -100 for each token."""
    found = toys.align(student, [], [None, None, None])
    expect(found == [-100] * 3, f"Three special tokens without any word get {found}, not -100.")


@suite.check(ALIGN)
def arguments_stay_as_they_are(student: Any, draw: Draw) -> None:
    """The labels and the word numbers are not changed, and two calls agree."""
    labels = [draw.integer(0, 8) for _ in range(4)]
    word_ids = toys.a_tokenisation(draw, 4)
    first, args, _ = live.call_and_keep(student, [list(labels), list(word_ids)], {})
    expect(
        args[0] == labels and args[1] == word_ids,
        "word_labels or word_ids was changed in place (pop, insert?): build a new list.",
    )
    second = student(list(labels), list(word_ids))
    expect(
        toys.as_labels(second, len(word_ids)) == toys.as_labels(first, len(word_ids)),
        "A second call gives other labels: keep nothing between calls.",
    )

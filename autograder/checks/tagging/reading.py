"""Hidden checks of read_conll: the files that one meets."""

from __future__ import annotations

from typing import Any

from autograder.checks.tagging.common import READ, suite
from course.checks import live
from course.checks import tagging_toys as toys
from course.checks.base import Draw, expect


def lengths(sentences: toys.Sentences) -> list[int]:
    """The number of words of each sentence, empty ones left out."""
    return [len(words) for words, _ in sentences if words]


def words_read(student: Any, lines: list[str]) -> list[list[str]]:
    """The words of the sentences that are not empty."""
    return [words for words in toys.words_of(toys.read(student, lines)) if words]


@suite.check(READ, points=2)
def the_last_sentence_counts(student: Any, draw: Draw) -> None:
    """A last sentence without a blank line after it is read too."""
    for sizes in ((3, 2), (1,)):
        text = toys.a_text(draw, sizes)
        found = words_read(student, toys.lines_of(text)[:-1])
        expect(
            found == toys.words_of(text),
            f"Without a blank line at the end of the file, {len(text)} sentence(s) came back as "
            f"{len(found)}: hand the last one over after the loop.",
        )


@suite.check(READ)
def no_sentence_is_empty(student: Any, draw: Draw) -> None:
    """Several blank lines, wherever they stand, give no empty sentence."""
    text = toys.a_text(draw)
    one, two, three = (toys.rows_of(sentence) for sentence in text)
    places = {
        "at the start": ["", "", *one, "", *two, "", *three, ""],
        "between sentences": [*one, "", "", *two, "", "", "", *three, ""],
        "at the end": [*one, "", *two, "", *three, "", "", ""],
        "after the last sentence": [*one, "", *two, "", *three, ""],
    }
    for place, lines in places.items():
        empty = sum(not words for words, _ in toys.read(student, lines))
        expect(
            empty == 0,
            f"Blank lines {place} give {empty} empty sentence(s): hand a sentence over only when "
            "it has words.",
        )


@suite.check(READ)
def blank_lines_may_hold_spaces(student: Any, draw: Draw) -> None:
    """A line of spaces is a blank line."""
    text = toys.a_text(draw)
    one, two, three = (toys.rows_of(sentence) for sentence in text)
    found = toys.read(student, [*one, "  ", *two, " \n", *three, "   \n"])
    expect(
        lengths(found) == lengths(text),
        f"With spaces in blank lines, sentences of {lengths(text)} words came back as "
        f"{lengths(found)}: look at line.split() or line.strip(), not at line == ''.",
    )


@suite.check(READ)
def line_ends_do_not_matter(student: Any, draw: Draw) -> None:
    """Lines may end with nothing, with a newline or as on Windows; tags hold none of it."""
    text = toys.a_text(draw)
    ends = {"no line end": "", "\\n": "\n", "\\r\\n": "\r\n"}
    lines = toys.lines_of(text)
    files = {name: toys.read(student, [x + end for x in lines]) for name, end in ends.items()}
    if all(found == files["no line end"] for found in files.values()):
        return  # other mistakes are other checks' business
    name, found = next((name, found) for name, found in files.items() if found != text)
    expect(
        lengths(found) == lengths(text),
        f"With {name} at the end of lines, sentences of {lengths(text)} words came back as "
        f"{lengths(found)}: strip the line first.",
    )
    expect(
        False,
        f"With {name} at the end of lines a tag reads {found[0][1][0]!r}, with another line end it "
        "does not: strip the whole line end.",
    )


@suite.check(READ, points=2, hint="A quote is a word: split at spaces, without csv or shlex.")
def quotes_are_words(student: Any, draw: Draw) -> None:
    """A quotation mark is a word like any other."""
    quoted = ['"', "Yes", '"', ",", "said", "'", "Bo", "'s", '"', '5"', "``", "."]
    text: toys.Sentences = [(quoted, ["O"] * 12), (['"', "No"], ["O", "B-PER"])]
    for fill in (("NN", "I-NP"), ('"', "O")):
        found = words_read(student, toys.lines_of(text, fill))
        expect(
            found != [[w for w in words if w != '"'] for words, _ in text],
            "Quotation marks are missing: each is a word with a tag of its own.",
        )
        expect(
            found == toys.words_of(text),
            f"With quotation marks the words read {str(found)[:80]}: a line is columns between "
            "spaces, quotes mean nothing (no csv, no strip of quotes).",
        )


@suite.check(READ)
def odd_words_stay(student: Any, draw: Draw) -> None:
    """Words such as #, -, --, O, 1996-08-22 and -based are words."""
    words = ["#", "-", "--", "O", "1996-08-22", "-based", "#1", "//", "%", "0", "B-PER", "...", "É"]
    order = draw.permutation(len(words)).tolist()
    text: toys.Sentences = [([words[i] for i in order], ["O"] * len(words))]
    found = words_read(student, toys.lines_of(text))
    flat = [word for sentence in found for word in sentence]
    lost = [word for word in text[0][0] if word not in flat]
    expect(
        not lost,
        f"The word {lost[:1]} is missing: only -DOCSTART- lines are left out, there are no "
        "comments and no other special words.",
    )
    expect(found == [text[0][0]], f"Odd words came back as {str(found)[:80]}.")


@suite.check(READ)
def columns_may_be_tabs(student: Any, draw: Draw) -> None:
    """Columns may be separated by tabs instead of spaces."""
    text = toys.a_text(draw)
    found = toys.read(student, toys.lines_of(text, gap="\t"))
    expect(
        found == toys.read(student, toys.lines_of(text)),
        f"With tabs between the columns the first sentence reads {str(found[:1])[:80]}: "
        "line.split() splits at spaces and tabs.",
    )


@suite.check(READ, hint="Take columns[-1], whatever the number of columns is.")
def any_number_of_columns(student: Any, draw: Draw) -> None:
    """A file may have two columns, three, five: the tag is always the last."""
    text = toys.a_text(draw)
    for fill in ((), ("NN",), ("NN", "I-NP", "x")):
        tags = toys.tags_of(toys.read(student, toys.lines_of(text, fill)))
        expect(
            tags == toys.tags_of(text),
            f"In a file of {len(fill) + 2} columns the tags read {str(tags)[:60]}: take the last "
            "column, not one of a fixed number.",
        )


@suite.check(READ)
def any_docstart_line(student: Any, draw: Draw) -> None:
    """-DOCSTART- lines are left out whatever their other columns and wherever they stand."""
    text = toys.a_text(draw)
    for rest in (" -X- O O", " O", " -X- -X- O\n"):
        parts = [[f"-DOCSTART-{rest}", "", *toys.rows_of(sentence), ""] for sentence in text]
        found = toys.words_of(toys.read(student, [line for part in parts for line in part]))
        flat = [word for words in found for word in words]
        expect(
            "-DOCSTART-" not in flat,
            f"The line '-DOCSTART-{rest.rstrip()}' came back as a word: look at its first column "
            "alone.",
        )
        expect(
            [words for words in found if words] == toys.words_of(text),
            f"With -DOCSTART- before each of {len(text)} sentences, {len(flat)} words came back.",
        )


@suite.check(READ)
def a_file_may_lack_docstart(student: Any, draw: Draw) -> None:
    """A file without -DOCSTART- loses none of its lines."""
    text = toys.a_text(draw, (3, 2))
    found = words_read(student, toys.lines_of(text))
    kept = sum(map(len, found))
    expect(
        kept == 5 and found[0] == text[0][0],
        f"Of 5 words in a file without -DOCSTART-, {kept} came back: do not skip the first lines "
        "blindly.",
    )


@suite.check(READ)
def words_and_tags_stay_as_they_are(student: Any, draw: Draw) -> None:
    """Words keep their capitals, tags their prefix and their scheme."""
    words = ["McEnroe", "USA", "iPod", "de", "10.5", "U.S.", "Bo"]
    tags = ["I-PER", "B-LOC", "S-MISC", "I-ORG", "O", "E-gene", "B-PER"]
    found = [pair for pair in toys.read(student, toys.lines_of([(words, tags)])) if pair[0]]
    expect(len(found) == 1, f"One sentence came back as {len(found)}.")
    expect(found[0][0] == words, f"The words {words} came back as {found[0][0]}: change nothing.")
    expect(
        found[0][1] == tags,
        f"The tags {tags} came back as {found[0][1]}: the last column is the tag as it stands.",
    )


@suite.check(READ, hint="Read the lines once, with a for loop: a file has no len() and no index.")
def any_iterable_of_lines(student: Any, draw: Draw) -> None:
    """The lines may be an open file or a generator, which can be read only once."""
    text = toys.a_text(draw)
    for factory in ("stream", "opened"):
        lines = live.make(student, f"{toys.HERE}:{factory}", toys.lines_of(text)[:-1])
        found = words_read(student, lines)
        expect(
            found == toys.words_of(text),
            f"From {'a generator' if factory == 'stream' else 'an open file'} the sentences read "
            f"{str(found)[:60]}: go through the lines once, in order.",
        )


@suite.check(READ)
def equal_sentences_all_count(student: Any, draw: Draw) -> None:
    """Sentences and words that occur twice come back twice."""
    once = toys.a_text(draw, (4, 2))
    text = [*once, (["a", "a", "a"], ["O", "O", "O"]), *once]
    found = [pair for pair in toys.read(student, toys.lines_of(text)) if pair[0]]
    expect(
        toys.words_of(found) == toys.words_of(text),
        f"Of {len(text)} sentences, some of them equal, {str(toys.words_of(found))[:70]} came "
        "back: keep every one, with all of its words.",
    )


@suite.check(READ)
def each_file_starts_anew(student: Any, draw: Draw) -> None:
    """Two calls do not know of each other, and the lines are left as they are."""
    one, two = toys.a_text(draw, (2, 3)), toys.a_text(draw, (4,))
    lines = toys.lines_of(one)[:-1]
    first, args, _ = live.call_and_keep(student, [list(lines)], {})
    expect(args[0] == lines, "The list of lines was changed: read it, do not write to it.")
    second = words_read(student, toys.lines_of(two)[:-1])
    expect(
        second == toys.words_of(two),
        f"A second call gives {len(second)} sentences instead of 1: keep nothing between calls (a "
        "list as default argument, a global).",
    )
    again = toys.as_sentences(first)
    expect(toys.words_of(again) == toys.words_of(one), "A call loses sentences of its own file.")

"""Hidden checks of sentence_pairs, on texts where the end of a sentence is beyond doubt."""

from __future__ import annotations

from typing import Any

from autograder.checks.finetuning.suite import suite
from course.checks import live
from course.checks.base import Draw, expect
from course.checks.finetuning.common import PAIRS, a_text, as_pairs


@suite.check(PAIRS)
def one_pair_a_text(student: Any, draw: Draw) -> None:
    """A text of many sentences gives one pair, its first two sentences."""
    sentences = a_text(draw, ".!.?..")
    found = as_pairs(student([" ".join(sentences)]))
    expect(
        len(found) == 1,
        f"A text of six sentences gives {len(found)} pairs: take the first two sentences alone.",
    )
    first, second = found[0]
    expect(
        second.strip() != " ".join(sentences[1:]),
        "The second entry is all the rest of the text: stop after the second sentence.",
    )
    expect(
        found == [(sentences[0], sentences[1])],
        f"The pair is {(first[:30], second[:30])}, not the first two sentences in their order.",
    )


@suite.check(PAIRS)
def all_three_marks_end_a_sentence(student: Any, draw: Draw) -> None:
    """A sentence may end with a full stop, an exclamation mark or a question mark."""
    for ends in (".!", ".?", "!.", "!?", "?.", "?!", "..", "!!", "??"):
        sentences = a_text(draw, ends + ".")
        found = as_pairs(student([" ".join(sentences)]))
        expect(
            found == [(sentences[0], sentences[1])],
            f"With sentences that end in {ends[0]!r} and {ends[1]!r} it gives {found}: all of "
            "., ! and ? end a sentence, and stay where they are.",
        )


@suite.check(PAIRS)
def two_sentences_are_enough(student: Any, draw: Draw) -> None:
    """A text of exactly two sentences gives a pair."""
    texts = [a_text(draw, ends) for ends in ("..", "!?", "?.")]
    found = as_pairs(student([" ".join(text) for text in texts]))
    expect(
        len(found) == 3,
        f"Three texts of exactly two sentences give {len(found)} pairs: two are enough.",
    )
    expect(
        found == [(first, second) for first, second in texts],
        f"A text of two sentences gives {found[0]}, but it should be {tuple(texts[0])}.",
    )


@suite.check(PAIRS)
def sentences_of_two_texts_never_meet(student: Any, draw: Draw) -> None:
    """A pair's two sentences come from one text."""
    texts = [a_text(draw, ends) for ends in (".", "!", "...", "?", "..")]
    found = as_pairs(student([" ".join(text) for text in texts]))
    expect(
        len(found) == 2,
        f"Of texts with 1, 1, 3, 1 and 2 sentences two can give a pair, but {len(found)} come "
        "back: look at each text for itself.",
    )
    expect(
        found == [(texts[2][0], texts[2][1]), (texts[4][0], texts[4][1])],
        "A pair is mixed from two texts: look at each text for itself.",
    )


@suite.check(PAIRS)
def order_and_repetition_stay(student: Any, draw: Draw) -> None:
    """Pairs come in the order of the texts; a text that comes twice gives two pairs."""
    texts = [a_text(draw, "...") for _ in range(5)]
    texts = [*texts, texts[1], texts[1]]
    joined = [" ".join(text) for text in texts]
    result, args, _ = live.call_and_keep(student, [list(joined)], {})
    found = as_pairs(result)
    expect(list(args[0]) == joined, "The list of texts was changed by the call: only look at it.")
    wanted = [(text[0], text[1]) for text in texts]
    expect(
        len(found) == 7,
        f"Seven texts, three of them the same, give {len(found)} pairs: each text gives its own.",
    )
    expect(found == wanted, "The pairs are not in the order of the texts.")


@suite.check(PAIRS)
def no_white_space_around(student: Any, draw: Draw) -> None:
    """Sentences carry no white space around them, and white space is no sentence."""
    one, two = a_text(draw, "."), a_text(draw, "!.")
    found = as_pairs(student([f"  {two[0]} {two[1]} \n", f" {one[0]}  "]))
    expect(
        len(found) < 2,
        f"A text with one sentence and spaces after it gives the pair {found[-1:]}: the space is "
        "no sentence.",
    )
    expect(
        found == [(two[0], two[1])],
        f"The pair is {found[0] if found else None}: take off the white space around both "
        "sentences; perplexity adds the leading space itself.",
    )


@suite.check(PAIRS)
def line_breaks_are_white_space(student: Any, draw: Draw) -> None:
    """A line break separates two sentences as well as a space."""
    for ends, space in (("..", "\n"), ("!?", "\n"), ("?.", "\n\n"), (".!", "  ")):
        first, second = a_text(draw, ends)
        found = as_pairs(student([first + space + second]))
        expect(
            found == [(first, second)],
            f"Two sentences with {space!r} between them give {found}: any white space after the "
            "mark ends a sentence, and belongs to neither.",
        )


@suite.check(PAIRS)
def words_stay_as_they_are(student: Any, draw: Draw) -> None:
    """Words, small and capital letters, commas and quotation marks inside a sentence stay."""
    first, second = (
        f'{name} said, "it is late", and went; {draw.choice(["nobody", "who", "she"])} knew: why'
        for name in draw.choice([("Anna", "Gerda"), ("Kay", "McDonald"), ("The DJ", "Sir-Tom")])
    )
    found = as_pairs(student([f"{first}! {second}. The End."]))
    expect(
        found == [(first + "!", second + ".")],
        f"{(first + '!', second + '.')} comes back as {found[:1]}: copy both sentences out of the "
        "text, letter by letter.",
    )

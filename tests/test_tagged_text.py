"""The view of tagged text: its entities, its verdicts, its HTML."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from seqeval.metrics.sequence_labeling import get_entities

from course.views.tagged_text import (
    COLOURS,
    GREY,
    SPARE,
    Entity,
    TaggedText,
    entities,
    tagged_text_data,
)

WORDS = ["Ada", "Berg", "left", "Oslo", "for", "Riverside", "United", "."]
GOLD = ["B-PER", "I-PER", "O", "B-LOC", "O", "B-ORG", "I-ORG", "O"]


class Reader(HTMLParser):
    """Gathers the text, the tags and their attributes; notes what was opened and not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.kinds: set[str] = set()
        self.names: set[str] = set()
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.kinds.add(tag)
        self.names |= {name for name, _ in attrs}

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


@pytest.mark.parametrize(
    "tags",
    [
        GOLD,
        ["O"],
        ["I-PER", "I-PER", "B-PER", "I-LOC", "O", "I-LOC"],
        ["B-PER", "B-PER", "I-PER", "I-MISC"],
        ["B-LOC", "I-LOC", "I-ORG", "B-ORG", "O", "I-ORG"],
    ],
)
def test_entities_are_those_of_seqeval(tags):
    found = [(e.kind, e.start, e.end - 1) for e in entities(tags)]
    assert found == get_entities(tags)


def test_verdicts():
    predicted = ["B-PER", "O", "B-MISC", "B-ORG", "O", "B-ORG", "I-ORG", "O"]
    data = tagged_text_data(WORDS, GOLD, predicted)
    assert [e.verdict for e in data.predicted or ()] == [
        "wrong ends",
        "invented",
        "wrong class",
        "right",
    ]
    missed = tagged_text_data(WORDS, GOLD, ["O"] * 8)
    assert [e.verdict for e in missed.gold] == ["missed"] * 3
    both = tagged_text_data(WORDS, GOLD, ["O", "B-LOC", *["O"] * 6])
    assert (both.predicted or ())[0] == Entity(1, 2, "LOC", "wrong class and ends")


def test_html_is_plain_and_says_all_in_words():
    shown = Reader(TaggedText(WORDS, GOLD, ["B-PER", "O", "O", "B-LOC", *["O"] * 4])._repr_html_())
    assert shown.open == [] and shown.kinds == {"div", "b", "mark"}
    assert shown.names == {"style", "role", "aria-label"}
    text = " ".join(shown.words.split())
    for part in ("Ada Berg [PER]", "Riverside United [ORG: missed]", "Ada [PER: wrong ends]"):
        assert part in text
    assert "Oslo [LOC: right]" in text and text.startswith("gold")


@pytest.mark.browser
def test_nothing_lies_outside_the_page(browser):
    """The names of the rows are seen, on a wide page and on a narrow one."""
    page_text = TaggedText(WORDS, GOLD, GOLD)._repr_html_()
    page = browser.new_page()
    for width in (900, 320):
        page.set_viewport_size({"width": width, "height": 400})
        page.set_content(f"<body style='margin:0'>{page_text}</body>")
        script = """() => [...document.querySelectorAll("b, mark")].map((e) => {
            const range = document.createRange(); range.selectNodeContents(e);
            const box = range.getBoundingClientRect(); return [box.left, box.right]; })"""
        edges = page.evaluate(script)
        assert min(left for left, _ in edges) >= 0
        assert max(right for _, right in edges) <= width
    page.close()


def test_html_of_a_real_sentence_is_small_and_escaped():
    words = ["<script>alert(1)</script>", '"', "&"] * 10
    page = TaggedText(words, ["B-PER", "O", "O"] * 10, ["O", "O", "B-<b>"] * 10)._repr_html_()
    assert len(page) < 20_000
    assert "<script" not in page and Reader(page).open == []
    assert Reader(page).words.count("<script>") == 20


def test_text_output_holds_no_ids():
    one, two = TaggedText(WORDS, GOLD), TaggedText(WORDS, GOLD, GOLD)
    assert repr(one) == "TaggedText(8 words, 3 entities)"
    assert repr(two) == "TaggedText(8 words, 3 entities, 3 predicted, 3 right)"


def test_a_taggers_answer_stands_alone_under_its_own_name():
    alone = TaggedText(WORDS, predicted=GOLD)
    assert repr(alone) == "TaggedText(8 words, 3 predicted)"
    assert [entity.verdict for entity in alone.data.predicted or ()] == [""] * 3
    text = Reader(alone._repr_html_()).words
    assert text.startswith("predicted") and "gold" not in text and "[PER]" in text
    assert TaggedText(WORDS, predicted=["O"] * 8).data.predicted == ()


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colour", [*COLOURS.values(), *SPARE, GREY])
def test_black_text_is_legible_on_every_colour(colour):
    assert (luminance(colour) + 0.05) / 0.05 >= 5


@pytest.mark.parametrize(
    ("words", "gold", "predicted", "message"),
    [
        ([], [], None, "at least one word"),
        (["a"], None, None, "nothing to mark"),
        (["a"], None, ["O", "O"], "1 words with 2 tags"),
        (["a"], ["O", "O"], None, "1 words with 2 tags"),
        (["a"], ["O"], ["O", "O"], "1 words with 1 and 2 tags"),
        (["a"], ["PER"], None, "tag 0 is 'PER'"),
        (["a", "b"], ["O", "E-PER"], None, "tag 1 is 'E-PER'"),
    ],
)
def test_bad_input_is_refused(words, gold, predicted, message):
    with pytest.raises(ValueError, match=message):
        TaggedText(words, gold, predicted)


def test_other_schemes_have_colours():
    page = TaggedText(["x", "y", "z"], ["B-gene", "B-date", "B-7"])._repr_html_()
    assert page.count("background") == 3 and GREY in page

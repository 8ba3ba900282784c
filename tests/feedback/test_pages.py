"""The feedback page: what it says, what it hides, and that nothing of a student's can run in it."""

from __future__ import annotations

import copy
import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest

from autograder.feedback import AFTER_HIDDEN, HIDDEN_FAILED, shown_message, verdict_message
from autograder.sanitise import SafeOutputs, clean_html, render_markdown, safe_data
from tests.feedback.pages import ATTACKS, PIXEL, SECRET, honest, hostile, page

ROOT = Path(__file__).resolve().parents[2]


class Elements(HTMLParser):
    """Collects the elements and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_every_check_is_there_with_points_and_message() -> None:
    text = page(honest())
    assert "do not round the result" in text
    assert "Keeps the type." in text
    assert "6 of 9 points" in text
    assert "1 of 2" in text
    assert "own total" in text
    assert "It was put back and graded" in text


def test_hidden_tests_show_neither_source_nor_values() -> None:
    notebook = honest()
    assert "HIDDEN" in str(notebook), "the autograded notebook itself holds them"
    text = page(notebook)
    assert "HIDDEN" not in text
    assert "range(3)" not in text
    assert SECRET not in text
    assert "Counter stopped with ValueError on an input of a hidden check" in text


def test_output_after_a_hidden_test_is_withheld() -> None:
    notebook = honest()
    late = next(cell for cell in notebook.cells if cell.id == "double")
    late.metadata["autograder"] = {"after_hidden": True}
    text = page(notebook)
    assert "word word" not in text
    assert AFTER_HIDDEN in text


def test_messages_of_plain_asserts() -> None:
    record = {"message": "AssertionError: f(3) must be 9", "hidden": True, "checks": []}
    assert verdict_message(record | {"visible_text": ""}) == HIDDEN_FAILED
    seen = record | {"visible_text": "assert f(3) == 9, 'f(3) must be 9'"}
    assert verdict_message(seen) == record["message"]
    assert verdict_message(record | {"hidden": False}) == record["message"]
    line = {"message": "An assertion does not hold (line 3).", "hidden": True, "checks": []}
    assert verdict_message(line | {"visible_lines": 3}) == line["message"]
    assert verdict_message(line | {"visible_lines": 2}) == HIDDEN_FAILED
    assert shown_message(None, True) is None


def test_the_page_has_no_script_and_loads_nothing() -> None:
    for text in (page(honest()), page(hostile(), student="<b onclick=1>", notebook=ATTACKS[0])):
        for tag, attributes in Elements(text).found:
            assert tag not in {"script", "iframe", "object", "embed", "form", "input", "link"}
            assert tag not in {"svg", "base", "video", "audio", "template", "button"}
            assert not any(name.startswith("on") or name == "style" for name in attributes)
            if "src" in attributes:
                assert str(attributes["src"]).startswith("data:image/")
            if "href" in attributes:
                assert re.match(r"(https?://|#cell-\d+$|mailto:)", str(attributes["href"]))
        assert text.count("<style>") == 1
        assert "default-src 'none'" in text


def test_a_student_s_html_has_none_of_the_page_s_classes_and_ids() -> None:
    cleaned = clean_html('<p class="report" id="cell-1" style="x">9 of 9</p>')
    assert cleaned == "<p>9 of 9</p>"


@pytest.mark.parametrize("attack", ATTACKS)
def test_markdown_and_html_are_cleaned(attack: str) -> None:
    for text in (clean_html(attack), render_markdown(attack)):
        for tag, attributes in Elements(text).found:
            assert tag not in {"script", "style", "svg", "iframe", "form", "meta", "link", "base"}
            assert not any(name.startswith("on") for name in attributes)
            assert "192.0.2.1" not in str(attributes.get("src"))


FORMULA_ATTACKS = [
    r"$\href{javascript:alert(1)}{x}$",
    r"$\text{<script>alert(1)</script>}$",
    r"$\text{&lt;img src=x onerror=alert(1)&gt;}$",
    r"$\class{report}{x}$ $\style{position:fixed}{x}$ $\color{red}{x}$",
    r"$$\hspace{999em}\hspace{-30em} x$$",
    '<td align="\n\n$x$<img src=x onerror=alert(1)>\n">',
    "![$x$](data:image/png;base64,AAAA)",
    "<math><mtext><style><img src=x onerror=alert(1)></style></mtext></math>",
    "[a](<http://a.b/$x$>)",
]


@pytest.mark.parametrize("attack", FORMULA_ATTACKS)
def test_formulas_cannot_reach_the_page(attack: str) -> None:
    for tag, attributes in Elements(render_markdown(attack)).found:
        assert tag not in {"script", "style"}
        assert not {"href", "style", "class", "mathcolor"} & attributes.keys() or tag == "a"
        assert "javascript" not in str(attributes)
        assert "<" not in str(attributes), "a formula stands in an attribute"
        assert not re.search(r"-\d|\d{3}", str(attributes.get("width"))), "it leaves its place"
        assert not any(name.startswith("on") for name in attributes)


def test_formulas_are_drawn_without_a_script() -> None:
    drawn = render_markdown(r"$x_{<t}$ and $$\frac{QK^\top}{\sqrt{d}}, \texttt{head\_dim}$$")
    tags = [tag for tag, _ in Elements(drawn).found]
    assert tags.count("math") == 2 and {"mfrac", "msqrt", "msub", "msup"} <= set(tags)
    assert "<mo>&lt;</mo>" in drawn and ">head_dim<" in drawn and "$" not in drawn
    aligned = render_markdown(r"\begin{align}a&=b\\c&=d\end{align}")
    assert aligned.count("<mtr>") == 2
    code = render_markdown("`$x$` costs 5 $")
    assert "<code>$x$</code> costs 5 $" in code


def test_a_formula_that_cannot_be_read_stays_as_it_was_written() -> None:
    assert "$a^{$ then <math" in render_markdown("$a^{$ then $b$")
    assert "<math" not in render_markdown("$" + "{" * 5000 + "x" + "}" * 5000 + "$")


def test_every_formula_of_the_assignments_is_drawn() -> None:
    for path in (ROOT / "assignments").glob("*/*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                text = re.sub(r"<code>.*?</code>", "", render_markdown(cell.source))
                assert "$" not in text, f"{path}: {cell.id}"
                assert not re.search(r"<mi>\\[a-z]+</mi>", text), f"{path}: {cell.id}"


def test_a_picture_that_is_not_in_the_notebook_leaves_its_words() -> None:
    badge = "[![Open in Colab](https://a.example/badge.svg)](https://a.example/x)"
    assert "<img" not in render_markdown(badge) and ">Open in Colab</a>" in render_markdown(badge)
    assert "my plot" in render_markdown("![my plot](attachment:lost.png)")
    kept = render_markdown("![my plot](attachment:a.png)", {"a.png": {"image/png": PIXEL}})
    assert f'src="data:image/png;base64,{PIXEL}"' in kept


def test_pictures_pass_and_fakes_do_not() -> None:
    assert safe_data({"image/png": PIXEL}) == {"image/png": PIXEL}
    assert safe_data({"image/png": "<script>", "image/jpeg": PIXEL}) == {}
    assert safe_data({"application/javascript": "alert(1)"}) == {}
    drawn = safe_data({"image/svg+xml": "<svg><script>1</script></svg>"})
    assert drawn["text/html"].startswith('<img alt="drawing" src="data:image/svg+xml;base64,')


@pytest.mark.parametrize("odd", [7, None, {"a": 1}, [1, None], ["x", 2]])
def test_outputs_that_are_no_text_are_no_error(odd: object) -> None:
    for mime in ("image/png", "image/svg+xml", "text/html", "text/plain"):
        assert isinstance(safe_data({mime: odd}), dict)


def test_marks_that_turn_the_order_of_a_line_are_seen() -> None:
    turned = "points = 9  # \u202e0 = stniop\u202c \u2066x\u2069"
    notebook = honest()
    notebook.cells[3].source = turned
    next(cell for cell in notebook.cells if cell.id == "double").source = turned
    text = page(notebook)
    assert "⟨U+202E⟩" in text and text.count("⟨U+202C⟩") == 2 and "⟨U+2066⟩" in text
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", text)
    assert "שלום" in render_markdown("שלום"), "an ordinary text from right to left"


def test_a_notebook_that_is_too_long_makes_a_page_of_bounded_size() -> None:
    notebook = honest()
    cell = next(cell for cell in notebook.cells if cell.id == "double")
    cell.source = "x = 1\n" * 15_000  # 90,000 characters
    notebook.cells += [copy.deepcopy(cell) for _ in range(20)]
    text = page(notebook)
    assert text.count("the notebook is too long for a page") == 16
    assert "do not round the result" in text, "the verdicts stay"


def test_formgrader_gets_safe_cells() -> None:
    notebook, _ = SafeOutputs().preprocess(hostile(), {})
    text = str([cell.get("outputs") for cell in notebook.cells])
    assert "application/javascript" not in text
    kinds = {kind for cell in notebook.cells for kind in cell.metadata}
    assert kinds <= {"nbgrader", "autograder"}

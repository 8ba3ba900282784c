"""The feedback page: what it says, what it hides, and that nothing of a student's can run in it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from autograder.feedback import AFTER_HIDDEN, HIDDEN_FAILED, shown_message, verdict_message
from autograder.sanitise import SafeOutputs, clean_html, render_markdown, safe_data
from tests.feedback.pages import ATTACKS, PIXEL, SECRET, honest, hostile, page


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
            assert tag not in {"svg", "math", "base", "video", "audio", "template", "button"}
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


def test_formulas_cannot_reach_the_page() -> None:
    assert "\\href" not in render_markdown("$\\href{javascript:alert(1)}{x}$")
    assert "a &lt; b" in render_markdown("$a < b$")


def test_pictures_pass_and_fakes_do_not() -> None:
    assert safe_data({"image/png": PIXEL}) == {"image/png": PIXEL}
    assert safe_data({"image/png": "<script>", "image/jpeg": PIXEL}) == {}
    assert safe_data({"application/javascript": "alert(1)"}) == {}
    drawn = safe_data({"image/svg+xml": "<svg><script>1</script></svg>"})
    assert drawn["text/html"].startswith('<img alt="drawing" src="data:image/svg+xml;base64,')


def test_formgrader_gets_safe_cells() -> None:
    notebook, _ = SafeOutputs().preprocess(hostile(), {})
    text = str([cell.get("outputs") for cell in notebook.cells])
    assert "application/javascript" not in text
    kinds = {kind for cell in notebook.cells for kind in cell.metadata}
    assert kinds <= {"nbgrader", "autograder"}

"""The reference of back-translation, and its checks against right and wrong answers."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from course.checks import back_translation_toys as toys
from solutions.back_translation import augment, back_translate
from tests.harness import caught_by, failed, grade_file, grade_in_process, specimens, suites

WORD = "back_translation"
SOLUTION = Path(__file__).parent.parent / "solutions" / f"{WORD}.py"
NAMES = ("back_translate", "augment")
STUB = "".join(f"def {n}(*args, **kwargs):\n    raise NotImplementedError()\n" for n in NAMES)
TWO = [{"id": 1, "text": "It is fine.", "label": 1}, {"id": 2, "text": "It is dull.", "label": 0}]


def brute(examples: list[dict[str, Any]], answers: toys.Answers, pivots: list[str]) -> list[str]:
    """The texts that augment must return, by comparing every pair of texts letter by letter."""
    candidates = [e["text"] for e in examples]
    for example in examples:
        for pivot in pivots:
            default = toys.default(example["text"], pivot)
            candidates.append(answers.get(example["text"], {}).get(pivot, default))
    kept: list[str] = []
    for place, text in enumerate(candidates):
        letters = [word.lower() for word in text.split()]
        if place < len(examples) or all(letters != k.lower().split() for k in kept):
            kept.append(text)
    return kept


@pytest.mark.parametrize("seed", range(30))
def test_texts_labels_and_ids_against_brute_force(seed: int) -> None:
    draw = toys.Draw(seed, "brute")
    given, pivots = toys.examples(draw, 6, labels=["bad", "good"]), toys.pivots(draw, 4)
    forms = [form for e in given for form in (e["text"], e["text"].upper(), f" {e['text']} ")]
    answers: toys.Answers = {
        e["text"]: {p: draw.choice(forms) for p in pivots if draw.integer(0, 1)} for e in given
    }
    before = copy.deepcopy(given)
    result = augment(given, toys.Translator(answers), pivots)
    assert given == before and result[:6] == given
    assert [entry["text"] for entry in result] == brute(given, answers, pivots)
    assert len({entry["id"] for entry in result}) == len(result)
    labels = {toys.default(e["text"], p): e["label"] for e in given for p in pivots}
    assert all(labels.get(e["text"], e["label"]) == e["label"] for e in result[6:])


def test_other_keys_are_inherited_and_ids_survive_a_second_round() -> None:
    first = augment([{**TWO[0], "valence": 2.5}], toys.Translator({}), ["de"])
    assert first[1] == {
        "id": "1-de",
        "text": "It is fine, as they say in de.",
        "label": 1,
        "valence": 2.5,
    }
    other = toys.Translator({"It is fine.": {"de": "Not bad."}})
    second = augment(first, other, iter(["de", "en"]))
    assert [e["id"] for e in second] == [1, "1-de", "1-de-2", "1-de-de"]


@pytest.mark.parametrize("fail", [0, 1, 2])
def test_a_failing_call_is_tried_again(fail: int, recwarn: pytest.WarningsRecorder) -> None:
    script = toys.Translator({}, failures=[fail, fail + 1])
    assert back_translate("A text.", script, ["de", "fr"]) == [
        "A text, as they say in de.",
        "A text, as they say in fr.",
    ]
    assert len(script.calls) == 6 and not recwarn.list


def test_what_fails_for_good_is_kept_and_counted() -> None:
    script = toys.Translator({}, broken="fr")
    with pytest.warns(RuntimeWarning, match=r"1 of 2 round trips failed.*: 1 × ConnectionError\. "):
        found = back_translate("A text.", script, ["fr", "de"])
    assert found == ["A text.", "A text, as they say in de."]
    with pytest.warns(RuntimeWarning, match="2 of 4 round trips") as notices:
        result = augment(TWO, toys.Translator({}, broken="fr"), ["fr", "de"])
    assert result[:2] == TWO and [e["id"] for e in result[2:]] == ["1-de", "2-de"]
    assert len(notices) == 1 and "no answer for 'en' to 'fr'" in str(notices[0].message)


@pytest.mark.parametrize("nothing", [None, "", "  ", 7])
def test_no_text_is_a_failure(nothing: Any) -> None:
    def translate(text: str, source: str, target: str) -> Any:
        return nothing

    with pytest.warns(RuntimeWarning, match="1 × ValueError.*gave"):
        assert back_translate("A text.", translate, ["de"]) == ["A text."]
    assert back_translate("", lambda text, source, target: text, ["de"]) == [""]


def test_an_interrupt_is_no_failure() -> None:
    def translate(text: str, source: str, target: str) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_translate("A text.", translate, ["de"])


def test_bad_input() -> None:
    script = toys.Translator({})
    for call in (lambda: back_translate("A.", script, "de"), lambda: augment([], script, "de")):
        with pytest.raises(TypeError, match=r"a list of languages, such as \['de'\], not a string"):
            call()
    with pytest.raises(TypeError, match="text must be a string, but it is a int: 3"):
        back_translate(3, script, ["de"])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="text must be a string, but it is a NoneType: None"):
        augment([TWO[0], {"id": 2, "text": None, "label": 1}], script, ["de"])
    with pytest.raises(ValueError, match="attempts must be 1 or more, but it is 0"):
        back_translate("A.", script, ["de"], attempts=0)
    with pytest.raises(ValueError, match=r"example 1 lacks \['label'\]"):
        augment([TWO[0], {"id": 2, "text": "It is dull."}], script, ["de"])
    with pytest.raises(ValueError, match="two examples have the id 1: give each its own"):
        augment([TWO[0], TWO[0]], script, ["de"])
    assert script.calls == []


def test_the_course_translator_makes_round_trips() -> None:
    from course import models

    translate = models.load("translator")
    given = [{"id": 0, "text": "A very good film with a warm heart.", "label": 1}]
    result = augment(given, translate, ["pt", "en"])
    assert len(result) == 2 and "good" in result[1]["text"]
    with pytest.warns(RuntimeWarning, match="1 × ValueError.*COURSE_PROFILE=hub has more"):
        assert augment(given, translate, ["xx"]) == given


# Wrong specimens run in this process, which is fast; a few go through judge and worker below.
@pytest.mark.parametrize("path", specimens(WORD, "wrong"), ids=lambda p: p.stem)
def test_wrong_specimens_lose_the_points_of_their_check(path: Path) -> None:
    messages = failed(grade_in_process(WORD, path))
    assert caught_by(path) in messages, f"survives; fails only {sorted(messages)}"
    assert len(messages[caught_by(path)]) < 300
    print(f"  {path.stem:<40} {', '.join(n + '*' * (n == caught_by(path)) for n in messages)}")


@pytest.mark.filterwarnings("ignore:.*round trips failed")
@pytest.mark.parametrize("path", [SOLUTION, *specimens(WORD, "right")], ids=lambda p: p.stem)
def test_right_answers_get_full_marks(path: Path) -> None:
    assert failed(grade_in_process(WORD, path)) == {}


CROSSING = ("only_there", "appends_to_the_callers_list", "number_glued_on", "none_on_failure")


@pytest.mark.parametrize("name", CROSSING)
def test_judge_and_worker_see_the_same(name: str) -> None:
    path = next(p for p in specimens(WORD, "wrong") if p.stem == name)
    assert caught_by(path) in failed(grade_file(WORD, path))


def test_right_answers_get_full_marks_from_the_judge() -> None:
    for path in (SOLUTION, *specimens(WORD, "right")[:4]):
        assert failed(grade_file(WORD, path)) == {}, path.stem


def test_the_stub_passes_nothing(tmp_path: Path) -> None:
    (tmp_path / "stub.py").write_text(STUB)
    results: list[Any] = grade_in_process(WORD, tmp_path / "stub.py")
    assert sum(r.points for r in results) == 0
    assert all("is not written yet" in str(r.message) for r in results)


def test_every_check_has_a_specimen() -> None:
    wanted = {check.name for suite in suites(WORD) for check in suite.checks}
    assert wanted == {caught_by(path) for path in specimens(WORD, "wrong")}

"""``python -m autograder try``: the same path as a submission, words for every bad file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.answers import AnswerError, read_answer
from course.syllabus import ROOT, exercise

FIELDS = {"name", "for", "hidden", "points", "max_points", "message"}
STUB = """
def scaled_dot_product_attention(query, key, value, mask=None, dropout=0.0):
    raise NotImplementedError()
def padding_mask(attention_mask):
    raise NotImplementedError()
def causal_mask(length):
    raise NotImplementedError()
"""


def run_try(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "autograder", "try", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """One run over good and bad files; each line by the file's stem, and the exit code."""
    folder = tmp_path_factory.mktemp("answers")
    texts = {
        "stub": STUB,
        "syntax": "def causal_mask(length)\n    return 1\n",
        "short": "def causal_mask(length):\n    return 1\n",
        "raises": STUB + "\nvalue = 1\nprint(value / 0)\n",
    }
    good = (ROOT / "solutions" / "attention.py").read_text("utf-8")
    noise = "import sys, warnings\nwarnings.warn('old')\nprint('x', file=sys.stderr)\n"
    texts["warns"] = noise + good.replace("from __future__ import annotations\n", "")
    for stem, text in texts.items():
        (folder / f"{stem}.py").write_text(text)
    (folder / "bytes.py").write_bytes(b"x = '\xff'\n")
    files = [folder / f"{stem}.py" for stem in [*texts, "bytes", "absent"]]
    done = run_try("attention", "--json", ROOT / "solutions" / "attention.py", *files)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    found = {Path(line["file"]).stem: line for line in lines}
    assert len(found) == len(files) + 1, done.stdout + done.stderr
    return found | {"exit": done.returncode}  # type: ignore[dict-item]


def test_the_reference_gets_full_marks(answered: dict) -> None:
    line = answered["attention"]
    assert line["error"] is None and line["word"] == "attention"
    assert line["points"] == line["max_points"] > 0
    assert all(check["message"] is None for check in line["checks"])


def test_every_check_carries_every_field(answered: dict) -> None:
    for check in answered["attention"]["checks"] + answered["stub"]["checks"]:
        assert set(check) == FIELDS
        assert check["for"] in exercise("attention").names
    assert {check["hidden"] for check in answered["attention"]["checks"]} == {True, False}


def test_an_unsolved_stub_passes_no_check(answered: dict) -> None:
    line = answered["stub"]
    assert line["error"] is None and line["points"] == 0
    assert len(line["checks"]) == len(answered["attention"]["checks"])
    assert all("not written yet" in check["message"] for check in line["checks"])


def test_warnings_of_a_right_answer_cost_nothing(answered: dict) -> None:
    assert answered["warns"]["points"] == answered["warns"]["max_points"]


def test_bad_files_say_file_line_and_name(answered: dict) -> None:
    assert answered["exit"] == 2
    assert "syntax.py, line 1: syntax error" in answered["syntax"]["error"]
    assert (
        "short.py: does not define scaled_dot_product_attention, padding_mask"
        in (answered["short"]["error"])
    )
    assert "raises.py, line 10: raises on import: ZeroDivisionError" in answered["raises"]["error"]
    assert "not UTF-8" in answered["bytes"]["error"]
    assert "absent.py: cannot be read" in answered["absent"]["error"]
    for stem in ("syntax", "short", "raises", "bytes", "absent"):
        assert answered[stem]["checks"] == []


def test_text_output_shows_each_failed_check_with_its_message() -> None:
    specimen = ROOT / "tests" / "specimens" / "attention" / "wrong"
    path = sorted(specimen.glob("*.py"))[0]
    done = run_try("attention", path)
    assert done.returncode == 0, done.stderr
    assert "FAIL" in done.stdout and "pass" in done.stdout


def test_an_unknown_exercise_lists_the_known_ones() -> None:
    done = run_try("atention", "x.py")
    assert done.returncode == 2 and "multi_head" in done.stderr


def test_names_bound_in_other_ways_count(tmp_path: Path) -> None:
    path = tmp_path / "answer.py"
    path.write_text(
        "try:\n    import nothing_of_this_name\nexcept ImportError:\n"
        "    def causal_mask(length): ...\n"
        "padding_mask = lambda m: m\n"
        "from x import y as scaled_dot_product_attention\n"
    )
    assert read_answer(path, exercise("attention"))
    path.write_text("def inner():\n    def causal_mask(): ...\n    padding_mask = 1\n")
    with pytest.raises(AnswerError, match="does not define"):
        read_answer(path, exercise("attention"))

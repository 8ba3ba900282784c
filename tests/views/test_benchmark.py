"""The benchmark against bertviz: weights, counts and tables, and one page in a browser."""

from __future__ import annotations

import io
import json
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import comm
import numpy as np
import pytest

pytest.importorskip("websocket")

from benchmarks import views_bertviz
from benchmarks.views import Found, ratios, table
from benchmarks.views_browser import Meter, Run, served
from benchmarks.views_chromium import Chromium
from benchmarks.views_rivals import (
    HEAD_VIEW,
    MODEL_VIEW,
    OURS,
    attention_weights,
    labels,
    ours,
    sent_bytes,
    theirs,
)
from course.views import AttentionExplorer


def explorer(tokens: int) -> AttentionExplorer:
    return AttentionExplorer(attention_weights(tokens), labels(tokens))


def test_weights_are_attention_of_different_heads() -> None:
    weights = attention_weights(10)
    assert weights.shape == (12, 12, 10, 10)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-5)
    np.testing.assert_array_equal(weights, attention_weights(10))
    assert not np.array_equal(weights, attention_weights(10, seed=1))
    largest = weights.max(axis=-1).mean(axis=-1)  # (layers, heads)
    assert largest.min() < 0.5 < 0.9 < largest.max()
    assert len(set(labels(30))) == 12


def test_sent_bytes_are_those_of_the_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    messages: list[dict[str, Any]] = []
    real = comm.create_comm

    def noted(*args: Any, **options: Any) -> Any:
        messages.append(options)
        return real(*args, **options)

    monkeypatch.setattr(comm, "create_comm", noted)
    view = explorer(20)
    assert len(messages) == 2  # the layout and the view
    plain = sum(len(json.dumps(message["data"]["state"])) for message in messages)
    buffers = sum(len(buffer) for message in messages for buffer in message["buffers"] or [])
    assert buffers > 100_000
    # Opened a little before its last state: the label.
    assert abs(sent_bytes(view) - plain - buffers) <= 2 * len(view.label) + 100


def test_at_most_half_a_megabyte_at_128_tokens() -> None:
    assert 400_000 < sent_bytes(explorer(128)) <= 500_000


def found(sent: int, nodes: int, **seconds: list[float]) -> Found:
    each = Found(sent, 0)
    for name, values in seconds.items():
        each.runs["page" if name == "page" else "lab"] += [
            Run({name: value}, nodes) for value in values
        ]
    return each


def test_slow_or_failed_runs_are_not_repeated() -> None:
    each = found(1, 1, page=[1.0, 31.0], lab=[29.0])
    assert each.slow("page", 180)
    assert not each.slow("lab", 180)
    each.runs["lab"].append(Run(failed="not in 180 s"))
    assert each.slow("lab", 180)
    assert not Found(1, 0).slow("page", 180)


def test_table_and_ratios() -> None:
    both = {
        (8, OURS): found(1_000_000, 10, page=[0.1, 0.5, 0.2], lab=[1.0]),
        (8, HEAD_VIEW): found(3_000_000, 500, page=[2.0, 3.0]),
    }
    both[8, HEAD_VIEW].runs["lab"] = [Run(failed="the page crashed")]
    head, _, mine, theirs = table(both).splitlines()
    assert head.count("|") == mine.count("|") == theirs.count("|")
    assert mine.startswith(
        "| 8 | attention explorer | 1.00 | – | 0.20 (0.10–0.50) | – | 1.00 (once) |"
    )
    assert "| 2.50 (2.00–3.00) | the page crashed | the page crashed | – | – | 500 |" in theirs
    assert ratios(both).splitlines()[-1] == (
        "| 8 | bertviz head_view | 3 | 12.5 | – | – | – | 50 |"
    )


def test_nothing_drawn_is_a_dash() -> None:
    never = {(8, OURS): found(10, 5), (8, MODEL_VIEW): found(20, 0)}
    never[8, MODEL_VIEW].runs["page"] = [Run(failed="not in 9 s")]
    last = table(never).splitlines()[-1]
    assert last.endswith("| – | not in 9 s | – | – | – | – | – |")
    assert ratios(never).splitlines()[-1].endswith("| 2 | – | – | – | – | – |")


def test_a_rival_has_drawn_when_all_lines_are_there(tmp_path: Path) -> None:
    assert f"=== {12 * 64}" in theirs(HEAD_VIEW, tmp_path, 8).drawn
    assert f"=== {144 * 64}" in theirs(MODEL_VIEW, tmp_path, 8).drawn
    assert theirs(MODEL_VIEW, tmp_path, 8).turn == ""


def test_libraries_come_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views_bertviz, "run", lambda *words: pytest.fail(f"ran {words}"))
    (tmp_path / "python" / "bertviz").mkdir(parents=True)
    for name, version, path in views_bertviz.LIBRARIES.values():
        with tarfile.open(tmp_path / f"{name}-{version}.tgz", "w:gz") as archive:
            member = tarfile.TarInfo(f"package/{path}")
            member.size = len(name)
            archive.addfile(member, io.BytesIO(name.encode()))
    assert sorted(views_bertviz.fetch(tmp_path).values()) == [b"d3", b"jquery", b"requirejs"]


def test_a_command_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="ended with 1"):
        views_bertviz.run("false")
    with pytest.raises(RuntimeError, match="no-such-program is needed"):
        views_bertviz.run("no-such-program")


@pytest.mark.browser
def test_a_page_is_timed_and_a_blank_one_is_told(tmp_path: Path) -> None:
    rival = ours(tmp_path / "none.npy")
    (tmp_path / "view.html").write_text(explorer(8).to_html(), "utf-8")
    (tmp_path / "blank.html").write_text("<!doctype html><p>nothing", "utf-8")
    with served(tmp_path) as address:
        run = Meter({}, limit=60).page(f"{address}/view.html", rival)
        blank = Meter({}, limit=2).page(f"{address}/blank.html", rival)
    assert run.failed == ""
    assert 0 < run.seconds["page"] < 60
    assert 20 < run.nodes < 100
    assert blank.failed == "not in 2 s"
    assert blank.seconds == {}


@pytest.mark.browser
def test_only_libraries_and_this_machine_answer(tmp_path: Path) -> None:
    inside, outside = "https://library.example.org/a.js", "https://other.example.org/b.js"
    scripts = "".join(f'<script src="{url}"></script>' for url in (inside, outside))
    text = f"<!doctype html>{scripts}<script>missing()</script>"
    (tmp_path / "page.html").write_text(text, "utf-8")
    libraries = {inside: b"window.loaded = 1"}
    with served(tmp_path) as address, closing(Chromium(libraries)) as page:
        page.open(f"{address}/page.html")
        assert page.wait("document.readyState === 'complete' && window.loaded", 60) == 1
    assert page.errors == ["ReferenceError: missing is not defined"]


@pytest.mark.browser
def test_a_crash_is_told() -> None:
    def steps(page: Chromium, run: Run) -> None:
        run.nodes = 7
        page.open("data:text/html,view")
        page.wait("document.readyState === 'complete'", 60)
        page.send("Page.crash")

    run = Meter({}, limit=60).measure(steps)
    assert (run.failed, run.nodes) == ("the page crashed", 7)

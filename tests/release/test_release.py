"""What students get is whole, and the gate refuses everything that they must not have."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from autograder.course_folder import CourseError
from autograder.release import command, notebooks, proofs
from autograder.release.bundle import _manifest, build
from autograder.release.gate import leaks
from autograder.release.plan import Plan
from autograder.release.secrets import Secrets
from course.syllabus import ROOT, exercise, exercises
from tests.release.leaks import ASSIGNMENT, LEAKS, change

PLAN = Plan.of(ROOT, 2)


@pytest.fixture(scope="session")
def secrets() -> Secrets:
    return Secrets.of(PLAN)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    build(PLAN, folder)
    return folder


@pytest.fixture
def bundle(whole: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil; the weights stay behind, they only cost time."""
    folder = tmp_path / "bundle"
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("*.safetensors", "*.gz"))
    _manifest(PLAN, folder)
    return folder


def test_a_bundle_holds_what_the_week_needs(whole: Path, secrets: Secrets) -> None:
    assert leaks(whole, PLAN, secrets) == []
    names = {path.relative_to(whole).as_posix() for path in whole.rglob("*") if path.is_file()}
    assert {"course/01_attention.ipynb", "course/02_multi_head.ipynb", ASSIGNMENT} <= names
    assert {"solutions/attention.py", "course/checks/multi_head_toys.py"} <= names
    assert {"course/views/style.css", "course/views/questions/multi_head.py"} <= names
    assert not {name for name in names if "encoder" in name or name.startswith("tests")}
    assert "solutions/multi_head.py" not in names
    told = json.loads((whole / "manifest.json").read_text())
    assert told["through"] == 2 and told["solutions"] == ["attention"]
    assert set(told["sha256"]) == names - {"manifest.json"}
    assert "Multi-head attention" in (whole / "README.md").read_text("utf-8")
    assert "{{" not in (whole / "README.md").read_text("utf-8")


def test_a_released_assignment_has_stubs_and_nothing_else(whole: Path) -> None:
    source = nbformat.read(ROOT / ASSIGNMENT, as_version=4)
    made = nbformat.read(whole / ASSIGNMENT, as_version=4)
    assert [cell.id for cell in made.cells] == [cell.id for cell in source.cells]
    text = "\n".join(cell.source for cell in made.cells)
    assert text.count("raise NotImplementedError()") >= len(exercise("multi_head").names)
    for word in ("BEGIN", "autograder", "MARK SCHEME"):
        assert word not in text


@pytest.mark.parametrize("name", LEAKS)
def test_the_gate_refuses(name: str, bundle: Path, secrets: Secrets) -> None:
    spoil, words = LEAKS[name]
    spoil(bundle)
    _manifest(PLAN, bundle)  # the leak itself must be seen, not only that a file has changed
    found = [str(leak) for leak in leaks(bundle, PLAN, secrets)]
    assert any(words in one for one in found), found


def test_the_gate_sees_a_bundle_changed_later(bundle: Path, secrets: Secrets) -> None:
    (bundle / "README.md").write_text("other")
    (bundle / "constraints.txt").unlink()
    found = {leak.where: leak.what for leak in leaks(bundle, PLAN, secrets)}
    assert set(found) == {"README.md", "constraints.txt"}
    (bundle / "manifest.json").unlink()
    assert any("missing" in leak.what for leak in leaks(bundle, PLAN, secrets))


def test_due_solutions_are_no_secret() -> None:
    later = Plan.of(ROOT, 2, due=2)
    assert later.public == ["attention", "multi_head"]
    secret = {origin for origin in Secrets.of(later).runs.values() if "solutions/" in origin}
    assert secret.isdisjoint({"solutions/attention.py", "solutions/multi_head.py"})


def test_canaries_show_a_step_that_was_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real build lets none through; without one step it is caught."""
    assert command.prove_the_build(PLAN) == []
    real = notebooks.load_config

    def careless(root: Path) -> object:
        config = real(root)
        steps = config.GenerateAssignment.preprocessors
        config.GenerateAssignment.preprocessors = [s for s in steps if "ClearHelpers" not in s]
        return config

    monkeypatch.setattr(notebooks, "load_config", careless)
    found = command.prove_the_build(PLAN)
    assert any("planted in ### BEGIN HELPERS" in leak.what for leak in found)


def test_a_stub_that_earns_points_is_refused(bundle: Path) -> None:
    chosen = exercise("multi_head")
    assert list(proofs.stubs(PLAN, bundle, chosen)) == []

    def solve(notebook: nbformat.NotebookNode) -> None:
        cell = next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("solution"))
        cell.source = (
            "def split_heads(x, num_heads):\n"
            "    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)"
        )

    change(bundle / ASSIGNMENT, solve)
    found = [str(leak) for leak in proofs.stubs(PLAN, bundle, chosen)]
    assert any("split_heads-visible gives" in one for one in found)


@pytest.mark.slow
def test_lessons_run_from_the_bundle_alone(bundle: Path, tmp_path: Path) -> None:
    python = proofs.environment(tmp_path, bundle, fresh=False)
    where = "import course, solutions; print(course.__file__, solutions.__file__)"
    away = subprocess.run([python, "-c", where], cwd=tmp_path, capture_output=True, text=True)
    assert "ModuleNotFoundError" in away.stderr, "the repository's own packages are in sight"
    chosen = exercise("attention")
    assert list(proofs.lesson(python, bundle, chosen)) == []

    def need_more(notebook: nbformat.NotebookNode) -> None:
        notebook.cells = notebook.cells[:3]
        notebook.cells[2].source += "\nimport solutions.multi_head"

    change(bundle / "course" / chosen.lesson.name, need_more)
    [failure] = proofs.lesson(python, bundle, chosen)
    assert "No module named 'solutions.multi_head'" in failure.what


@pytest.mark.parametrize(
    ("through", "due", "words"),
    [
        (0, None, "1 to"),
        (99, None, "--through is 99"),
        (2, 3, "--due is 3"),
        (2, -1, "--due is -1"),
    ],
)
def test_wrong_numbers(through: int, due: int | None, words: str) -> None:
    with pytest.raises(CourseError, match=words):
        Plan.of(ROOT, through, due)


def test_a_target_that_is_no_bundle_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(CourseError, match="holds files and no bundle"):
        command.check_target(tmp_path)
    with pytest.raises(CourseError, match="does not exist"):
        command.check_target(tmp_path / "no" / "where")
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_put_replaces_a_bundle_whole(bundle: Path, tmp_path: Path) -> None:
    target = tmp_path / "week"
    command.put(bundle, target)
    (target / "old.txt").write_text("left over")
    command.check_target(target)
    command.put(bundle, target)
    assert not (target / "old.txt").exists()
    command.put(bundle, tmp_path / "week.zip")
    names = zipfile.ZipFile(tmp_path / "week.zip").namelist()
    assert "week/manifest.json" in names and f"week/{ASSIGNMENT}" in names
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "week", "week.zip"]


def test_the_command_refuses_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def spoilt(plan: Plan, folder: Path) -> None:
        build(plan, folder)
        LEAKS["dotfile"][0](folder)

    monkeypatch.setattr(command, "build", spoilt)
    monkeypatch.setattr(proofs, "stubs", lambda *args: [])
    monkeypatch.setattr(command, "prove_the_build", lambda plan: [])
    assert command.main(["--through", "1", "--to", str(tmp_path / "out"), "--no-lessons"]) == 1
    said = capsys.readouterr()
    assert "course/.notes: a dotfile" in said.out and "nothing was released" in said.err
    assert list(tmp_path.iterdir()) == []


def test_an_older_bundle_can_be_checked(bundle: Path, tmp_path: Path) -> None:
    command.put(bundle, tmp_path / "week.zip")
    program = [sys.executable, "-m", "autograder", "release", "--through", "2", "--check"]
    done = subprocess.run(
        [*program, str(tmp_path / "week.zip")], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no hidden test" in done.stdout
    assert command.main(["--through", "2", "--check", str(tmp_path / "none.zip")]) == 2


def test_every_exercise_can_be_planned() -> None:
    last = max(chosen.number for chosen in exercises().values())
    assert [Plan.of(ROOT, n).due for n in range(1, last + 1)] == list(range(last))

"""Badge and set-up cell; on Colab, what is installed stays as it is."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import time
import venv
import zipfile
from pathlib import Path

import nbformat
import pytest
from packaging.version import Version

from autograder.release.bundle import build, wheel
from autograder.release.plan import Plan
from course import colab
from course.cache import CourseError
from course.syllabus import ROOT, exercise
from scripts.colab import badge, set_up, with_colab

# Newer than anything that the course pins, as Colab's are; only their metadata is real.
PREINSTALLED = {"torch": "99.1.0+cu999", "numpy": "98.0", "transformers": "97.2", "tqdm": "96.0"}


def test_every_notebook_has_badge_and_cell() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "colab.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout


def test_writing_it_twice_changes_nothing() -> None:
    path = exercise("attention").lesson
    once = with_colab(nbformat.read(path, as_version=4), path)
    assert with_colab(once, path) == once
    assert sum(cell.id == "colab" for cell in once.cells) == 1
    assert badge(path).endswith("/blob/main/course/01_attention.ipynb)")


def test_elsewhere_the_cell_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: pytest.fail("it ran something"))
    exec(set_up(), {})


def test_what_is_there_in_any_version_is_not_missing() -> None:
    here = {"torch": "99.0+cu1", "ipywidgets": "1.0"}
    wanted = ["torch>=2.6", "ipywidgets>=8.1", "gguf>=0.10", 'pywin32>=1; sys_platform == "win32"']
    assert colab.missing(wanted, here) == ["gguf>=0.10", "pywin32>=1"]


def fake(site: Path, name: str, version: str) -> None:
    """A distribution that is installed as far as pip can see."""
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (folder / "INSTALLER").write_text("pip\n")
    (folder / "RECORD").write_text(f"{folder.name}/METADATA,,\n")


def tiny_wheel(folder: Path, name: str, needs: str = "") -> None:
    """A wheel of an empty package, so that pip needs no network."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-50.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 50.0\n"
    metadata += f"Requires-Dist: {needs}\n" if needs else ""
    tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {f"{name}.py": "x = 1\n", f"{info}/METADATA": metadata, f"{info}/WHEEL": tags}
    record = ""
    with zipfile.ZipFile(folder / f"{name}-50.0-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()
            record += f"{path},sha256={digest.rstrip('=')},{len(text)}\n"
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with newer packages than the course knows, and the bundle's wheel."""
    place = tmp_path_factory.mktemp("colab")
    venv.create(place / "environment", with_pip=True, symlinks=os.name != "nt")
    site = next((place / "environment" / "lib").glob("python*/site-packages"))
    for name, version in PREINSTALLED.items():
        fake(site, name, version)
    bundle = place / "bundle"
    bundle.mkdir()
    build(Plan.of(ROOT, 1), bundle)
    weights = bundle / "course" / "assets" / "masked_lm" / "model.safetensors"
    weights.write_bytes(b"")  # only slow here
    wheel(bundle, place / "wheel")
    return place


def python(machine: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the environment's python as a kernel of Colab would, with an index of tiny wheels."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "PYTHON"))}
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(machine / "index"), "HOME": str(machine)}
    return subprocess.run(
        [str(machine / "environment" / "bin" / "python"), *words],
        capture_output=True,
        text=True,
        cwd=machine,
        env=clean | offline | {"COLAB_RELEASE_TAG": "release-test", **more},
    )


def versions(machine: Path) -> dict[str, str]:
    bare = "import importlib.metadata as m; print({d.metadata['Name'].lower().replace('_', '-'):"
    bare += " d.version for d in m.distributions()})"
    done = python(machine, "-c", bare)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = eval(done.stdout)
    return found


@pytest.mark.slow
def test_the_first_cell_adds_what_is_missing_and_changes_nothing(machine: Path) -> None:
    for name in ("datasets", "matplotlib", "anywidget", "ipywidgets", "safetensors", "gguf"):
        tiny_wheel(machine / "index", name)
    for name in ("sentencepiece", "seqeval"):
        tiny_wheel(machine / "index", name, "numpy>=1")
    tiny_wheel(machine / "index", "accelerate", "torch>=2")
    before = versions(machine)
    assert PREINSTALLED.items() <= before.items()
    [built] = (machine / "wheel").glob("*.whl")
    assert Version(built.name.split("-")[1]) < Version(PREINSTALLED["torch"])
    started = time.perf_counter()
    code = set_up().replace('[sys.executable, "-m", "course", "colab"], check=True', '["true"]')
    done = python(machine, "-c", code, COURSE_WHEEL=str(built))
    assert done.returncode == 0, done.stderr
    steps = "from course import colab; print(colab.install_missing())"
    done = python(machine, "-c", steps)
    assert done.returncode == 0, done.stderr
    assert "gguf" in done.stdout and "torch" not in done.stdout
    print(f"{time.perf_counter() - started:.1f} s")
    after = versions(machine)
    assert before.items() <= after.items(), "a version has changed"
    assert "transformers-by-hand-student" in after and "gguf" in after
    assert "nothing is missing" in python(machine, "-c", steps).stdout


@pytest.mark.slow
def test_an_addition_that_wants_another_torch_is_refused(machine: Path) -> None:
    [built] = (machine / "wheel").glob("*.whl")
    python(machine, "-m", "pip", "install", "-q", "--no-deps", str(built))
    python(machine, "-m", "pip", "uninstall", "-q", "-y", "gguf")
    tiny_wheel(machine / "index", "gguf", "torch<3")
    done = python(machine, "-c", "from course import colab; colab.install_missing()")
    assert done.returncode != 0
    assert CourseError.__name__ in done.stderr and "gguf" in done.stderr
    assert versions(machine)["torch"] == PREINSTALLED["torch"]

"""Put a release together in a folder: the files, the notebooks, the pinned requirements."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import nbformat

from autograder.course_folder import CourseError
from autograder.release.notebooks import cleaned_lesson, released
from autograder.release.plan import Plan
from course.syllabus import exercises

PACKAGE = "transformers-by-hand-student"
MANIFEST = "manifest.json"
BY_EXERCISE = ("checks", "views/questions")  # folders of course with a module an exercise
NEVER = shutil.ignore_patterns(
    "__pycache__", "*.pyc", ".*", "*.ipynb", "checks", "questions", "syllabus.toml"
)
TEMPLATES = Path(__file__).parent.parent / "templates" / "bundle"


def build(plan: Plan, folder: Path) -> None:
    """Fill the empty ``folder`` with the bundle, its manifest last."""
    _course(plan, folder)
    _solutions(plan, folder)
    for chosen in plan.out:
        target = folder / "assignments" / chosen.folder
        target.mkdir(parents=True)
        nbformat.write(released(plan.root, chosen), target / chosen.assignment.name)
    _papers(plan, folder)
    _manifest(plan, folder)


def _course(plan: Plan, folder: Path) -> None:
    source, target = plan.root / "course", folder / "course"
    shutil.copytree(source, target, ignore=NEVER)
    for path in (path for folder in BY_EXERCISE for path in _modules(plan, source / folder)):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    for chosen in plan.out:
        name = chosen.lesson.name
        nbformat.write(cleaned_lesson(source / name), target / name)
    (target / "syllabus.toml").write_text(_syllabus(plan, source), "utf-8")


def _modules(plan: Plan, folder: Path) -> Iterator[Path]:
    """Modules of the exercises that are out, and what all exercises share."""
    later = [chosen.word for chosen in exercises().values() if chosen.number > plan.through]
    for path in sorted(folder.rglob("*.py")):
        first = path.relative_to(folder).parts[0].removesuffix(".py").removesuffix("_toys")
        if first not in later and "__pycache__" not in path.parts:
            yield path


def _syllabus(plan: Plan, source: Path) -> str:
    """The entries of the exercises that are out, as they stand in the syllabus."""
    blocks = re.split(r"(?m)^(?=\[\[exercise\]\])", (source / "syllabus.toml").read_text("utf-8"))
    words = {chosen.word for chosen in plan.out}

    def is_out(block: str) -> bool:
        found = tomllib.loads(block).get("exercise", [])
        return not found or found[0]["word"] in words

    return "".join(block for block in blocks if is_out(block))


def _solutions(plan: Plan, folder: Path) -> None:
    package = folder / "solutions"
    package.mkdir()
    shutil.copyfile(plan.root / "solutions" / "__init__.py", package / "__init__.py")
    for word in plan.public:
        shutil.copyfile(plan.root / "solutions" / f"{word}.py", package / f"{word}.py")


def _papers(plan: Plan, folder: Path) -> None:
    """README, licences, requirements and the way to install them."""
    project = tomllib.loads((plan.root / "pyproject.toml").read_text("utf-8"))["project"]
    rows = [
        f"| {chosen.number} | [{chosen.title}](course/{chosen.lesson.name}) | "
        f"[assignment](assignments/{chosen.folder}/{chosen.assignment.name}) | {chosen.minutes} |"
        for chosen in plan.out
    ]
    text = (TEMPLATES / "README.md").read_text("utf-8")
    text = text.replace("{{lessons}}", "\n".join(rows)).replace("{{week}}", str(plan.through))
    (folder / "README.md").write_text(text, "utf-8")
    lists = {
        "dependencies": project["dependencies"],
        "lab": project["optional-dependencies"]["lab"],
    }
    text = (TEMPLATES / "pyproject.in").read_text("utf-8")
    text = text.replace("{{name}}", PACKAGE).replace("{{version}}", project["version"])
    for name, needs in lists.items():
        text = text.replace(f"{{{{{name}}}}}", json.dumps(needs, indent=2))
    (folder / "pyproject.toml").write_text(text, "utf-8")
    shutil.copyfile(plan.root / "LICENSE", folder / "LICENSE")
    (folder / "docs").mkdir()
    shutil.copyfile(plan.root / "docs" / "licences.md", folder / "docs" / "licences.md")
    shutil.copyfile(plan.root / "constraints.txt", folder / "constraints.txt")
    installer = (plan.root / "scripts" / "install.py").read_text("utf-8")
    (folder / "scripts").mkdir()
    installer = installer.replace(".[lab,grade,dev,docs]", ".[lab]")
    (folder / "scripts" / "install.py").write_text(installer, "utf-8")


def wheel(folder: Path, target: Path) -> Path:
    """Build the bundle's wheel into the folder ``target``; returns its path."""
    with tempfile.TemporaryDirectory() as place:
        copy, made = Path(place) / "bundle", Path(place) / "made"
        shutil.copytree(folder, copy)  # building leaves folders behind
        made.mkdir()
        build = "import sys, setuptools.build_meta as b; print(b.build_wheel(sys.argv[1]))"
        done = subprocess.run(
            [sys.executable, "-c", build, str(made)], cwd=copy, capture_output=True, text=True
        )
        if done.returncode:
            raise CourseError(f"the wheel could not be built: {done.stderr.strip()[-300:]}")
        [path] = made.glob("*.whl")
        target.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(path, target / path.name))


def files(folder: Path) -> list[Path]:
    """All files of a bundle but its manifest, in order."""
    found = [path for path in folder.rglob("*") if path.is_symlink() or path.is_file()]
    return sorted(path for path in found if path != folder / MANIFEST)


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a bundle, by its path in it."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files(folder)
    }


def _manifest(plan: Plan, folder: Path) -> None:
    told = {"through": plan.through, "solutions": plan.public, "sha256": digests(folder)}
    (folder / MANIFEST).write_text(json.dumps(told, indent=1) + "\n", "utf-8")

"""The command: build, prove, and only then put the bundle where it was asked for."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

from tqdm import tqdm

from autograder.course_folder import CourseError
from autograder.release import canaries, proofs
from autograder.release.bundle import MANIFEST, build, files, wheel
from autograder.release.gate import Leak, leaks
from autograder.release.plan import Plan
from autograder.release.secrets import Secrets
from course.syllabus import ROOT, exercises


def prove(plan: Plan, folder: Path, lessons: bool, fresh: bool) -> list[Leak]:
    """Read the bundle, hand in its stubs, run its lessons; everything that is wrong with it."""
    found = leaks(folder, plan, Secrets.of(plan))
    for chosen in tqdm(plan.out, "stubs handed in", unit="assignment", disable=None):
        found += proofs.stubs(plan, folder, chosen)
    if not lessons or found:
        return found
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "bundle"  # lessons may write beside themselves
        shutil.copytree(folder, copy)
        python = proofs.environment(Path(place), copy, fresh)
        for chosen in tqdm(plan.out, "lessons run", unit="lesson", disable=None):
            found += proofs.lesson(python, copy, chosen)
    return found


def prove_the_build(plan: Plan) -> list[Leak]:
    """Build once from sources full of canaries: what slips through would slip through always."""
    with tempfile.TemporaryDirectory() as place:
        sources, folder = Path(place) / "sources", Path(place) / "bundle"
        sources.mkdir()
        folder.mkdir()
        planted = canaries.planted(plan, sources)
        build(Plan(sources, plan.through, plan.due), folder)
        return leaks(folder, plan, Secrets(canaries=planted))


def put(folder: Path, target: Path) -> None:
    """Put the bundle at ``target``, a folder or a ZIP, in one step; an older one is replaced."""
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    if target.suffix == ".zip":
        with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in [*files(folder), folder / MANIFEST]:
                archive.write(path, Path(target.stem) / path.relative_to(folder))
        beside.replace(target)
        return
    shutil.copytree(folder, beside)
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    if target.exists():
        target.replace(old)
    beside.replace(target)
    shutil.rmtree(old, ignore_errors=True)


def check_target(target: Path) -> None:
    """Refuse to overwrite what is not a bundle, or to write where no folder is."""
    if not target.parent.is_dir():
        raise CourseError(f"--to is {target}: the folder {target.parent} does not exist")
    if target.is_dir() and any(target.iterdir()) and not (target / MANIFEST).exists():
        raise CourseError(f"--to is {target}: it holds files and no bundle; name another place")


def unpacked(bundle: Path, place: Path) -> Path:
    """A bundle's folder, taken out of its ZIP when it is one."""
    if bundle.is_dir():
        return bundle
    if not zipfile.is_zipfile(bundle):
        raise CourseError(f"--check is {bundle}: neither a folder nor a ZIP")
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(place)
    inside = [path for path in place.iterdir() if path.is_dir()]
    return inside[0] if len(inside) == 1 else place


def options_of(argv: list[str]) -> argparse.Namespace:
    last = max(chosen.number for chosen in exercises().values())
    parser = argparse.ArgumentParser(
        prog="python -m autograder release",
        description="Build what students get, and prove that it holds no hidden test and no "
        "solution that is not due. Nothing is written when the proof fails.",
    )
    parser.add_argument(
        "--through", type=int, required=True, metavar="N", help=f"the last exercise, 1 to {last}"
    )
    parser.add_argument(
        "--due", type=int, metavar="M", help="solutions 1 to M are public (default: N - 1)"
    )
    parser.add_argument(
        "--to", type=Path, metavar="DIR|ZIP", help="default: release/week_N in this folder"
    )
    parser.add_argument(
        "--wheel", type=Path, metavar="DIR", help="put the bundle's wheel there, for Colab"
    )
    parser.add_argument("--check", type=Path, metavar="DIR|ZIP", help="only read an older bundle")
    parser.add_argument("--no-lessons", action="store_true", help="do not run the lessons")
    parser.add_argument(
        "--fresh", action="store_true", help="run them in an environment installed from nothing"
    )
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """0 when the bundle is there and safe, 1 when the gate refused it, 2 for a wrong call."""
    options = options_of(argv)
    try:
        plan = Plan.of(ROOT, options.through, options.due)
        with tempfile.TemporaryDirectory() as place:
            if options.check:
                folder = unpacked(options.check, Path(place))
                return report(leaks(folder, plan, Secrets.of(plan)), f"{options.check}")
            return release(plan, Path(place), options)
    except (CourseError, OSError) as error:
        print(f"release: {error}", file=sys.stderr)
        return 2


def release(plan: Plan, folder: Path, options: argparse.Namespace) -> int:
    target = (options.to or Path("release") / f"week_{plan.through}").absolute()
    if options.to is None:
        target.parent.mkdir(exist_ok=True)
    check_target(target)
    build(plan, folder)
    found = prove_the_build(plan) + prove(plan, folder, not options.no_lessons, options.fresh)
    if found:
        return report(found, f"the bundle through exercise {plan.through}")
    put(folder, target)
    if options.wheel:
        print(wheel(folder, options.wheel.absolute()))
    size = sum(path.stat().st_size for path in files(folder)) / 1e6
    public = ", ".join(plan.public) or "none"
    print(f"{target}: exercises 1 to {plan.through}, solutions: {public}; {size:.0f} MB")
    if options.no_lessons:
        print("the lessons were not run: leave out --no-lessons for the whole proof")
    return 0


def report(found: list[Leak], what: str) -> int:
    """Print what the gate found; 1 when it found anything."""
    for leak in found:
        print(leak)
    if found:
        print(f"refused: {len(found)} findings in {what}; nothing was released", file=sys.stderr)
        return 1
    print(f"{what}: no hidden test, no solution that is not due")
    return 0

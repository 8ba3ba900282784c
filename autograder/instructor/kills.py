"""The kill matrix of an exercise: which checks each known-wrong answer fails.

Grading all specimens takes seconds to a minute, so the result is kept in the cache until a
specimen or a check changes.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from course.cache import cache_dir
from course.syllabus import ROOT, Exercise

SPECIMENS = ROOT / "tests" / "specimens"
SEED = 1


@dataclass(frozen=True)
class Kill:
    """One wrong specimen, the check that it names, and the checks that it fails."""

    specimen: str
    caught_by: str
    failed: tuple[str, ...]


def kill_matrix(chosen: Exercise) -> list[Kill]:
    """The kills of an exercise, from the cache or graded now with a progress bar."""
    paths = sorted((SPECIMENS / chosen.word / "wrong").glob("*.py"))
    kept = cache_dir() / "kills" / f"{chosen.word}-{_key(chosen, paths)}.json"
    try:
        return [Kill(row[0], row[1], tuple(row[2])) for row in json.loads(kept.read_text("utf-8"))]
    except (OSError, ValueError, IndexError, TypeError):
        found = _graded(chosen, paths)
    rows = [[kill.specimen, kill.caught_by, list(kill.failed)] for kill in found]
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        beside = kept.with_suffix(f".{os.getpid()}")
        beside.write_text(json.dumps(rows), "utf-8")
        beside.replace(kept)
    except OSError:
        pass  # without a cache the next report takes as long as this one
    return found


def _key(chosen: Exercise, paths: list[Path]) -> str:
    """A hash of the specimens and of everything that judges them."""
    checks = [
        path
        for package in ("course", "autograder")
        for path in sorted((ROOT / package / "checks").rglob("*.py"))
        if chosen.word in path.as_posix() or path.stem in ("base", "live")
    ]
    digest = hashlib.sha256()
    for path in [*paths, *checks, ROOT / "solutions" / f"{chosen.word}.py"]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _graded(chosen: Exercise, paths: list[Path]) -> list[Kill]:
    from tqdm import tqdm

    from autograder.answers import AnswerError, grade_answer
    from autograder.zygote import Zygote

    found = []
    zygote = Zygote.start()
    try:
        for path in tqdm(paths, "specimens graded", unit="", leave=False, disable=None):
            first = path.read_text("utf-8").split("\n", 1)[0]
            try:
                results = grade_answer(path, chosen, zygote, SEED)
            except AnswerError:
                continue  # a specimen that fails on import resembles nobody
            failed = tuple(r.name for r in results if r.message is not None)
            found.append(Kill(path.stem, first.removeprefix("# caught by: ").strip(), failed))
    finally:
        zygote.close()
    return found


@dataclass(frozen=True)
class Likeness:
    """A submission and the specimens whose failed checks are nearest to its own."""

    student: str
    failed: int
    nearest: tuple[tuple[str, float], ...]


def likenesses(failures: dict[str, frozenset[str]], kills: list[Kill]) -> list[Likeness]:
    """For each submission that fails something, the three nearest specimens by Jaccard index.

    Those least like any specimen come first: a mistake that no specimen has yet.
    """
    known = [(kill.specimen, frozenset(kill.failed)) for kill in kills if kill.failed]
    found = []
    for student, failed in failures.items():
        if not failed:
            continue
        rows = [(name, len(failed & other) / len(failed | other)) for name, other in known]
        nearest = tuple(sorted(rows, key=lambda row: -row[1])[:3])
        found.append(Likeness(student, len(failed), nearest))
    return sorted(found, key=lambda one: one.nearest[0][1] if one.nearest else 0.0)

"""What a release must not hold, taken from the instructor's sources: lines, canaries, words."""

from __future__ import annotations

import ast
import re
import secrets as randomness
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from autograder.release.plan import Plan

RUN = 5  # lines in a row that make a copy
LEAST = 100  # with fewer characters, spaces left out, they are what anybody writes
SHORTEST = 25  # a line of a mark scheme shorter than this, spaces left out, tells nothing
SCHEME = re.compile(r"=== BEGIN MARK SCHEME ===(.*?)=== END MARK SCHEME ===", re.DOTALL)
HIDDEN = re.compile(r"### BEGIN HIDDEN TESTS(.*?)### END HIDDEN TESTS", re.DOTALL)


def lines_of(text: str) -> list[str]:
    """The lines that tell something, without spaces and comments."""
    found = (re.sub(r"\s+", "", re.split(r"(?:^|\s)#", line)[0]) for line in text.splitlines())
    return [line for line in found if line]


def runs_of(text: str) -> set[tuple[str, ...]]:
    """All runs of ``RUN`` telling lines."""
    lines = lines_of(text)
    runs = (tuple(lines[i : i + RUN]) for i in range(len(lines) - RUN + 1))
    return {run for run in runs if sum(map(len, run)) >= LEAST}


def bodies(text: str) -> Iterator[str]:
    """The bodies of a module's functions, without docstrings: signatures are told to students."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = 1 if ast.get_docstring(node) is not None else 0
            if len(node.body) > first:
                end = node.body[-1].end_lineno
                yield "\n".join(lines[node.body[first].lineno - 1 : end])


@dataclass
class Secrets:
    """Fingerprints of everything that stays with the instructor, each with where it is from."""

    runs: dict[tuple[str, ...], str] = field(default_factory=dict)
    lines: dict[str, str] = field(default_factory=dict)
    canaries: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: Plan) -> Secrets:
        """Read solutions that are not due, all of ``autograder``, and the marked regions."""
        found = cls()
        public: set[tuple[str, ...]] = set()
        for word in plan.public:
            for body in bodies((plan.root / "solutions" / f"{word}.py").read_text("utf-8")):
                public |= runs_of(body)
        for word in plan.secret:
            found._module(plan.root / "solutions" / f"{word}.py", plan.root)
        for path in sorted((plan.root / "autograder").rglob("*.py")):
            found._module(path, plan.root)
        for path in sorted((plan.root / "assignments").glob("*/*.ipynb")):
            found._regions(path, plan.root)
        for run in public & found.runs.keys():
            del found.runs[run]
        return found

    def _module(self, path: Path, root: Path) -> None:
        for body in bodies(path.read_text("utf-8")) if path.exists() else ():
            self.runs |= dict.fromkeys(runs_of(body), path.relative_to(root).as_posix())

    def _regions(self, path: Path, root: Path) -> None:
        """Every telling line of a mark scheme, and of a hidden test."""
        where = path.relative_to(root).as_posix()
        for cell in nbformat.read(path, as_version=4).cells:
            for pattern, what in ((SCHEME, "mark scheme"), (HIDDEN, "hidden test")):
                for region in pattern.findall(cell.source):
                    for line in lines_of(region):
                        if len(line) >= SHORTEST:
                            self.lines[line] = f"{what} of {where}"


def new_canary() -> str:
    """A word that stands nowhere else."""
    return "canary" + randomness.token_hex(8)

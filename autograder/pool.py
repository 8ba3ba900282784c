"""Processes that grade: judges forked from one warm process, each with a submission at a time."""

from __future__ import annotations

import ast
import importlib.util
import json
import select
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from autograder.task import Grader, Outcome, Spec
from autograder.zygote import DEFAULT_PRELOAD, JudgeProcess, Zygote

ALWAYS = ("numpy", "torch", "nbformat")
TRIES = 2
Item = tuple[str, Path]


def serve(zygote: Zygote, channel: Any, spec: dict[str, Any]) -> None:
    """A judge's process: grade what the channel names until it closes."""
    grader = Grader(Spec(**spec), zygote)
    while True:
        try:
            student, folder, only = channel.receive()
        except EOFError:
            return
        channel.send(asdict(grader.grade(student, Path(folder), only)))


class Pool:
    """``workers`` judges for one assignment; one that dies is replaced, its work tried again."""

    def __init__(
        self,
        spec: Spec,
        *,
        workers: int = 1,
        preload: Sequence[str] | None = None,
        zygote: Zygote | None = None,
    ) -> None:
        self.spec = spec
        self.workers = max(1, workers)
        self._own = zygote is None
        self.zygote = zygote or Zygote.start(preload=tuple(preload or DEFAULT_PRELOAD))
        self.judges: list[JudgeProcess] = []

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    def close(self) -> None:
        """End all judges, and the warm process when it was started here."""
        for judge in self.judges:
            judge.kill()
        self.judges.clear()
        if self._own:
            self.zygote.close()

    def _fork(self) -> JudgeProcess:
        judge = self.zygote.fork_judge("autograder.pool:serve", asdict(self.spec))
        self.judges.append(judge)
        return judge

    def grade(self, student: str, folder: Path, only: str | None = None) -> Outcome:
        """Grade one submission, or one notebook of it, and wait for the outcome."""
        return next(iter(self.run([(student, folder)], only)))

    def run(self, items: Iterable[Item], only: str | None = None) -> Iterator[Outcome]:
        """Grade many submissions; outcomes come as they get ready, one for each item."""
        waiting = deque((item, TRIES) for item in items)
        busy: dict[int, tuple[JudgeProcess, Item, int]] = {}
        idle = list(self.judges)
        while waiting or busy:
            while waiting and (idle or len(busy) < self.workers):
                judge = idle.pop() if idle else self._fork()
                (student, folder), tries = waiting.popleft()
                judge.send([student, str(folder), only])
                busy[judge.fileno()] = (judge, (student, folder), tries - 1)
            for number in select.select(list(busy), [], [])[0]:
                judge, item, tries = busy.pop(number)
                try:
                    outcome = Outcome(**judge.receive())
                except (EOFError, OSError, ValueError) as error:
                    self.judges.remove(judge)
                    judge.close()
                    if tries:
                        waiting.appendleft((item, tries))
                    else:
                        yield Outcome(item[0], error=f"the judge's process died ({error})")
                    continue
                idle.append(judge)
                yield outcome


def preload_of(notebooks: Iterable[Path], root: Path) -> list[str]:
    """What the warm process should import: all that the source notebooks' code imports.

    Modules of the course itself are looked into, not imported: no test is ever loaded there.
    """
    wanted = dict.fromkeys(ALWAYS)
    seen: set[str] = set()
    for path in notebooks:
        for cell in json.loads(path.read_text("utf-8")).get("cells", []):
            if cell.get("cell_type") == "code":
                wanted.update(dict.fromkeys(imports("".join(cell["source"]), root, seen)))
    found = list(wanted)
    heavy = {name.split(".")[0] for name in found}
    # What torch and matplotlib import on first use, so that no worker pays for it.
    return found + [name for name in DEFAULT_PRELOAD if name.split(".")[0] in lazily(heavy)]


def lazily(packages: set[str]) -> set[str]:
    """The packages whose usual parts are worth importing with them."""
    usual = {"nbformat", "matplotlib_inline", "matplotlib", "torch", "tqdm"}
    return (packages & usual) | ({"matplotlib_inline"} if "matplotlib" in packages else set())


def imports(text: str, root: Path, seen: set[str]) -> Iterator[str]:
    """The modules that a text imports, and those that the course's own modules import in turn."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        else:
            continue
        for name in names:
            if name not in seen:
                seen.add(name)
                yield from resolve(name, root, seen)


def resolve(name: str, root: Path, seen: set[str]) -> Iterator[str]:
    """A module to import; or, for one of the course's own, what it imports."""
    here = Path(__file__).resolve().parent.parent
    for folder in (root, here):
        base = folder.joinpath(*name.split("."))
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.exists():
                yield from imports(path.read_text("utf-8"), root, seen)
                return
    top = name.split(".")[0]
    if top in ("course", "autograder", "solutions"):
        return
    try:
        if importlib.util.find_spec(top) is not None:
            yield name
    except (ImportError, ValueError):
        return

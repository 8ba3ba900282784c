"""Processes that grade: judges forked from one warm process, each with a submission at a time."""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from autograder.spec import Outcome, Spec
from autograder.zygote import DEFAULT_PRELOAD, JudgeProcess, Zygote

TRIES = 2
SLACK = 240.0  # seconds beyond a submission's time after which its judge is killed
WHOLE = ("landlock", "seccomp", "namespaces", "disk", "rlimits", "uid")
Item = tuple[str, Path]


def start(preload: Sequence[str], whole_sandbox: bool = False) -> Zygote:
    """The warm process; with ``whole_sandbox`` no worker with less than all of it is accepted."""
    return Zygote.start(preload=tuple(preload), require=WHOLE if whole_sandbox else ())


def serve(zygote: Zygote, channel: Any, spec: dict[str, Any]) -> None:
    """A judge's process: grade what the channel names until it closes."""
    from autograder.task import Grader  # here, in the judge: its imports are the zygote's already

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
        self.zygote = zygote or start(preload or DEFAULT_PRELOAD, spec.require_sandbox)
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
        ends: dict[int, float] = {}
        most = SLACK + (1 if only else len(self.spec.notebooks)) * (
            self.spec.submission_seconds + 2 * self.spec.cell_seconds
        )
        idle = list(self.judges)
        while waiting or busy:
            while waiting and (idle or len(busy) < self.workers):
                judge = idle.pop() if idle else self._fork()
                (student, folder), tries = waiting.popleft()
                judge.send([student, str(folder), only])
                busy[judge.fileno()] = (judge, (student, folder), tries - 1)
                ends[judge.fileno()] = time.monotonic() + most
            left = min(ends[number] for number in busy) - time.monotonic()
            ready = select.select(list(busy), [], [], max(0.0, left))[0]
            for number in [] if ready else [n for n in busy if ends[n] <= time.monotonic()]:
                # Something in the judge hangs that no alarm can end: it costs this one alone.
                judge, item, _ = busy.pop(number)
                self.judges.remove(judge)
                judge.kill()
                yield Outcome(item[0], error=f"grading took more than {most:.0f} s: stopped")
            for number in ready:
                judge, item, tries = busy[number]
                try:
                    if not judge.born:
                        _ = judge.pid  # its first word; what it found comes later
                        continue
                    outcome = Outcome(**judge.receive())
                except (EOFError, OSError, ValueError) as error:
                    del busy[number]
                    self.judges.remove(judge)
                    judge.close()
                    if tries:
                        waiting.appendleft((item, tries))
                    else:
                        yield Outcome(item[0], error=f"the judge's process died ({error})")
                    continue
                del busy[number]
                idle.append(judge)
                yield outcome

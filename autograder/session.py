"""One student's worker as the judge sees it: run cells, fetch names, start again after a death."""

from __future__ import annotations

import ast
import contextlib
import math
import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbformat import NotebookNode, from_dict

from autograder import link, wire
from autograder.errors import (
    DiskLimit,
    MemoryLimit,
    ProcessEnded,
    TimeLimit,
    WorkerLost,
    last,
    rebuild,
)
from autograder.outputs import outputs_of
from autograder.proxies import adopt, proxies_in, reference
from autograder.sandbox import Limits
from autograder.zygote import SandboxError, Spawned, Zygote

BIRTH_SECONDS = 120.0  # the zygote may still be importing
HUNG = 3  # after so many timeouts a name is not asked again
GRACE = 0.5  # between Ctrl-C and the end
MAX_SAID = 2000  # characters of what a cell says went wrong
TOO_LONG = "your submission used up its time"
DEFINING = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
SIGNALS = {
    4: "illegal instruction",
    6: "abort",
    7: "bus error",
    8: "arithmetic fault",
    9: "killed, probably for its use of memory or time",
    11: "segmentation fault",
    24: "it used up its processor time",
    25: "it wrote too large a file",
}


@dataclass(frozen=True)
class Execution:
    """What running one cell gave: nbformat outputs, the error in words, the seconds it took."""

    outputs: list[NotebookNode]
    error: str | None
    seconds: float


@dataclass
class Cell:
    """A cell that was run, to be run again in a new worker."""

    source: str
    seconds: float = 0.0
    fatal: bool = False


@dataclass
class Wire:
    """One worker's socket with its buffer and the number of the last question."""

    spawned: Spawned
    # Begins at random: the worker's frames then hold no small number that a check may expect.
    number: int = field(default_factory=lambda: secrets.randbits(40))
    drops: list[int] = field(default_factory=list)


class Session:
    """One student's worker, restarted and brought up to date when it dies.

    ``sandbox`` says in words what holds the worker; it is known once the worker answered first.
    """

    def __init__(
        self,
        zygote: Zygote,
        folder: Path,
        *,
        readable: Sequence[Path] = (),
        limits: Limits | None = None,
    ) -> None:
        self.zygote = zygote
        self.folder = Path(folder)
        self.readable = list(readable)
        self.limits = limits or Limits()
        self.cells: list[Cell] = []
        self.classes: set[str] = set()  # names of the classes in them
        self.generation = 0  # counts workers: a proxy of an earlier one is stale
        self.deadline: float | None = None  # set by a judge around a cell
        self.ends: float | None = None  # when the whole submission has used up its time
        self.replaying = False
        self.ask_seconds = 10.0
        self.shared: dict[str, Any] = {}  # helpers that judge and worker both have
        self.hung: dict[str, int] = {}  # how often each of the student's names ran too long
        self.sandbox: list[str] = []
        self._wire: Wire | None = None
        self._born = False
        self._spawn()

    # The worker's life.

    def _spawn(self) -> None:
        spawned = self.zygote.spawn(self.folder, readable=self.readable, limits=self.limits)
        self._wire = Wire(spawned)
        self._born = False
        self.generation += 1

    def _alive(self) -> Wire:
        """The worker's wire, born and up to date; starts a new one where there is none."""
        if self._wire is None:
            self._spawn()
        assert self._wire is not None
        if not self._born:
            self._greet(self._wire)
            self._replay()
        if self._wire is None:
            raise ProcessEnded("your cells end the process each time they are run")
        return self._wire

    def _greet(self, wire_: Wire) -> None:
        try:
            word, told = self._receive(wire_, time.monotonic() + BIRTH_SECONDS)
        except (EOFError, OSError, ValueError, TimeoutError) as error:
            self._drop()
            raise SandboxError(f"no worker could be started: {error}") from error
        self._born = True
        if word != "ready":
            self._drop()
            raise SandboxError(f"a worker could not be locked away: {told}")
        self.sandbox = [str(part) for part in told]
        missing = self.zygote.missing(self.sandbox)
        if missing:
            self._drop()
            raise SandboxError(
                f"required but not in force here: {', '.join(missing)}. In force: "
                f"{', '.join(self.sandbox) or 'nothing'}. Run `python -m autograder doctor`."
            )

    def _replay(self) -> None:
        """Run the earlier cells again, in a new worker; a judged cell's time stands still."""
        start = time.monotonic()
        self.replaying = True
        try:
            while not self._run_again():
                self._spawn()
                self._greet(self._wire)  # type: ignore[arg-type]
        finally:
            self.replaying = False
            if self.deadline is not None:
                self.deadline += time.monotonic() - start

    def _run_again(self) -> bool:
        """Once through all earlier cells; False when one of them ended the process."""
        for cell in self.cells:
            source = definitions(cell.source) if cell.fatal else cell.source
            if not source:
                continue
            if self._left() <= 0:
                self._drop()  # half brought up to date
                raise TimeLimit(TOO_LONG)
            try:
                self._question("execute", [source], min(2 * cell.seconds + 5, self._left()))
            except WorkerLost:
                cell.source = "" if cell.fatal else cell.source
                cell.fatal = True
                if self._wire is None:
                    return False
            except Exception:  # a worker that the student changed may answer anything
                continue
        return True

    def _left(self) -> float:
        """Seconds that the submission still has."""
        return math.inf if self.ends is None else self.ends - time.monotonic()

    def _drop(self) -> None:
        if self._wire is not None:
            self._wire.spawned.close()
            self._wire = None

    def close(self) -> None:
        """End the worker and everything it started; does not wait."""
        self._drop()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    # Questions.

    def execute(self, source: str, *, seconds: float | None = None) -> Execution:
        """Run a student's cell, and remember it for replay; what the cell does never raises."""
        start = time.monotonic()
        allowed = 60.0 if seconds is None else seconds
        cell = Cell(source)
        self.classes.update(re.findall(r"\bclass\s+(\w+)", source))
        try:
            self._alive()
            outputs, error, used = self._question("execute", [source], allowed)
            said = None if error is None else str(error)[:MAX_SAID]
            result = Execution(outputs_of(outputs), said, float(used))
        except WorkerLost as lost:
            cell.fatal = True
            result = self._lost(lost, time.monotonic() - start)
        except SandboxError:
            raise
        except Exception as error:  # a worker that the student changed may answer anything
            said = f"the cell's outputs could not be read: {error}"[:MAX_SAID]
            result = Execution([], said, 0.0)
        cell.seconds = min(max(result.seconds, 0.0), 60.0)
        cell.fatal = cell.fatal or self._wire is None
        self.cells.append(cell)
        return result

    def _lost(self, lost: BaseException, seconds: float) -> Execution:
        text = f"{str(lost)[:1].upper()}{str(lost)[1:]}."
        name = type(lost).__name__
        shown = {"output_type": "error", "ename": name, "evalue": text, "traceback": [text]}
        return Execution([from_dict(shown)], text, seconds)

    def get(self, name: str) -> Any:
        """The student's object of that name, as data or as a proxy. Raises KeyError without one."""
        found = self.ask("get", name, origin=(name,))
        if not isinstance(found, list) or len(found) != 1:
            raise KeyError(name)
        return found[0]

    def ask(self, operation: str, *values: Any, origin: tuple[str, ...] = ()) -> Any:
        """Ask the worker; raises what the student's code raised, or a WorkerLost."""
        self._alive()
        used = list(proxies_in(values))
        for proxy in used:
            proxy._handle_number()  # stale ones ask for themselves first
        self._alive()
        root = origin[0] if origin else used[0]._root if used else None
        if root is not None and self.hung.get(root, 0) >= HUNG:
            raise TimeLimit(f"{root} ran too long {HUNG} times and is not tried again")
        seconds = min(self.ask_seconds, self._left())
        if seconds <= 0:
            raise TimeLimit(TOO_LONG)
        if self.deadline is not None:
            seconds = min(seconds, self.deadline - time.monotonic())
            if seconds <= 0:
                raise TimeLimit("the checks of this cell used up their time")
        try:
            return self._question(operation, list(values), seconds, origin, root)
        except TimeLimit:
            if root is not None:
                self.hung[root] = self.hung.get(root, 0) + 1
            raise

    def _question(
        self,
        operation: str,
        values: list[Any],
        seconds: float,
        origin: tuple[str, ...] = (),
        root: str | None = None,
    ) -> Any:
        """One question and its answer."""
        current = self._wire
        assert current is not None
        current.number += 1
        drops, current.drops = current.drops, []
        parts = wire.pack([current.number, drops, operation, *values], self._reference)
        end = time.monotonic() + seconds
        try:
            link.send(current.spawned, parts, end)
            reply = self._reply(current, end, adopt(self, origin, root))
        except TimeoutError:
            self._interrupt(current)
            raise TimeLimit(f"your code ran longer than {seconds:.0f} s") from None
        except (EOFError, OSError):
            raise self._post_mortem(current) from None
        except wire.WireError as error:
            self._drop()
            raise ProcessEnded(f"what your code sent back cannot be read ({error})") from error
        # Outside: the student's own OSError is no lost connection.
        return self._answer(reply, operation == "plain" and values[0] == "next")

    def _reply(self, current: Wire, end: float, resolve: Callable[..., Any]) -> list[Any]:
        reply = self._receive(current, end, resolve)
        if not isinstance(reply, list) or len(reply) < 3 or reply[0] != current.number:
            raise wire.WireError("an answer to another question")
        if reply[1] == "ok" and len(reply) == 3:
            return reply
        if reply[1] != "error" or len(reply) != 5 or not isinstance(reply[2], list):
            raise wire.WireError("neither an answer nor an error")
        return reply

    def _answer(self, reply: list[Any], iterating: bool) -> Any:
        if reply[1] == "ok":
            return reply[2]
        names, args, text = reply[2:]
        names = [str(name) for name in names]
        own_name = self.defines(names[0]) if names else False
        error = rebuild(names, args, str(text), iterating=iterating, own_name=own_name)
        if isinstance(error, MemoryError) or "can't allocate memory" in str(text):
            raise MemoryLimit(
                f"your code used more memory than {self.limits.memory / (1 << 30):g} GB"
            )
        raise error

    def defines(self, name: str) -> bool:
        """Whether a class of that name stands in the student's cells, as they were handed in."""
        return last(name) in self.classes

    def _interrupt(self, current: Wire) -> None:
        """Ctrl-C; if that is not heard, the end."""
        current.spawned.interrupt()
        try:
            self._receive(current, time.monotonic() + GRACE)
        except (TimeoutError, EOFError, OSError, wire.WireError):
            self._drop()

    def _post_mortem(self, current: Wire) -> BaseException:
        status = current.spawned.farewell()
        self._drop()
        if status is not None and status < 0:
            why = SIGNALS.get(-status, f"signal {-status}")
            return ProcessEnded(f"your code ended the process ({why})")
        return ProcessEnded(
            "your code ended the process" + (f" (exit code {status})" if status else "")
        )

    def _receive(self, current: Wire, end: float, resolve: Callable[..., Any] | None = None) -> Any:
        watch = None if any("disk" in part for part in self.sandbox) else self._count_disk
        prefix, rest = link.read(current.spawned, wire.PREFIX.size, end, watch=watch)
        header, buffers = wire.sizes(prefix)
        data, rest = link.read(current.spawned, header + buffers, end, rest)
        if rest:
            raise wire.WireError("more than one answer")
        view = memoryview(data)
        return wire.unpack(view[:header], view[header:], resolve)

    def _reference(self, value: Any) -> list[Any]:
        return reference(value, self.shared)

    def _count_disk(self) -> None:
        """Without a disk of the worker's own: stop one that fills the student's folder."""
        used = 0
        for path in self.folder.rglob("*"):
            with contextlib.suppress(OSError):
                used += path.lstat().st_size
        if used > self.limits.disk and self._born:
            self._drop()
            raise DiskLimit(f"your code wrote more than {self.limits.disk >> 20} MB")

    def forget(self, generation: int, handle: int) -> None:
        """A proxy is gone: the worker may let go of its object with the next question."""
        if self._wire is not None and generation == self.generation:
            self._wire.drops.append(handle)


def definitions(source: str) -> str:
    """The imports, functions and classes of a cell: what is safe to run of one that was fatal."""
    try:
        body = ast.parse(source).body
        return "\n\n".join(ast.unparse(part) for part in body if isinstance(part, DEFINING))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""

"""The student's side: runs cells and answers the judge's questions about what they made.

Nothing here is trusted by the judge: a student's code may change all of it. It sends data, never
a verdict.
"""

from __future__ import annotations

import contextlib
import importlib
import operator
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from autograder import sandbox, wire
from autograder.readable import Readable
from autograder.sandbox import Limits, lock
from autograder.sandbox.namespaces import Nest
from autograder.shell import Stream, capture, make_shell, warm_up

__all__ = ["Worker", "main", "make_shell", "warm_up"]

OPERATOR_NAMES = """add sub mul matmul truediv floordiv mod pow and_ or_ xor lshift rshift
neg pos abs invert eq ne lt le gt ge""".split()  # noqa: SIM905
OPERATORS = {name: getattr(operator, name) for name in OPERATOR_NAMES}
PLAIN: dict[str, Any] = {
    "bool": bool,
    "int": int,
    "float": float,
    "complex": complex,
    "str": str,
    "repr": repr,
    "len": len,
    "iter": iter,
    "next": next,
    "hash": hash,
    "index": operator.index,
    "setitem": operator.setitem,
    "delitem": operator.delitem,
    "getitem": operator.getitem,
    "contains": lambda container, item: item in container,
    "isinstance": isinstance,
    "issubclass": issubclass,
    "round": round,
    "reversed": reversed,
    "divmod": divmod,
    "enter": lambda manager: type(manager).__enter__(manager),
    "exit": lambda manager: type(manager).__exit__(manager, None, None, None),
    **OPERATORS,
}


def main(
    connection: int, folder: str, readable: Sequence[str], limits: Limits, nest: Nest, pids: bool
) -> None:
    """A worker's whole life. Called in the forked process; the caller ends it."""
    link = socket.socket(fileno=connection)
    with contextlib.suppress(OSError):
        os.setsid()
    try:
        os.chdir(folder)
        _tidy(folder, readable)
        in_force = lock.lock(folder, readable, limits, nest, pids)
    except Exception as error:
        _send(link, ["failed", f"{type(error).__name__}: {error}"])
        return
    _randomness(int.from_bytes(os.urandom(4), "big"))
    worker = Worker(link, limits)
    _send(link, ["ready", in_force])
    worker.serve()


def _send(link: socket.socket, value: Any, keep: Any = None) -> None:
    parts = wire.pack(value, keep)
    link.sendall(parts[0] if len(parts) == 1 else b"".join(parts))


def _tidy(folder: str, readable: Sequence[str]) -> None:
    """An empty environment, and names that resolve to libraries before a student's files."""
    os.environ.clear()
    scratch = "/tmp" if os.access("/tmp", os.W_OK) else folder
    os.environ.update(
        PATH="/usr/bin:/bin",
        HOME=folder,
        TMPDIR=folder,
        LANG="C.UTF-8",
        IPYTHONDIR=folder,
        MPLCONFIGDIR=scratch,
        MPLBACKEND="module://matplotlib_inline.backend_inline",
        HF_HUB_OFFLINE="1",
        TOKENIZERS_PARALLELISM="false",
        OMP_NUM_THREADS="1",
    )
    libraries = sandbox.library_path(sys.path)
    sys.path[:] = [*libraries, folder]
    sys.path_importer_cache.clear()
    sys.meta_path.insert(0, Readable(readable))
    for name in list(sys.modules):
        if name.split(".")[0] in ("autograder", "tests", "solutions", "assignments"):
            del sys.modules[name]


def _randomness(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.set_num_threads(1)
    torch.manual_seed(seed)


class Worker:
    """Serves one judge over one socket."""

    def __init__(self, link: socket.socket, limits: Limits) -> None:
        self.link = link
        # A process that a student forks must not answer for this one: it loses the socket, and
        # ends when it comes back from the cell.
        os.register_at_fork(after_in_child=link.close)
        self.limits = limits
        self.objects: dict[int, Any] = {}
        self.numbers: dict[int, int] = {}
        self.sent: dict[int, int] = {}  # how many proxies the judge made of each object
        self.count = 0
        self.running = False
        self.buffer = bytearray()
        self.shell = make_shell()
        sys.stdout, sys.stderr = Stream("stdout", capture), Stream("stderr", capture)
        import builtins

        builtins.input = _no_input
        signal.signal(signal.SIGINT, self._interrupt)

    def _interrupt(self, *_: Any) -> None:
        if self.running:
            raise KeyboardInterrupt

    def serve(self) -> None:
        """Answer until the judge hangs up."""
        number = 0
        while True:
            try:
                number, drops, operation, *arguments = self._receive()
            except EOFError:
                return
            except wire.WireError as error:  # a name or a module that is not known here
                number, drops, operation, arguments = number + 1, [], "refuse", [str(error)]
            for handle in drops:
                self._forget(handle)
            self._answer(number, operation, arguments)

    def _receive(self) -> Any:
        prefix = self._take(wire.PREFIX.size)
        header, buffers = wire.sizes(prefix)
        text = self._take(header)
        return wire.unpack(text, memoryview(self._take(buffers)), self._resolve)

    def _take(self, count: int) -> bytes:
        while len(self.buffer) < count:
            part = self.link.recv(1 << 20)
            if not part:
                raise EOFError
            self.buffer += part
        taken = bytes(memoryview(self.buffer)[:count])
        del self.buffer[:count]
        return taken

    def _answer(self, number: int, operation: str, arguments: list[Any]) -> None:
        try:
            capture.begin(self.limits.output, self.limits.figures)
            self.running = True
            try:
                value = getattr(self, "do_" + operation)(*arguments)
            finally:
                self.running = False
            parts = wire.pack([number, "ok", value], self._keep)
        except BaseException as error:
            parts = wire.pack([number, "error", *self._describe(error)])
        self.link.sendall(parts[0] if len(parts) == 1 else b"".join(parts))

    # What the judge may ask.

    def do_refuse(self, text: str) -> Any:
        """Say that a question could not be understood."""
        raise LookupError(text)

    def do_seed(self, value: int) -> None:
        """Begin all random numbers anew, so that a second grading draws the same ones."""
        _randomness(value)

    def do_execute(self, source: str) -> Any:
        """Run a cell; what it showed, its error in words, and the seconds it took."""
        start = time.perf_counter()
        result = self.shell.run_cell(source, store_history=True)
        error = result.error_before_exec or result.error_in_exec
        seconds = time.perf_counter() - start
        said = None if error is None else f"{type(error).__name__}: {_say(error)}".rstrip(": ")
        return [capture.finish(), said, seconds]

    def do_get(self, name: str) -> Any:
        """The student's object of that name, as [object], or [] without one."""
        names = self.shell.user_ns
        hidden = self.shell.user_ns_hidden
        known = name in names and not (name in hidden and names[name] is hidden[name])
        return [names[name]] if known else []

    def do_call(self, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call an object."""
        return target(*args, **kwargs)

    def do_attribute(self, target: Any, name: str) -> Any:
        """Read a public attribute."""
        return getattr(target, name)

    def do_plain(self, name: str, *arguments: Any) -> Any:
        """Apply one of Python's own operations."""
        return PLAIN[name](*arguments)

    def do_sealed(self, name: str, *arguments: Any) -> Any:
        """Apply an operation and keep its result here, whatever it is."""
        return _Kept(PLAIN[name](*arguments))

    def do_beside(self, path: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Run a helper of the course beside the student's objects."""
        module, name = path.split(":")
        helper: Any = importlib.import_module(module)
        for part in name.split("."):
            helper = getattr(helper, part)
        return getattr(helper, "__wrapped__", helper)(*args, **kwargs)

    # Objects that stay here.

    def _keep(self, value: Any) -> Any:
        if isinstance(value, _Kept):
            value = value.value
        number = self.numbers.get(id(value))
        if number is None:
            self.count = number = self.count + 1
            self.objects[number] = value
            self.numbers[id(value)] = number
        self.sent[number] = self.sent.get(number, 0) + 1
        return ["h", number, *describe(value)]

    def _forget(self, number: int) -> None:
        # An object that was asked for twice has two proxies; the first to go must not take it away.
        self.sent[number] = self.sent.get(number, 0) - 1
        if self.sent[number] > 0:
            return
        self.sent.pop(number)
        value = self.objects.pop(number, None)
        self.numbers.pop(id(value), None)

    def _resolve(self, tag: str, parts: list[Any]) -> Any:
        if tag == "p":
            return self.objects[parts[0]]
        if tag == "n":
            return self.shell.user_ns[parts[0]]
        if tag == "m":
            found: Any = importlib.import_module(parts[0])
            for part in filter(None, parts[1].split(".")):
                found = getattr(found, part)
            return found
        raise wire.WireError(f"unknown tag {tag!r}")

    def _describe(self, error: BaseException) -> list[Any]:
        """An exception as data: names of its classes, its arguments, its text."""
        names = class_names(type(error))
        try:
            wire.pack(list(error.args))
            args = list(error.args)[:8]
            if len(repr(args)) > 4000:
                args = []
        except Exception:
            args = []
        return [names, args, _say(error)]


class _Kept:
    """Marks a value that must not be sent as data."""

    def __init__(self, value: Any) -> None:
        self.value = value


def describe(value: Any) -> list[Any]:
    """Kind and class names of an object that stays here."""
    if isinstance(value, type):
        kind = "exception" if issubclass(value, BaseException) else "class"
        return [kind, class_names(value)]
    kind = "instance"
    if hasattr(type(value), "__next__"):
        kind = "iterator"
    elif callable(value) and hasattr(value, "__code__"):
        kind = "function"
    return [kind, class_names(type(value))]


def class_names(cls: type) -> list[str]:
    """A class and its bases by module and name, nearest first."""
    bases = type.mro(cls) if cls is not type else [type, object]
    return [f"{str(b.__module__)[:100]}:{str(b.__qualname__)[:100]}" for b in bases[:30]]


def _say(error: BaseException) -> str:
    try:
        return str(error)[:2000]
    except BaseException as problem:
        return f"(its text could not be made: {type(problem).__name__})"


def _no_input(prompt: Any = "") -> str:
    raise RuntimeError("input() cannot be answered while grading: put the value into the cell")

"""What can go wrong on the student's side, as exceptions of the judge."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np


class WorkerLost(SystemExit):
    """The student's process did not answer.

    A SystemExit, so that a check's ``except Exception``, made for the student's own errors, does
    not take it for one.
    """


class TimeLimit(WorkerLost):
    """The student's code ran too long."""


class ProcessEnded(WorkerLost):
    """The student's code ended its process, or called exit()."""


class MemoryLimit(WorkerLost):
    """The student's code used too much memory."""


class DiskLimit(WorkerLost):
    """The student's code wrote too much."""


class UnfitCell(TypeError):
    """A test cell asks for what judge and worker cannot serve: the instructor's matter."""


class StudentError(Exception):
    """An exception of the student's code that has no counterpart here."""


_OTHERS: dict[str, type[BaseException]] = {"numpy.linalg:LinAlgError": np.linalg.LinAlgError}
_made: dict[tuple[str, ...], type[BaseException]] = {}


def exception_class(names: tuple[str, ...]) -> type[BaseException]:
    """The judge's counterpart of an exception class, given the names of its bases in order.

    A student's own class becomes a new one below the builtin that it extends; asked again, the
    same.
    """
    found = _known(names[0]) if names else None
    if found is not None:
        return found
    if names not in _made:
        base = next((known for name in names if (known := _known(name))), StudentError)
        own = (names[0] if names else "StudentError").rpartition(":")[2].rpartition(".")[2]
        _made[names] = type(own if own.isidentifier() else "StudentError", (base,), {})
    return _made[names]


def _known(name: str) -> type[BaseException] | None:
    module, _, own = name.partition(":")
    if module == "builtins":
        cls = getattr(builtins, own, None)
        if isinstance(cls, type) and issubclass(cls, Exception) and cls is not StopIteration:
            return cls
        return StudentError if cls is BaseException else None
    return _OTHERS.get(name)


def rebuild(names: list[str], args: list[Any], text: str) -> BaseException:
    """The judge's copy of an exception that the student's code raised."""
    if names and names[0].startswith("builtins:"):
        own = names[0].partition(":")[2]
        if own in ("SystemExit", "GeneratorExit"):
            return ProcessEnded("your code called exit()")
        if own == "KeyboardInterrupt":
            return StudentError("KeyboardInterrupt")
        if own == "StopIteration":
            return StopIteration(*args)
        if own == "MemoryError":
            return MemoryError(text or "your code asked for more memory than it may use")
    cls = exception_class(tuple(names))
    try:
        error = cls(*(args or ([text] if text else [])))
    except Exception:
        error = StudentError(f"{cls.__name__}: {text}")
    return error

"""What can go wrong on the student's side, as exceptions of the judge."""

from __future__ import annotations

import builtins
import functools
import sys
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


@functools.lru_cache(maxsize=1000)
def exception_class(names: tuple[str, ...], own_name: bool = False) -> type[BaseException]:
    """The judge's counterpart of an exception class, given the names of its bases in order.

    A student's own class becomes a new one below the builtin that it extends; asked again, the
    same. It keeps its own name only with ``own_name``, else it has that of the nearest class that
    a library defines: a name made up while a hidden check runs could tell what it passed in.
    """
    found = _known(names[0]) if names else None
    if found is not None:
        return found
    base = next((known for name in names if (known := _known(name))), StudentError)
    name = last(names[0]) if own_name and names else ""
    if not name.isidentifier() or name in globals():
        name = next((own for n in names if (own := _of_library(n))), base.__name__)
    return type(name, (base,), {})


def last(name: str) -> str:
    """The last part of a class's module and name."""
    return name.rpartition(":")[2].rpartition(".")[2]


def _of_library(name: str) -> str | None:
    """The plain name of an exception class, if this process has imported it too."""
    module, _, own = name.partition(":")
    found = getattr(sys.modules.get(module, builtins), "__dict__", {}).get(own)
    return own if isinstance(found, type) and issubclass(found, Exception) else None


def _known(name: str) -> type[BaseException] | None:
    module, _, own = name.partition(":")
    if module == "builtins":
        cls = getattr(builtins, own, None)
        if isinstance(cls, type) and issubclass(cls, Exception) and cls is not StopIteration:
            return cls
        return StudentError if cls is BaseException else None
    return _OTHERS.get(name)


def rebuild(
    names: list[str],
    args: list[Any],
    text: str,
    *,
    iterating: bool = False,
    own_name: bool = False,
) -> BaseException:
    """The judge's copy of an exception that the student's code raised.

    ``iterating`` says that an iterator was asked for its next item: anywhere else a StopIteration
    would end a loop of the test's, ``all(map(answer, inputs))`` say, before it compared anything.
    """
    if names and names[0].startswith("builtins:"):
        own = names[0].partition(":")[2]
        if own in ("SystemExit", "GeneratorExit"):
            return ProcessEnded("your code called exit()")
        if own == "KeyboardInterrupt":
            return StudentError("KeyboardInterrupt")
        if own == "StopIteration":
            return StopIteration(*args) if iterating else RuntimeError("it raised StopIteration")
        if own == "MemoryError":
            return MemoryError(text or "your code asked for more memory than it may use")
    cls = exception_class(tuple(names), own_name)
    try:
        error = cls(*(args or ([text] if text else [])))
    except Exception:
        error = StudentError(f"{cls.__name__}: {text}")
    return error

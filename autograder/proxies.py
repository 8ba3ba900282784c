"""The judge's stand-ins for objects that live in the student's process.

A proxy asks; it never holds a student's code. Three rules keep an object that lies from winning:
data of the judge is never compared by the student's ``__eq__`` or ``<`` (a proxy and a number are
simply not equal); arithmetic between a proxy and the judge's data gives a *sealed* proxy, from
which no number can be read; names with a leading underscore are refused, so no library on the
judge's side mistakes a proxy for an array.
"""

from __future__ import annotations

import builtins
import math
import operator
import sys
import types
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from autograder.claims import claimed_class
from autograder.errors import ProcessEnded, UnfitCell, exception_class
from autograder.wire import WireError

if TYPE_CHECKING:
    from autograder.session import Session

MAX_ITEMS = 100_000
# Modules whose functions and classes a test may hand to the student's code, by name.
SHARED_MODULES = (builtins, math, operator, torch, np)
SHARED_ROOTS = ("builtins", "math", "operator", "numpy", "torch", "collections", "functools")


class Proxy:
    """An object of the student's that stays in the worker."""

    def __init__(
        self,
        session: Session,
        number: int,
        kind: str,
        classes: tuple[str, ...],
        origin: tuple[str, ...],
        root: str | None,
    ) -> None:
        own = {"_session": session, "_number": number, "_generation": session.generation}
        own |= {"_kind": kind, "_classes": classes, "_origin": origin, "_root": root}
        object.__setattr__(self, "__dict__", own | {"_sealed": False})

    _session: Session
    _number: int
    _generation: int
    _kind: str
    _classes: tuple[str, ...]
    _origin: tuple[str, ...]  # the name and attributes that lead to it again, if any
    _root: str | None  # the student's name that it was made by
    _sealed: bool

    def _handle_number(self) -> int:
        """The number in the present worker; finds the object anew after a restart.

        Raises ProcessEnded for an object that only the earlier process had.
        """
        if self._generation != self._session.generation:
            if not self._origin:
                raise ProcessEnded("an object was lost when the process was started again")
            fresh = self._session.get(self._origin[0])
            for name in self._origin[1:]:
                fresh = getattr(fresh, name)
            if not isinstance(fresh, Proxy):
                raise ProcessEnded(f"{self._origin[0]} is another thing after a restart")
            object.__setattr__(self, "_number", fresh._number)
            object.__setattr__(self, "_generation", fresh._generation)
            object.__setattr__(fresh, "_generation", -1)
        return self._number

    def __del__(self) -> None:
        self._session.forget(self._generation, self._number)

    def _what(self) -> str:
        return (
            "an object of " + self._classes[0].partition(":")[2] if self._classes else "an object"
        )

    def _plain(self, name: str, *values: Any) -> Any:
        return self._session.ask("plain", name, self, *values)

    def _read(self, name: str, wanted: tuple[type, ...]) -> Any:
        """Data of a wanted type that the object turns into."""
        if self._sealed:
            raise TypeError(f"{self._what()} came back where a number was expected")
        found = self._plain(name)
        if not isinstance(found, wanted) or isinstance(found, Proxy):
            raise TypeError(f"{self._what()} cannot be read as {name}")
        return found

    @staticmethod
    def __beside__(near: Proxy, path: str, args: Any, kwargs: Any) -> Any:
        """Run a helper of ``course`` in the student's process; see course/checks/live.py."""
        if not path.startswith("course.") or ":" not in path:
            raise UnfitCell(f"{path!r}: only helpers of the course package run beside students")
        return near._session.ask("beside", path, list(args), dict(kwargs))

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        claimed = claimed_class(self._classes) if self._kind == "instance" else None
        return claimed or Proxy

    @property
    def __bases__(self) -> tuple[type, ...]:
        if self._kind != "class":
            raise AttributeError("__bases__: only classes have bases")
        return (claimed_class(self._classes) or object,)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{name}: names with an underscore are the student's own matter")
        origin = (*self._origin, name) if self._origin else ()
        return self._session.ask("attribute", self, name, origin=origin)

    def __setattr__(self, name: str, value: Any) -> None:
        raise UnfitCell(
            f"this cell sets .{name} of a student's object, which lives in another process: "
            "use a method of the object, or a helper beside it (course/checks/live.py)"
        )

    def __delattr__(self, name: str) -> None:
        raise UnfitCell(f"this cell deletes .{name} of a student's object: it cannot be reached")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._session.ask("call", self, list(args), kwargs)

    def __getitem__(self, key: Any) -> Any:
        return self._plain("getitem", key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._plain("setitem", key, value)

    def __delitem__(self, key: Any) -> None:
        self._plain("delitem", key)

    def __contains__(self, item: Any) -> bool:
        return bool(self._plain("contains", item))

    def __len__(self) -> int:
        return int(self._read("len", (int,)))

    def __bool__(self) -> bool:
        if self._kind in ("class", "function"):
            return True
        return bool(self._read("bool", (bool,)))

    def __int__(self) -> int:
        return int(self._read("int", (int,)))

    def __float__(self) -> float:
        return float(self._read("float", (float,)))

    def __complex__(self) -> complex:
        return complex(self._read("complex", (complex,)))

    def __index__(self) -> int:
        return int(self._read("index", (int,)))

    def __str__(self) -> str:
        return str(self._read("str", (str,)))

    def __repr__(self) -> str:
        return str(self._read("repr", (str,)))

    def __iter__(self) -> Iterator[Any]:
        iterator = self if self._kind == "iterator" else self._plain("iter")
        if not isinstance(iterator, Proxy):
            yield from iterator
            return
        for _ in range(MAX_ITEMS):
            try:
                item = iterator._plain("next")
            except StopIteration:
                return
            yield item
        raise ValueError(f"more than {MAX_ITEMS} items came back: does it ever end?")

    def __next__(self) -> Any:
        return self._plain("next")

    def __enter__(self) -> Any:
        return self._plain("enter")

    def __exit__(self, *problem: object) -> None:
        self._plain("exit")

    def __instancecheck__(self, value: Any) -> bool:
        return isinstance(value, Proxy) and self._session.ask("plain", "isinstance", value, self)

    def __subclasscheck__(self, value: Any) -> bool:
        return isinstance(value, Proxy) and self._session.ask("plain", "issubclass", value, self)

    def __hash__(self) -> int:
        return hash((id(self._session), self._number))

    def __round__(self, digits: int | None = None) -> Any:
        return self._session.ask("sealed", "round", self, *([] if digits is None else [digits]))


def _comparison(name: str) -> Callable[[Proxy, Any], Any]:
    """Two objects of the student's compare over there; with the judge's data they do not."""

    def compare(self: Proxy, other: Any) -> Any:
        if type(other) is not Proxy:
            return NotImplemented
        if self._number == other._number and name in ("eq", "ne"):
            return name == "eq"
        return self._session.ask("plain", name, self, other)

    return compare


def _arithmetic(name: str, turned: bool = False) -> Callable[[Proxy, Any], Any]:
    def compute(self: Proxy, other: Any) -> Any:
        pair = (other, self) if turned else (self, other)
        plain = type(other) is Proxy and not (self._sealed or other._sealed)
        return _sealed(self._session.ask("plain" if plain else "sealed", name, *pair), not plain)

    return compute


def _unary(name: str) -> Callable[[Proxy], Any]:
    def compute(self: Proxy) -> Any:
        kept = self._sealed
        return _sealed(self._session.ask("sealed" if kept else "plain", name, self), kept)

    return compute


def _sealed(value: Any, seal: bool) -> Any:
    if seal:
        if type(value) is not Proxy:
            raise WireError("a number came back where an object was to stay")
        object.__setattr__(value, "_sealed", True)
    return value


for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Proxy, f"__{_name}__", _comparison(_name))
BINARY = """add sub mul matmul truediv floordiv mod pow and_ or_ xor lshift
rshift""".split()  # noqa: SIM905
for _name in BINARY:
    setattr(Proxy, f"__{_name.strip('_')}__", _arithmetic(_name))
    setattr(Proxy, f"__r{_name.strip('_')}__", _arithmetic(_name, turned=True))
for _name in ("neg", "pos", "abs", "invert"):
    setattr(Proxy, f"__{_name}__", _unary(_name))


def adopt(
    session: Session, origin: tuple[str, ...], root: str | None
) -> Callable[[str, list[Any]], Any]:
    """How the decoder of one answer turns handles into proxies of ``session``."""

    def resolve(tag: str, parts: list[Any]) -> Any:
        if tag != "h" or len(parts) != 3:
            raise WireError(f"unknown tag {tag!r}")
        number, kind, classes = parts
        if type(number) is not int or kind not in KINDS or not isinstance(classes, list):
            raise WireError("a malformed handle")
        if any(type(name) is not str or len(name) > 250 for name in classes) or not classes:
            raise WireError("a malformed handle")
        if kind == "exception":
            return exception_class(tuple(classes), session.defines(classes[0]))
        return Proxy(session, number, kind, tuple(classes), origin, root)

    return resolve


KINDS = ("class", "function", "exception", "iterator", "instance")


def reference(value: Any, shared: dict[str, Any]) -> list[Any]:
    """How something that is no data is sent to the worker: a proxy, a library's name, a helper's.

    ``shared`` holds what locked cells of the source notebook define on both sides. Raises UnfitCell
    for what exists in the judge alone.
    """
    if type(value) is Proxy:
        return ["p", value._handle_number()]
    if isinstance(value, types.ModuleType) and value.__name__.partition(".")[0] in SHARED_ROOTS:
        return ["m", value.__name__, ""]
    name = str(getattr(value, "__name__", ""))
    own = str(getattr(value, "__module__", ""))
    for module in (*(m.__name__ for m in SHARED_MODULES), own):
        shareable = module.partition(".")[0] in SHARED_ROOTS and module in sys.modules
        if shareable and name and getattr(sys.modules[module], name, None) is value:
            return ["m", module, name]
    if name and shared.get(name) is value:
        return ["n", name]
    what = f"the function {name}" if callable(value) and name else f"a {type(value).__name__}"
    raise UnfitCell(
        f"this cell hands {what} of its own to a student's code, which runs in another process: "
        "hand over data, a library's function, or define it in a locked cell"
    )


def proxies_in(value: Any) -> Iterator[Proxy]:
    """The proxies in nested lists, tuples and dicts, in order."""
    if type(value) is Proxy:
        yield value
    elif isinstance(value, dict):
        yield from proxies_in(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from proxies_in(item)

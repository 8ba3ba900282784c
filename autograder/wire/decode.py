"""From a message back to a value, believing nothing."""

from __future__ import annotations

import datetime
import decimal
import fractions
import json
import math
import pathlib
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from autograder.wire import format as form
from autograder.wire.format import TORCH_DTYPES, Fields, WireError

DATES: dict[str, Any] = {
    "date": datetime.date,
    "time": datetime.time,
    "datetime": datetime.datetime,
}


class Decoder:
    """Turns a header tree and its buffers back into a value, believing nothing.

    ``resolve`` turns a tag that is no data ("h" for a handle, "p" for its way back, "n" for a
    name) with its arguments into an object.
    """

    def __init__(self, data: memoryview, resolve: Callable[[str, list[Any]], Any] | None) -> None:
        self.data = data
        self.resolve = resolve
        self.offset = 0
        self.nodes = 0
        self.parts = 0
        self.end = time.monotonic() + form.MAX_SECONDS
        self.kinds: dict[tuple[str, ...], Any] = {}

    def decode(self, tree: Any, depth: int = 0) -> Any:
        """The value of a header tree. Raises WireError for anything malformed."""
        if tree is None or isinstance(tree, (bool, int, str)):
            return tree
        if isinstance(tree, float):
            return tree
        self.nodes += 1
        if depth > form.MAX_DEPTH + 2 or self.nodes > 4 * form.MAX_NODES:
            raise WireError("the message is nested too deep or has too many parts")
        if not isinstance(tree, list) or not tree or not isinstance(tree[0], str):
            raise WireError("a part of the message has no tag")
        read = READERS.get(tree[0])
        if read is not None:
            return read(self, *tree[1:], depth=depth + 1)
        if self.resolve is None:
            raise WireError(f"unknown tag {tree[0]!r}")
        return self.resolve(tree[0], tree[1:])

    def items(self, trees: Any, depth: int) -> Iterator[Any]:
        """The values of a list of trees."""
        if not isinstance(trees, list):
            raise WireError("a list was expected")
        for tree in trees:
            self.count()
            yield self.decode(tree, depth)

    def pairs(self, trees: Any, depth: int) -> Iterator[tuple[Any, Any]]:
        """The keys and values of a list of pairs of trees."""
        for key, value in trees:
            self.count()
            yield self.decode(key, depth), self.decode(value, depth)

    def count(self) -> None:
        """Look at the clock now and then, also between two keys of a set or dict."""
        self.parts += 1
        if not self.parts % 100 and time.monotonic() > self.end:
            raise WireError("it takes too long to read")

    def take(self, length: Any) -> bytearray:
        """The next bytes of the buffers, as a copy that is free to be written to."""
        if type(length) is not int or not 0 <= length <= len(self.data) - self.offset:
            raise WireError("a buffer is shorter than announced")
        self.offset += length
        return bytearray(self.data[self.offset - length : self.offset])


def _shape(shape: Any, item_size: int, length: int) -> list[int]:
    """``shape`` if it is one that ``length`` bytes fill exactly."""
    if not isinstance(shape, list) or len(shape) > form.MAX_DIMENSIONS:
        raise WireError("a shape was expected")
    if any(type(size) is not int or not 0 <= size < 2**31 for size in shape):
        raise WireError(f"{shape!r} is no shape")
    # An empty array may have any other sizes, but their product must still be a number of bytes.
    if math.prod(size or 1 for size in shape) >= 2**48:
        raise WireError(f"{shape!r} is too large")
    if math.prod(shape) * item_size != length:
        raise WireError("a buffer does not fill its shape")
    return shape


def _read_tensor(
    decoder: Decoder, name: str, shape: Any, grad: Any, length: int, *, depth: int
) -> Any:
    dtype = TORCH_DTYPES.get(name)
    if dtype is None:
        raise WireError(f"unknown dtype {name!r}")
    data = decoder.take(length)
    _shape(shape, dtype.itemsize, length)
    if not length:
        tensor = torch.empty(shape, dtype=dtype)
    elif dtype is torch.bool:
        tensor = (torch.frombuffer(data, dtype=torch.uint8) != 0).reshape(shape)
    else:
        tensor = torch.frombuffer(data, dtype=dtype).reshape(shape)
    if grad is True and (dtype.is_floating_point or dtype.is_complex):
        tensor.requires_grad_()
    return tensor


def _dtype(text: Any) -> np.dtype:
    if not isinstance(text, str) or len(text) > 16 or text[:1] not in "<>|=":
        raise WireError(f"{text!r} is no dtype")
    dtype = np.dtype(text)
    if dtype.kind not in "biufcmM" or dtype == np.longdouble or dtype.itemsize > 16:
        raise WireError(f"{text!r} is no dtype that is sent")
    return dtype


def _read_array(decoder: Decoder, text: str, shape: Any, length: int, *, depth: int) -> Any:
    dtype = _dtype(text)
    data = decoder.take(length)
    _shape(shape, dtype.itemsize, length)
    if dtype.kind == "b":
        return (np.frombuffer(data, np.uint8) != 0).reshape(shape)
    return np.frombuffer(data, dtype).reshape(shape)


def _read_text_array(decoder: Decoder, shape: Any, texts: Any, *, depth: int) -> Any:
    if not isinstance(texts, list) or any(type(text) is not str for text in texts):
        raise WireError("an array of strings was expected")
    return np.array(texts, dtype=str).reshape(_shape(shape, 1, len(texts)))


def _read_generic(decoder: Decoder, tree: Any, *, depth: int) -> Any:
    array = decoder.decode(tree, depth)
    if not isinstance(array, np.ndarray) or array.shape != ():
        raise WireError("a NumPy number was expected")
    return array[()]


def _read_generator(decoder: Decoder, length: int, *, depth: int) -> torch.Generator:
    generator = torch.Generator()
    state = decoder.take(length)
    if len(state) != generator.get_state().numel():
        raise WireError("a generator's state has the wrong size")
    generator.set_state(torch.frombuffer(state, dtype=torch.uint8))
    return generator


def _read_named(decoder: Decoder, name: str, fields: Any, items: Any, *, depth: int) -> Any:
    values = list(decoder.items(items, depth))
    words = [name, *fields] if isinstance(fields, list) and len(fields) < 256 else [None]
    if any(type(word) is not str or len(word) > 100 or word.startswith("_") for word in words):
        return tuple(values)
    kind = decoder.kinds.get(tuple(fields))
    if kind is None:
        if len(decoder.kinds) >= form.MAX_TUPLE_KINDS:
            return tuple(values)
        # Its name is the student's choice and would be told in messages: it gets none.
        kind = decoder.kinds[tuple(fields)] = namedtuple("namedtuple", fields)
    return kind(*values)


def _integer(text: Any) -> int:
    if type(text) is not str or len(text) > 1 << 20:
        raise WireError("an integer was expected")
    return int(text, 16)


def _special_float(text: Any) -> float:
    if text not in ("nan", "inf", "-inf"):
        raise WireError("a float was expected")
    return float(text)


def _torch_dtype(name: Any) -> torch.dtype:
    dtype = getattr(torch, name, None) if isinstance(name, str) and name.isidentifier() else None
    if not isinstance(dtype, torch.dtype):
        raise WireError("a torch.dtype was expected")
    return dtype


def _range(parts: list[Any]) -> range:
    if len(parts) != 3 or any(type(part) is not int for part in parts):
        raise WireError("a range was expected")
    return range(*parts)


def _text(value: Any, limit: int = 10_000) -> str:
    if type(value) is not str or len(value) > limit:
        raise WireError("a short text was expected")
    return value


def _date(kind: Any, text: Any) -> Any:
    return DATES[kind].fromisoformat(_text(text, 100))


def _fraction(parts: list[Any]) -> fractions.Fraction:
    numerator, denominator = parts
    if type(numerator) is not int or type(denominator) is not int:
        raise WireError("a fraction was expected")
    if max(numerator.bit_length(), denominator.bit_length()) > form.MAX_FRACTION:
        raise WireError("a fraction is too large")
    return fractions.Fraction(numerator, denominator)


READERS: dict[str, Callable[..., Any]] = {
    "i": lambda d, text, depth: _integer(text),
    "f": lambda d, text, depth: _special_float(text),
    "c": lambda d, re, im, depth: complex(d.decode(re, depth), d.decode(im, depth)),
    "l": lambda d, items, depth: list(d.items(items, depth)),
    "t": lambda d, items, depth: tuple(d.items(items, depth)),
    "s": lambda d, items, depth: set(d.items(items, depth)),
    "z": lambda d, items, depth: frozenset(d.items(items, depth)),
    "d": lambda d, items, depth: dict(d.pairs(items, depth)),
    "o": lambda d, items, depth: Fields(d.pairs(items, depth)),
    "nt": _read_named,
    "b": lambda d, length, depth: bytes(d.take(length)),
    "T": _read_tensor,
    "A": _read_array,
    "AU": _read_text_array,
    "g": _read_generic,
    "G": _read_generator,
    "dt": lambda d, name, depth: _torch_dtype(name),
    "dv": lambda d, name, depth: torch.device(_text(name, 20)),
    "nd": lambda d, name, depth: _dtype(name),
    "sl": lambda d, items, depth: slice(*d.items(items, depth)),
    "r": lambda d, items, depth: _range(list(d.items(items, depth))),
    "e": lambda d, depth: ...,
    "q": lambda d, items, depth: _fraction(list(d.items(items, depth))),
    "D": lambda d, text, depth: decimal.Decimal(_text(text)),
    "da": lambda d, kind, text, depth: _date(kind, text),
    "td": lambda d, days, secs, micros, depth: datetime.timedelta(days, secs, micros),
    "pa": lambda d, text, depth: pathlib.PurePosixPath(_text(text)),
}


def _refuse(text: str) -> Any:
    raise WireError(f"{text} is no JSON")


def unpack(
    header: bytes | memoryview,
    data: memoryview,
    resolve: Callable[[str, list[Any]], Any] | None = None,
) -> Any:
    """The value of one message. Raises WireError, and nothing else, for malformed ones."""
    try:
        tree = json.loads(bytes(header), parse_constant=_refuse)
        if not isinstance(tree, list) or len(tree) != 1:
            raise WireError("a message is one value")
        return Decoder(data, resolve).decode(tree[0])
    except WireError:
        raise
    except (ArithmeticError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise WireError(f"malformed message: {error}") from error
    except (RuntimeError, MemoryError, AssertionError) as error:  # RecursionError is one of them
        raise WireError(f"malformed message: {type(error).__name__}") from error

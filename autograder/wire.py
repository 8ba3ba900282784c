"""What crosses between judge and worker: a JSON header and raw buffers, never a pickle.

A message is data alone: numbers, strings, bytes, tensors, arrays, dtypes, dates and containers of
these. Whatever else the student's process holds stays there and is sent as a handle, a number that
the judge wraps in a proxy. The decoder trusts nothing: every field is checked before it is used,
and any malformed message is a ``WireError``.
"""

from __future__ import annotations

import datetime
import decimal
import fractions
import json
import math
import pathlib
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

PREFIX = struct.Struct("!4sII")  # magic, bytes of header, number of buffers' bytes
MAGIC = b"TbH1"
MAX_DEPTH = 40
MAX_NODES = 1_000_000
MAX_HEADER = 24 << 20
MAX_BUFFERS = 256 << 20
MAX_DIMENSIONS = 32

TORCH_NAMES = """bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 bfloat16 float32
float64 complex64 complex128 float8_e4m3fn float8_e5m2""".split()  # noqa: SIM905
TORCH_DTYPES = {name: getattr(torch, name) for name in TORCH_NAMES if hasattr(torch, name)}
DATES: dict[str, Any] = {
    "date": datetime.date,
    "time": datetime.time,
    "datetime": datetime.datetime,
}


class WireError(ValueError):
    """A message that cannot be sent or must not be believed."""


class Unsendable(TypeError):
    """A value that is no data, on a side that cannot keep it as a handle."""


class Fields(dict):
    """A dict whose entries can also be read as attributes and by position, as in ModelOutput."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, (int, slice)) and key not in self.keys():
            return tuple(self.values())[key]
        return super().__getitem__(key)

    def to_tuple(self) -> tuple[Any, ...]:
        """The entries without their names."""
        return tuple(self.values())


class Encoder:
    """Turns one value into a header tree and a list of buffers.

    ``keep`` is asked for everything that is no data; it returns a tree for it or raises Unsendable.
    """

    def __init__(self, keep: Callable[[Any], Any] | None = None) -> None:
        self.keep = keep
        self.buffers: list[Any] = []
        self.size = 0
        self.nodes = 0

    def encode(self, value: Any, depth: int = 0) -> Any:
        """The header tree of ``value``. Raises WireError beyond the limits."""
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int:
            return value if -(2**53) < value < 2**53 else ["i", format(value, "x")]
        if kind is float:
            return value if math.isfinite(value) else ["f", str(value)]
        self.nodes += 1
        if depth > MAX_DEPTH:
            raise WireError(f"the value is nested more than {MAX_DEPTH} deep")
        if self.nodes > MAX_NODES:
            raise WireError(f"the value has more than {MAX_NODES} parts")
        return self._compound(value, depth + 1)

    def _compound(self, value: Any, depth: int) -> Any:
        if hasattr(type(value), "__beside__"):
            return self._foreign(value)  # a proxy, whatever class it claims
        if isinstance(value, torch.Tensor):
            return self._tensor(value)
        if isinstance(value, np.ndarray):
            return self._array(value)
        if isinstance(value, np.generic):
            return self._generic(value, depth)
        for types, write in WRITERS:
            if isinstance(value, types):
                return write(self, value, depth)
        return self._foreign(value)

    def _foreign(self, value: Any) -> Any:
        if self.keep is None:
            raise Unsendable(f"a {type(value).__name__} is no data and cannot be sent")
        return self.keep(value)

    def _buffer(self, data: Any) -> int:
        view = memoryview(data).cast("B") if len(data) else memoryview(b"")
        self.size += view.nbytes
        if self.size > MAX_BUFFERS:
            raise WireError(f"the value is larger than {MAX_BUFFERS >> 20} MiB")
        self.buffers.append(view)
        return view.nbytes

    def _tensor(self, value: torch.Tensor) -> Any:
        name = str(value.dtype).removeprefix("torch.")
        if value.layout != torch.strided or value.is_meta or name not in TORCH_DTYPES:
            return self._foreign(value)
        plain = value.detach().as_subclass(torch.Tensor)
        if plain.device.type != "cpu":
            plain = plain.cpu()
        plain = plain.resolve_conj().resolve_neg().contiguous()
        data = plain.reshape(-1).view(torch.uint8).numpy() if plain.numel() else b""
        return ["T", name, list(value.shape), value.requires_grad, self._buffer(data)]

    def _array(self, value: np.ndarray) -> Any:
        plain = np.asarray(value)
        if plain.dtype.kind == "U":
            return ["AU", list(plain.shape), [str(item) for item in plain.reshape(-1)]]
        if plain.dtype.kind not in "biufcmM":
            return self._foreign(value)
        if plain.dtype == np.longdouble:
            plain = plain.astype(np.float64)
        # The shape is taken before: ascontiguousarray gives 0-dimensional arrays one dimension.
        shape = list(plain.shape)
        plain = np.ascontiguousarray(plain, plain.dtype.newbyteorder("="))
        data = plain.reshape(-1).view(np.uint8) if plain.size else b""
        return ["A", plain.dtype.str, shape, self._buffer(data)]

    def _generic(self, value: np.generic, depth: int) -> Any:
        if isinstance(value, (np.str_, np.bytes_)):
            return self.encode(value.item(), depth)
        tree = self._array(np.asarray(value))
        return ["g", tree] if tree and tree[0] == "A" else tree

    def _items(self, values: Any, depth: int) -> list[Any]:
        return [self.encode(value, depth) for value in values]

    def _pairs(self, value: Mapping[Any, Any], depth: int) -> list[Any]:
        # dict.items, not the object's own: a subclass may lie about what it holds.
        items = dict.items(value) if isinstance(value, dict) else value.items()
        return [[self.encode(k, depth), self.encode(v, depth)] for k, v in items]

    def _tuple(self, value: tuple[Any, ...], depth: int) -> Any:
        fields = getattr(type(value), "_fields", None)
        if fields and isinstance(fields, tuple) and len(fields) == tuple.__len__(value):
            names = [str(field) for field in fields]
            return ["nt", type(value).__name__, names, self._items(tuple.__iter__(value), depth)]
        return ["t", self._items(tuple.__iter__(value), depth)]

    def _dict(self, value: dict[Any, Any], depth: int) -> Any:
        attributes = hasattr(type(value), "to_tuple") or isinstance(value, Fields)
        return ["o" if attributes else "d", self._pairs(value, depth)]


def _write_generator(encoder: Encoder, value: torch.Generator, depth: int) -> Any:
    if value.device.type != "cpu":
        return encoder._foreign(value)
    return ["G", encoder._buffer(value.get_state().numpy())]


WRITERS: list[tuple[Any, Callable[[Encoder, Any, int], Any]]] = [
    (list, lambda e, v, d: ["l", e._items(list.__iter__(v), d)]),
    (tuple, lambda e, v, d: e._tuple(v, d)),
    (dict, lambda e, v, d: e._dict(v, d)),
    (str, lambda e, v, d: str.__str__(v)),
    (bool, lambda e, v, d: bool(v)),
    (int, lambda e, v, d: e.encode(int.__int__(v), d)),
    (float, lambda e, v, d: e.encode(float.__float__(v), d)),
    (complex, lambda e, v, d: ["c", e.encode(v.real, d), e.encode(v.imag, d)]),
    ((bytes, bytearray), lambda e, v, d: ["b", e._buffer(bytes(v))]),
    (set, lambda e, v, d: ["s", e._items(set.__iter__(v), d)]),
    (frozenset, lambda e, v, d: ["z", e._items(frozenset.__iter__(v), d)]),
    (torch.dtype, lambda e, v, d: ["dt", str(v).removeprefix("torch.")]),
    (torch.device, lambda e, v, d: ["dv", str(v)]),
    (torch.Generator, _write_generator),
    (np.dtype, lambda e, v, d: ["nd", v.str] if v.kind in "biufcmM" else e._foreign(v)),
    (slice, lambda e, v, d: ["sl", e._items((v.start, v.stop, v.step), d)]),
    (range, lambda e, v, d: ["r", e._items((v.start, v.stop, v.step), d)]),
    (type(...), lambda e, v, d: ["e"]),
    (fractions.Fraction, lambda e, v, d: ["q", e._items((v.numerator, v.denominator), d)]),
    (decimal.Decimal, lambda e, v, d: ["D", str(v)]),
    (datetime.datetime, lambda e, v, d: ["da", "datetime", v.isoformat()]),
    (datetime.date, lambda e, v, d: ["da", "date", v.isoformat()]),
    (datetime.time, lambda e, v, d: ["da", "time", v.isoformat()]),
    (datetime.timedelta, lambda e, v, d: ["td", v.days, v.seconds, v.microseconds]),
    (pathlib.PurePath, lambda e, v, d: ["pa", str(v)]),
]


def pack(value: Any, keep: Callable[[Any], Any] | None = None) -> list[Any]:
    """One message as a list of buffers to be sent in a row."""
    encoder = Encoder(keep)
    header = json.dumps([encoder.encode(value)], separators=(",", ":"), allow_nan=False).encode()
    if len(header) > MAX_HEADER:
        raise WireError(f"the value's text is larger than {MAX_HEADER >> 20} MiB")
    return [PREFIX.pack(MAGIC, len(header), encoder.size) + header, *encoder.buffers]


def sizes(prefix: bytes) -> tuple[int, int]:
    """Lengths of header and buffers that a message's first bytes announce."""
    magic, header, buffers = PREFIX.unpack(prefix)
    if magic != MAGIC:
        raise WireError("the message does not begin as one")
    if header > MAX_HEADER or buffers > MAX_BUFFERS:
        raise WireError("the message is too large")
    return header, buffers


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

    def decode(self, tree: Any, depth: int = 0) -> Any:
        """The value of a header tree. Raises WireError for anything malformed."""
        if tree is None or isinstance(tree, (bool, int, str)):
            return tree
        if isinstance(tree, float):
            return tree
        self.nodes += 1
        if depth > MAX_DEPTH + 2 or self.nodes > 4 * MAX_NODES:
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
        return (self.decode(tree, depth) for tree in trees)

    def take(self, length: Any) -> bytearray:
        """The next bytes of the buffers, as a copy that is free to be written to."""
        if type(length) is not int or not 0 <= length <= len(self.data) - self.offset:
            raise WireError("a buffer is shorter than announced")
        self.offset += length
        return bytearray(self.data[self.offset - length : self.offset])


def _shape(shape: Any, item_size: int, length: int) -> list[int]:
    """``shape`` if it is one that ``length`` bytes fill exactly."""
    if not isinstance(shape, list) or len(shape) > MAX_DIMENSIONS:
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
    from collections import namedtuple

    values = list(decoder.items(items, depth))
    words = [name, *fields] if isinstance(fields, list) and len(fields) < 256 else [None]
    if any(type(word) is not str or len(word) > 100 or word.startswith("_") for word in words):
        return tuple(values)
    return namedtuple(name, fields)(*values)


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
    return fractions.Fraction(numerator, denominator)


READERS: dict[str, Callable[..., Any]] = {
    "i": lambda d, text, depth: _integer(text),
    "f": lambda d, text, depth: _special_float(text),
    "c": lambda d, re, im, depth: complex(d.decode(re, depth), d.decode(im, depth)),
    "l": lambda d, items, depth: list(d.items(items, depth)),
    "t": lambda d, items, depth: tuple(d.items(items, depth)),
    "s": lambda d, items, depth: set(d.items(items, depth)),
    "z": lambda d, items, depth: frozenset(d.items(items, depth)),
    "d": lambda d, items, depth: {d.decode(k, depth): d.decode(v, depth) for k, v in items},
    "o": lambda d, items, depth: Fields({d.decode(k, depth): d.decode(v, depth) for k, v in items}),
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

"""From a value to a message."""

from __future__ import annotations

import datetime
import decimal
import fractions
import json
import math
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from autograder.wire import format as form
from autograder.wire.format import MAGIC, PREFIX, TORCH_DTYPES, Fields, Unsendable, WireError


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
        if depth > form.MAX_DEPTH:
            raise WireError(f"the value is nested more than {form.MAX_DEPTH} deep")
        if self.nodes > form.MAX_NODES:
            raise WireError(f"the value has more than {form.MAX_NODES} parts")
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
        if self.size > form.MAX_BUFFERS:
            raise WireError(f"the value is larger than {form.MAX_BUFFERS >> 20} MiB")
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
        # One element of a slice counts as contiguous with any stride; a view as bytes wants 1.
        flat = plain.as_strided((plain.numel(),), (1,))  # keeps the offset
        data = flat.view(torch.uint8).numpy() if plain.numel() else b""
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
    if len(header) > form.MAX_HEADER:
        raise WireError(f"the value's text is larger than {form.MAX_HEADER >> 20} MiB")
    return [PREFIX.pack(MAGIC, len(header), encoder.size) + header, *encoder.buffers]

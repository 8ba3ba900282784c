"""What both directions share: sizes, limits, dtypes and errors."""

from __future__ import annotations

import struct
from typing import Any

import torch

PREFIX = struct.Struct("!4sII")  # magic, bytes of header, number of buffers' bytes
MAGIC = b"TbH1"
MAX_DEPTH = 40
MAX_NODES = 1_000_000
MAX_HEADER = 24 << 20
MAX_BUFFERS = 256 << 20
MAX_DIMENSIONS = 32
MAX_SECONDS = 10.0  # for reading one message: keys with one hash would take hours
MAX_TUPLE_KINDS = 100  # different named tuples of one message: each becomes a class
MAX_FRACTION = 100_000  # bits

TORCH_NAMES = """bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 bfloat16 float32
float64 complex64 complex128 float8_e4m3fn float8_e5m2""".split()  # noqa: SIM905
TORCH_DTYPES = {name: getattr(torch, name) for name in TORCH_NAMES if hasattr(torch, name)}


class WireError(ValueError):
    """A message that cannot be sent or must not be believed."""


class Unsendable(TypeError):
    """A value that is no data, on a side that cannot keep it as a handle."""


class Fields(dict):
    """A dict whose entries can also be read as attributes and by position, as in ModelOutput."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # NumPy believes an __array_interface__ whatever it says
            raise AttributeError(name)
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


def sizes(prefix: bytes) -> tuple[int, int]:
    """Lengths of header and buffers that a message's first bytes announce."""
    magic, header, buffers = PREFIX.unpack(prefix)
    if magic != MAGIC:
        raise WireError("the message does not begin as one")
    if header > MAX_HEADER or buffers > MAX_BUFFERS:
        raise WireError("the message is too large")
    return header, buffers

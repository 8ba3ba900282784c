"""What crosses between judge and worker: a JSON header and raw buffers, never a pickle.

A message is data alone: numbers, strings, bytes, tensors, arrays, dtypes, dates and containers of
these. Whatever else the student's process holds stays there and is sent as a handle, a number that
the judge wraps in a proxy. The decoder trusts nothing: every field is checked before it is used,
and any malformed message is a ``WireError``.
"""

from autograder.wire.decode import READERS, unpack
from autograder.wire.encode import pack
from autograder.wire.format import PREFIX, TORCH_DTYPES, Fields, Unsendable, WireError, sizes

__all__ = [
    "PREFIX",
    "READERS",
    "TORCH_DTYPES",
    "Fields",
    "Unsendable",
    "WireError",
    "pack",
    "sizes",
    "unpack",
]

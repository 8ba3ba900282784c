"""Which class of the judge's a student's object may be taken for."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch

HEAP_TYPE = 1 << 9
PLAIN_SIZE = 32  # bytes of an instance that holds nothing but its dict


_claims: dict[tuple[str, ...], type] = {}


def claimed_class(names: tuple[str, ...]) -> type | None:
    """The nearest class among ``names`` that this process knows and that is safe to be taken for.

    Only classes written in Python without an inner layout of their own: C code that believes a
    proxy to be a tensor would read foreign memory.
    """
    if names in _claims:
        return _claims[names]
    for name in names:
        module, _, own = name.partition(":")
        found: Any = sys.modules.get(module) if module not in ("__main__", "builtins") else None
        for part in own.split("."):
            found = getattr(found, part, None) if found is not None else None
        if isinstance(found, type) and _harmless(found):
            _claims[names] = found
            return found
    return None


def _harmless(cls: type) -> bool:
    if issubclass(cls, (torch.Tensor, np.ndarray, BaseException, type)):
        return False
    return all(
        base is object or (base.__flags__ & HEAP_TYPE and base.__basicsize__ <= PLAIN_SIZE)
        for base in cls.__mro__
    )

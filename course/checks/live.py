"""Helpers that run beside the student's own objects.

When a grader judges from outside, the student's modules and functions live in another process and
only data comes back. A helper marked ``beside`` runs over there: its arguments travel, it works on
the live objects, and its plain result returns. In a student's own notebook it is an ordinary call.
"""

from __future__ import annotations

import functools
import importlib
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn


def find_remote(value: Any) -> Any:
    """The first object in nested lists, tuples and dicts that lives in another process, or None."""
    if hasattr(type(value), "__beside__"):
        return value
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, (list, tuple)):
        for item in value:
            found = find_remote(item)
            if found is not None:
                return found
    return None


def beside(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a module-level function of ``course`` to run in the process of its arguments."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        remote = find_remote([args, kwargs])
        if remote is None:
            return function(*args, **kwargs)
        path = f"{function.__module__}:{function.__qualname__}"
        return type(remote).__beside__(remote, path, args, kwargs)

    return call


@beside
def make(near: Any, path: str, *args: Any, **kwargs: Any) -> Any:
    """Call the factory at ``path`` ("course.module:name") in the process of ``near``."""
    module, name = path.split(":")
    if module.split(".")[0] != "course":
        raise ValueError(f"{path!r}: only factories of the course package can be made")
    return getattr(importlib.import_module(module), name)(*args, **kwargs)


@beside
def seed(near: Any, value: int) -> None:
    """Seed torch's global generator in the process of ``near``."""
    torch.manual_seed(value)


@beside
def call_and_keep(function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Call ``function`` and return (result, args, kwargs) as they are after the call."""
    result = function(*args, **kwargs)
    return result, list(args), kwargs


@beside
def gradients(
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any] | None = None,
    wrt: Sequence[int] = (0,),
    cotangents: Sequence[Tensor | None] = (),
) -> list[Tensor | None]:
    """Gradients of Σ output·cotangent with respect to the positional arguments ``wrt``.

    A result that is one tensor counts as a sequence of one. A cotangent of None skips that output;
    a missing one is all ones. None stands for an argument that no gradient reaches.
    """
    args = [a.clone().requires_grad_() if i in wrt else a for i, a in enumerate(args)]
    total = weighted_sum(function(*args, **(kwargs or {})), cotangents)
    leaves = [args[i] for i in wrt]
    if not total.requires_grad:
        return [None for _ in leaves]
    return list(torch.autograd.grad(total, leaves, allow_unused=True))


@beside
def parameter_gradients(
    module: nn.Module,
    args: Sequence[Any],
    kwargs: dict[str, Any] | None = None,
    cotangents: Sequence[Tensor | None] = (),
) -> dict[str, Tensor | None]:
    """Gradients of Σ output·cotangent with respect to every parameter of ``module``, by name.

    None stands for a parameter that is frozen or that no gradient reaches.
    """
    named = dict(module.named_parameters())
    total = weighted_sum(module(*args, **(kwargs or {})), cotangents)
    learning = {name: p for name, p in named.items() if p.requires_grad}
    if not total.requires_grad or not learning:
        return dict.fromkeys(named)
    found = torch.autograd.grad(total, list(learning.values()), allow_unused=True)
    return dict.fromkeys(named) | dict(zip(learning, found, strict=True))


def weighted_sum(result: Any, cotangents: Sequence[Tensor | None]) -> Tensor:
    """Σ output·cotangent over the tensors of a result."""
    outputs = list(result) if isinstance(result, (tuple, list)) else [result]
    total = torch.zeros(())
    for output, cotangent in itertools.zip_longest(outputs, cotangents, fillvalue=1.0):
        if cotangent is not None and isinstance(output, Tensor):
            total = total + (output * cotangent).sum()
    return total


@beside
def set_mode(module: nn.Module, training: bool) -> None:
    """Put a module into training or evaluation mode."""
    module.train(training)


@beside
def convert(module: nn.Module, dtype: torch.dtype) -> None:
    """Turn a module's floating-point parameters and buffers into ``dtype``."""
    module.to(dtype)


@beside
def is_training(module: nn.Module) -> bool:
    """Whether a module is in training mode."""
    return module.training


@beside
def parameters(module: nn.Module, trainable_only: bool = False) -> dict[str, Tensor]:
    """Copies of a module's parameters by name."""
    found = module.named_parameters()
    return {n: p.detach().clone() for n, p in found if p.requires_grad or not trainable_only}


@beside
def buffers(module: nn.Module) -> dict[str, Tensor]:
    """Copies of a module's buffers by name."""
    return {name: buffer.detach().clone() for name, buffer in module.named_buffers()}


@beside
def set_parameters(module: nn.Module, values: dict[str, Tensor]) -> None:
    """Copy values into a module's parameters and buffers, by name."""
    targets = dict(module.named_parameters()) | dict(module.named_buffers())
    with torch.no_grad():
        for name, value in values.items():
            targets[name].copy_(value)


@beside
def fill_parameters(module: nn.Module, value: float) -> None:
    """Set every entry of every parameter to one value."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(value)


@beside
def take(iterable: Iterable[Any], count: int) -> list[Any]:
    """The first ``count`` items of an iterable."""
    return list(itertools.islice(iter(iterable), count))

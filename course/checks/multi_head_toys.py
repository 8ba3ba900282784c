"""What the checks of multi-head attention share: modules with known weights, whatever their layout.

A student may keep one fused projection, four linear layers or a list a head. These helpers sort
parameters into weights and biases and fill them by rules that mean the same for every layout.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from course.checks import live
from course.checks.base import Draw, as_tensor, close, suspect


class Layer:
    """A module of the student's class whose weights and biases are known apart."""

    def __init__(
        self,
        student: Any,
        embed_dim: int,
        num_heads: int,
        dropout: float | None = None,
        train: bool = False,
    ) -> None:
        self.module = student(embed_dim, num_heads, *(() if dropout is None else (dropout,)))
        self.embed_dim = embed_dim
        self.train = train
        live.set_mode(self.module, train)
        self.values = live.parameters(self.module)
        self.biases = {name for name, value in self.values.items() if self._is_bias(name, value)}

    def _is_bias(self, name: str, value: Tensor) -> bool:
        # A bias of shape (heads, head_dim) is told from a weight by its size and its zeros.
        small_and_zero = value.numel() <= 4 * self.embed_dim and not value.any()
        return value.dim() < 2 or "bias" in name.lower() or bool(small_and_zero)

    def weights(self) -> dict[str, Tensor]:
        """The parameters that multiply, by name."""
        return {name: value for name, value in self.values.items() if name not in self.biases}

    def fill(self, weight: float) -> Layer:
        """Every weight becomes ``weight``, every bias 0: the same function for every layout."""
        size = {name: 0.0 if name in self.biases else weight for name in self.values}
        return self._set({n: torch.full_like(v, size[n]) for n, v in self.values.items()})

    def randomise(self, draw: Draw, size: float = 1.0, bias: float = 0.0) -> Layer:
        """Normal weights of variance size² / embed_dim, normal biases of deviation ``bias``."""
        size = size / self.embed_dim**0.5
        return self._set(
            {
                name: draw.normal(*value.shape) * (bias if name in self.biases else size)
                for name, value in self.values.items()
            }
        ).works()

    def works(self) -> Layer:
        """Fail the running check for an output that says nothing: NaN, a constant, or x itself.

        Such a module passes for one that hides, reorders and repeats rightly.
        """
        tokens = torch.linspace(-1.0, 1.0, 3 * self.embed_dim).sin().view(3, 1, self.embed_dim)
        if self.train:  # dropout may leave nothing of so few tokens
            live.set_mode(self.module, False)
        output = self(tokens)  # three sentences of one token
        if self.train:
            live.set_mode(self.module, True)
        suspect(output.isfinite().all(), "forward gives NaN or infinity for plain numbers.")
        suspect(
            not close(output, tokens, 1e-5),
            "forward returns its input x: project it to queries, keys and values, attend, merge "
            "the heads and project again.",
        )
        suspect(
            not close(output[0], output[2], 1e-6) or not any(v.any() for v in self.values.values()),
            "forward gives the same numbers whatever x is: compute the output from x.",
        )
        return self

    def multiply(self, factor: float) -> Layer:
        """Multiply every weight by ``factor``; biases stay."""
        weights = {name: value * factor for name, value in self.weights().items()}
        return self._set(self.values | weights)

    def _set(self, values: dict[str, Tensor]) -> Layer:
        self.values = values
        live.set_parameters(self.module, values)
        return self

    def __call__(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The output for x; of a pair (output, weights) the first: another check forbids pairs.

        Fails the running check when the shape is not that of x.
        """
        result = self.module(x) if mask is None else self.module(x, mask)
        if isinstance(result, (tuple, list)) and result:
            result = result[0]
        return as_tensor(result, "The output", x.shape)


def ragged(lengths: list[int]) -> Tensor:
    """A padding mask (batch, 1, 1, length): True for the first tokens of each row."""
    visible = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]  # (batch, length)
    return visible[:, None, None, :]


def coded(*shape: int) -> Tensor:
    """int64 numbers of which each tells its own place: 0, 1, 2, … in the given shape."""
    size = int(torch.tensor(shape).prod())
    return torch.arange(size).reshape(shape)


def place(code: float, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The index at which ``coded(*shape)`` holds ``code``."""
    found = torch.unravel_index(torch.tensor(int(code)), shape)
    return tuple(int(index) for index in found)


@live.beside
def call_in_layout(function: Any, x: Tensor, layout: str, *args: Any) -> Any:
    """Call ``function`` with x's numbers in another layout of memory, made beside it.

    Tensors that travel between processes arrive contiguous. ``layout`` is "slice", "expanded"
    (x[:1] repeated), or two axes such as "01", whose order in memory is swapped.
    """
    if layout == "slice":
        x = torch.stack([x, -x - 1], dim=-1)[..., 0]
    elif layout == "expanded":
        x = x[:1].expand(x.shape)
    else:
        first, second = int(layout[0]), int(layout[1])
        x = x.transpose(first, second).contiguous().transpose(first, second)
    return function(x, *args)

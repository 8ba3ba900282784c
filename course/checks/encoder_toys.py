"""Known weights, oracles and small helpers that visible and hidden checks of the encoder share.

A block's parameters are found by their shapes, never by their names: a dimension of ``WIDE`` is
the feed-forward's, a vector of ones is a LayerNorm's gain. So any layout can be given weights
under which the right answer is known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course.checks import live
from course.checks.base import Draw, close, expect, suspect
from course.checks.live import beside

# Sizes of which none is a multiple of another one, nor of three of it (a fused projection).
DIM, HEADS, WIDE, WORDS = 8, 2, 20, 13
SIZES = (DIM, HEADS, WIDE)


def positions(length: int, dim: int, base: float = 10000.0) -> Tensor:
    """Brute force: PE(pos, j) = sin or cos of pos / base^(2⌊j/2⌋/dim), in float64."""
    columns = torch.arange(dim, dtype=torch.float64)
    angles = torch.arange(length).double()[:, None] / base ** (2 * (columns // 2) / dim)
    return torch.where(columns % 2 == 0, angles.sin(), angles.cos())


def norm(x: Tensor) -> Tensor:
    """LayerNorm over the last dimension, without gain and bias."""
    return F.layer_norm(x, x.shape[-1:])


def build(student: Any, draw: Draw, *sizes: Any, training: bool = False, **options: Any) -> Any:
    """A module of the student's, with seeded parameters, in evaluation or training mode."""
    live.seed(student, draw.integer(0, 2**31))
    module = student(*sizes, **options)
    live.set_mode(module, training)
    return module


def working(student: Any, draw: Draw, *sizes: Any, training: bool = False, **options: Any) -> Any:
    """``build``, where the output counts; fails for a module whose output says nothing.

    An output of NaN, the same for all inputs, or the input itself passes for one that is steady,
    hides what it should and does not mix: such a module answers nothing that a check may ask.
    """
    module = build(student, draw, *sizes, **options)
    if len(sizes) >= 5 or "vocab_size" in options:  # a Bert's
        x = torch.arange(1, 5).view(2, 2)
    else:
        dim = sizes[0] if sizes else options["embed_dim"]
        x = torch.linspace(-2.0, 3.0, 4 * dim).sin().view(2, 2, dim)
    start = live.parameters(module)
    enliven(module, Draw(0, "working"))  # a part may start at 0, and still work
    output = module(x)
    live.set_parameters(module, start)
    live.set_mode(module, training)
    if not isinstance(output, Tensor):
        suspect(False, f"forward must return one tensor, not a {type(output).__name__}.")
        return module
    if output.shape[:2] != (2, 2):
        suspect(
            False, f"For an input of shape {tuple(x.shape)} forward returns {tuple(output.shape)}."
        )
        return module
    suspect(output.isfinite().all(), "forward gives NaN or infinity for a plain input.")
    suspect(
        output.shape != x.shape or not close(output, x, 1e-6),
        "forward returns its input as it is.",
    )
    suspect(
        not close(output[0], output[1], 1e-7), "forward gives the same numbers whatever comes in."
    )
    return module


def is_gain(value: Tensor) -> bool:
    """Whether a fresh parameter is a LayerNorm's gain: a vector of ones."""
    return value.squeeze().dim() == 1 and bool((value == 1).all())


def is_matrix(value: Tensor) -> bool:
    """Whether a parameter is a weight: two real dimensions or more, one of them DIM.

    A stack of three biases, (3, DIM), is none; one cut into heads, (3, heads, size), has no DIM.
    """
    real = value.squeeze()
    return real.dim() >= 2 and DIM in real.shape and real.numel() != 3 * DIM


def is_wide(value: Tensor) -> bool:
    """Whether a parameter is a weight matrix of the feed-forward."""
    return is_matrix(value) and WIDE in value.shape


def along_dim(vector: Tensor, value: Tensor) -> Tensor:
    """``vector`` laid along the axis of size DIM of a parameter, the same for all other axes."""
    axis = list(value.shape).index(DIM)
    view = [DIM if i == axis else 1 for i in range(value.dim())]
    return vector.view(view).expand(value.shape)


def arrange(
    module: Any, draw: Draw, attention: float = 0.0, feedforward: Tensor | None = None
) -> None:
    """Give a fresh block weights under which its output is known.

    All vectors become zero but LayerNorm's gains, which stay ones. ``attention`` is the standard
    deviation of the attention's matrices; 0 silences it. ``feedforward`` = u makes the
    feed-forward WIDE · GELU(u·h) · u, whatever the orientation of its two matrices; None silences
    it.
    """
    new = {}
    for name, value in live.parameters(module).items():
        if is_gain(value):
            new[name] = value
        elif is_wide(value) and feedforward is not None and DIM in value.shape:
            new[name] = along_dim(feedforward, value)
        elif is_matrix(value) and not is_wide(value) and attention:
            new[name] = draw.normal(*value.shape) * attention
        else:
            new[name] = torch.zeros_like(value)
    live.set_parameters(module, new)


def enliven(module: Any, draw: Draw, matrices: float = 0.5, vectors: float = 0.3) -> None:
    """Random weights, so that nothing hangs on how a student initialises; gains stay ones."""
    new = {}
    for name, value in live.parameters(module).items():
        if not is_gain(value):
            new[name] = draw.normal(*value.shape) * (matrices if is_matrix(value) else vectors)
    live.set_parameters(module, new)


class Silent(NamedTuple):
    """What a Bert with silenced blocks computes with: head(norm(embedding + positions))."""

    embedding: Tensor
    weight: Tensor
    bias: Tensor

    def logits(self, hidden: Tensor) -> Tensor:
        """The head's answer to hidden states of any float dtype."""
        return hidden.float() @ self.weight.T + self.bias


def arrange_bert(model: Any, draw: Draw, feedforward: Tensor | None = None) -> Silent:
    """Silence the blocks of a fresh Bert (or give each the u of ``arrange``); random ends.

    Fails in words when the embedding has not WORDS + 1 rows.
    """
    arrange(model, draw, feedforward=feedforward)
    shapes = {name: tuple(value.shape) for name, value in live.parameters(model).items()}
    ends = {
        name: draw.normal(*shape)
        for name, shape in shapes.items()
        if shape in ((WORDS + 1, DIM), (WORDS, DIM), (WORDS,))
    }
    live.set_parameters(model, ends)
    found = {shapes[name]: value for name, value in ends.items()}
    embedding = found.get((WORDS + 1, DIM))
    expect(
        embedding is not None,
        f"No embedding of {WORDS + 1} rows of {DIM}: with vocab_size={WORDS} there is one row a "
        "word and one more for the mask token.",
    )
    assert embedding is not None
    weight = found.get((WORDS, DIM), embedding[:WORDS])  # a tied head has no weight of its own
    return Silent(embedding, weight, found.get((WORDS,), torch.zeros(WORDS)))


def feedforward_weights(values: dict[str, Tensor], u: Tensor) -> dict[str, Tensor]:
    """Values for the feed-forward's matrices among ``values`` that make it that of ``arrange``."""
    return {n: along_dim(u, v) for n, v in values.items() if is_wide(v) and DIM in v.shape}


def direction(draw: Draw) -> Tensor:
    """A vector u of length one: u·h is about standard normal when h is a normalised token."""
    u = draw.normal(DIM)
    u = u - u.mean()
    return u / u.norm()


Activation = Callable[[Tensor], Tensor]
ACTIVATIONS: dict[str, Activation] = {
    "GELU": F.gelu,
    "ReLU": F.relu,
    "no activation at all": lambda z: z,
    "SiLU": F.silu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "leaky ReLU": F.leaky_relu,
    "ELU": F.elu,
    "GELU twice": lambda z: F.gelu(F.gelu(z)),
}


def feedforward_of(h: Tensor, u: Tensor, activation: Activation = F.gelu) -> Tensor:
    """What the feed-forward arranged with u makes of h."""
    return WIDE * activation(h @ u)[..., None] * u


def require_wide(values: dict[str, Tensor]) -> None:
    """Fail in words when a module has no two matrices of the feed-forward's width."""
    found = sum(is_wide(value) for value in values.values())
    expect(
        found > 0,
        f"No weight matrix has a side of feedforward_dim={WIDE}: the feed-forward must widen "
        f"each token to feedforward_dim and shrink it back to embed_dim.",
    )
    expect(
        found > 1,
        f"Only one weight matrix has a side of feedforward_dim={WIDE}: the feed-forward needs two, "
        f"embed_dim → feedforward_dim and feedforward_dim → embed_dim.",
    )


def token(draw: Draw, *shape: int, dim: int = DIM) -> Tensor:
    """Random tokens whose scale and mean are far from LayerNorm's: any lost norm shows."""
    return 3 * draw.normal(*shape, dim) + 2


@beside
def follows_device(module: nn.Module, *shape: int) -> bool:
    """Whether a module moved to another device (torch's "meta") can still be called there."""
    module.to("meta")
    try:
        module(torch.empty(*shape, device="meta"))
    except (RuntimeError, NotImplementedError):
        return False
    return True


@beside
def jacobian(module: nn.Module, x: Tensor, position: int) -> Tensor:
    """Derivatives of the outputs at one position by every input, in float64.

    x: (1, length, dim). Returns (dim, length, dim). The module stays in float64.
    """
    module.double()
    return torch.autograd.functional.jacobian(lambda v: module(v)[0, position], x.double())[:, 0]

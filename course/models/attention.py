"""Attention weights of any transformers model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from course.cache import CourseError

if TYPE_CHECKING:
    import torch

FIELDS = {
    "self": "attentions",
    "encoder": "encoder_attentions",
    "decoder": "decoder_attentions",
    "cross": "cross_attentions",
}


def attentions(
    model: Any, inputs: Mapping[str, Any], kind: str = "self"
) -> tuple[torch.Tensor, ...]:
    """The attention weights of every layer, each (batch, heads, query length, key length), float.

    `inputs` is what the tokenizer returned; `kind` is `self`, or for encoder-decoder models
    `encoder`, `decoder` or `cross`. The fast implementations (SDPA, FlashAttention) never form the
    weights, so the model runs its eager one for this call, in eval mode, and is left as it was
    found. Raises CourseError when the model has no eager implementation or no such weights.
    """
    import torch

    if kind not in FIELDS:
        raise CourseError(f"kind is {kind!r}, expected one of {', '.join(FIELDS)}")
    before, training = _implementation(model), model.training
    try:
        _switch(model, "eager")
        with torch.no_grad():
            output = model.eval()(**inputs, output_attentions=True)
    finally:
        model.train(training)
        if _implementation(model) != before:
            model.set_attn_implementation(before)
    weights = getattr(output, FIELDS[kind], None)
    if not weights or any(layer is None for layer in weights):
        raise CourseError(f"{type(model).__name__} returned no {kind} attention weights: {_CURE}")
    return tuple(weights)


_CURE = "load a model with an eager attention implementation, and for cross attention a decoder"


def _implementation(model: Any) -> str:
    return getattr(getattr(model, "config", None), "_attn_implementation", None) or ""


def _switch(model: Any, name: str) -> None:
    if not hasattr(model, "set_attn_implementation"):
        raise CourseError(
            f"{type(model).__name__} is no transformers model, so its attention implementation "
            "cannot be chosen: call its own attention module for the weights"
        )
    try:
        model.set_attn_implementation(name)
    except (ValueError, ImportError) as error:
        raise CourseError(
            f"{type(model).__name__} has no eager attention ({error}): {_CURE}"
        ) from None
    if _implementation(model) != name:
        raise CourseError(
            f"{type(model).__name__} keeps its {_implementation(model)} attention: {_CURE}"
        )

"""Attention weights of any transformers model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from course.cache import CourseError
from course.models.hidden import readable
from course.windows import READ, window_of

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


def read_attentions(
    model: Any, tokenizer: Any, text: str, second: str | None, start: int, most: int
) -> tuple[dict[str, tuple[tuple[torch.Tensor, ...], list[int], list[int]]], str]:
    """All attention of a model on a text: {kind: (weights a layer, query ids, key ids)}, a notice.

    second: a second segment, or for a model with encoder and decoder the text that the decoder has
    written. At most ``most`` tokens from ``start`` on are run, fewer where the model takes fewer;
    the notice says so, or is empty. Raises CourseError as ``attentions`` does, ValueError for an
    empty text or a start beyond it.
    """
    import torch

    whole = bool(getattr(getattr(model, "config", None), "is_encoder_decoder", False))
    if whole and second is None:
        raise ValueError(
            f"{type(model).__name__} has a decoder beside its encoder: give `second`, the text "
            "that it has written"
        )
    inputs = tokenizer(text, None if whole else second, return_tensors="pt")
    inputs, notice = windowed(inputs, start, readable(model, tokenizer, most))
    ids = inputs["input_ids"][0].tolist()
    if not whole:
        return {"self": (attentions(model, inputs), ids, ids)}, notice
    labels = tokenizer(text_target=second, return_tensors="pt")["input_ids"]
    labels = labels[:, : readable(model, tokenizer, most)]
    written = model.prepare_decoder_input_ids_from_labels(labels=labels)
    pairs = {"encoder": (ids, ids), "decoder": (written[0].tolist(),) * 2}
    pairs["cross"] = (written[0].tolist(), ids)
    inputs = {**inputs, "decoder_input_ids": torch.as_tensor(written)}
    return {kind: (attentions(model, inputs, kind), *pairs[kind]) for kind in pairs}, notice


def windowed(inputs: Mapping[str, Any], start: int, most: int) -> tuple[dict[str, Any], str]:
    """The tokenizer's output cut to ``most`` tokens from ``start`` on, and what to say about it."""
    length = inputs["input_ids"].size(1)
    if length == 0:
        raise ValueError("the text is empty: there is no token to look at")
    part, notice = window_of(length, start, most, done=READ)
    return {name: value[:, part] for name, value in inputs.items()}, notice


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

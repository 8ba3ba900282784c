"""What a transformers model holds after each of its layers, and how it turns that into logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from course.cache import CourseError
from course.models.hidden import asked

if TYPE_CHECKING:
    import torch
    from torch import nn

FINAL_NORMS = ("ln_f", "norm", "final_layer_norm", "final_layernorm", "final_norm")
HEADS = ("cls", "predictions", "lm_head", "embed_out")
TOLERANCE = 1e-4  # of the largest logit


def layers_and_head(
    model: Any, inputs: Mapping[str, Any]
) -> tuple[torch.Tensor, Callable[[torch.Tensor], torch.Tensor]]:
    """The residual stream of one text after every layer, and what makes logits of it.

    Returns (layers + 1, length, dim), the embeddings first, and a function from (length, dim) to
    logits (length, vocab) that applies the final norm, where there is one, and the model's own
    head. Causal and masked models; the model runs in eval mode and is left as it was found.

    GPT-2, Llama and their like report their last hidden state *after* the final norm. Here it is
    the one before, so that all layers are treated alike. Raises CourseError for a batch, and when
    the last layer does not give the model's own logits: then its head is another one than we know.
    """
    import torch

    if inputs["input_ids"].size(0) != 1:
        raise CourseError("a batch of texts: give one text, its input_ids as (1, length)")
    norm, head = _final_norm(model), _head(model)
    hidden, logits = _run(model, norm, inputs)

    def unembed(layer: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return head(norm(layer) if norm is not None else layer)

    if not _agree(unembed, hidden[-1], logits):
        raise CourseError(
            f"the last layer of {type(model).__name__} does not give the model's own logits "
            "through its final norm and its head: hand LogitLens the hidden states and a function "
            "`unembed` of your own"
        )
    return hidden, unembed


def _agree(unembed: Any, last: torch.Tensor, logits: torch.Tensor) -> bool:
    """True when the last layer leads to the model's own logits."""
    try:
        ours = unembed(last)
    except RuntimeError:  # something that changes the width stands between them
        return False
    bound = TOLERANCE * logits.abs().max().clamp(min=1)
    return ours.shape == logits.shape and bool((ours - logits).abs().max() <= bound)


def next_logits(model: Any, ids: list[int]) -> torch.Tensor:
    """Logits (length, vocab) of a causal model on one text, in eval mode without gradients; row t
    speaks of the token after position t. Raises CourseError for a model that is no causal one."""
    import torch

    device = next(model.parameters()).device
    with asked(model):
        output = model(input_ids=torch.tensor([ids], device=device))
    if is_masked(model) or getattr(output, "logits", None) is None or output.logits.dim() != 3:
        raise CourseError(
            f"{type(model).__name__} does not foretell the next token: load a causal model, "
            "such as course.models.load('causal_lm')"
        )
    return output.logits[0]


def is_masked(model: Any) -> bool:
    """True for a model that looks at both sides and fills masks, False for a causal one."""
    return "MaskedLM" in type(model).__name__


def _run(
    model: Any, norm: nn.Module | None, inputs: Mapping[str, Any]
) -> tuple[torch.Tensor, torch.Tensor]:
    """(layers + 1, length, dim) before the final norm, and the model's logits (length, vocab)."""
    import torch

    seen: list[torch.Tensor] = []
    hook = norm and norm.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    try:
        with asked(model):
            output = model(**inputs, output_hidden_states=True)
    finally:
        if hook:
            hook.remove()
    states = list(output.hidden_states)
    if seen:
        states[-1] = seen[-1]
    return torch.stack([state[0] for state in states]), output.logits[0]


def _final_norm(model: Any) -> nn.Module | None:
    """The norm that stands after the last layer; a post-norm model such as BERT has none."""
    body = getattr(model.base_model, "decoder", model.base_model)
    found = (getattr(body, name, None) for name in FINAL_NORMS)
    return next((module for module in found if module is not None), None)


def _head(model: Any) -> nn.Module:
    """What stands above the body and makes logits of the last hidden state."""
    found = (getattr(model, name, None) for name in HEADS)
    for head in found:
        if head is not None:
            return head
    raise CourseError(
        f"{type(model).__name__} has no language-model head that is known here: load it as "
        "AutoModelForCausalLM or AutoModelForMaskedLM, or hand LogitLens a function of your own"
    )

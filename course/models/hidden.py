"""The last hidden states of a model's body, for a batch that is padded on either side."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from course.cache import CourseError

if TYPE_CHECKING:
    import torch


@contextmanager
def asked(model: Any) -> Iterator[None]:
    """A model in eval mode and without gradients; each of its modules is left in its own mode."""
    import torch

    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def longest(model: Any) -> int:
    """How many tokens the model takes; as good as endless where its config does not say."""
    config = getattr(model, "config", None)
    return int(getattr(config, "max_position_embeddings", None) or 10**9)


def readable(model: Any, tokenizer: Any, most: int) -> int:
    """How many tokens a model and its tokenizer can take, ``most`` at most."""
    return min(longest(model), getattr(tokenizer, "model_max_length", None) or most, most)


def hidden_states(model: Any, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Last hidden states (batch, length, dim) of an encoder, or of a model without its head.

    Args:
        batch: ``input_ids`` and ``attention_mask``, each (batch, length). A row that is padded on
            the left gets the positions of its own tokens, 0 at the first: most models count from
            the row's begin, so that padding would move the sentence.

    A model with encoder and decoder gives its encoder's. Raises CourseError when the body returns
    no hidden states.
    """
    whole = getattr(getattr(model, "config", None), "is_encoder_decoder", False)
    body = model.get_encoder() if whole else getattr(model, "base_model", model)
    first = next(iter(model.parameters()), None)
    given = {name: part.to(getattr(first, "device", part.device)) for name, part in batch.items()}
    mask = given["attention_mask"]
    if not mask[:, 0].all() and _counts_from_the_row(body):
        given["position_ids"] = (mask.long().cumsum(dim=1) - 1).clamp(min=0)
    with asked(body):
        output = body(**given)
    hidden = getattr(output, "last_hidden_state", output)
    if getattr(hidden, "ndim", 0) != 3:
        raise CourseError(f"{type(body).__name__} returned no last_hidden_state to pool")
    return hidden


def _counts_from_the_row(body: Any) -> bool:
    """Whether positions can be given, and are not counted from the ids as RoBERTa's family does."""
    takes = "position_ids" in inspect.signature(body.forward).parameters
    own = any(hasattr(part, "create_position_ids_from_input_ids") for part in body.modules())
    return takes and not own

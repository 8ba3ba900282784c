"""Masked language modelling: hide some words, learn to guess them, fill gaps.

Source: Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers", section 3.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def mask_tokens(
    input_ids: Tensor,
    special_tokens_mask: Tensor,
    mask_token_id: int,
    vocab_size: int,
    mask_rate: float = 0.15,
    only_mask: bool = False,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Choose tokens to be guessed and corrupt them: (corrupted, labels), both (batch, length).

    input_ids: integers, untouched. special_tokens_mask: bool or integers, 1 where a token must
    stay. Each other token is chosen with probability mask_rate; of those chosen 80 % become the
    mask token, 10 % a random word (any of range(vocab_size) but the mask token, each as likely),
    10 % stay. With only_mask all become the mask token. labels, int64, hold the original token
    where one was chosen and -100 elsewhere. All draws come from ``generator``, by default torch's
    global one.

    Raises ValueError for empty input_ids, a mask of another shape and a rate outside 0 to 1,
    TypeError for a mask that is neither bool nor integer. Source: Devlin et al. 2019, 3.1.
    """
    _check_masking(input_ids, special_tokens_mask, mask_rate)
    # One number a token decides its fate; that of a special token is 1 or more, out of reach.
    fate = torch.rand(input_ids.shape, generator=generator, device=input_ids.device)
    fate.add_(special_tokens_mask)
    random_below, mask_below = (0.0, 1.0) if only_mask else (0.1, 0.9)
    labels = input_ids.where(fate < mask_rate, -100).long()
    corrupted = input_ids.where(fate >= mask_below * mask_rate, mask_token_id)
    places = (fate < random_below * mask_rate).flatten().nonzero()  # (random words, 1)
    # Counting on from the mask token round the vocabulary meets every word but the mask token.
    inside = mask_token_id < vocab_size
    first, end = (mask_token_id + 1, mask_token_id + vocab_size) if inside else (0, vocab_size)
    words = torch.randint(
        first, end, places.shape, generator=generator, dtype=input_ids.dtype, device=fate.device
    )
    corrupted.put_(places, words.remainder_(vocab_size))
    return corrupted, labels


def masked_lm_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean cross-entropy over the labelled positions, a scalar tensor in nats.

    logits: floating point (batch, length, vocab_size). labels: int64 (batch, length), -100 where
    nothing is to be guessed. Without any label the loss is 0, so that a step on such a batch
    changes nothing. Raises ValueError when the shapes do not fit or there is no position.
    """
    if logits.dim() != 3 or logits.shape[:2] != labels.shape or labels.numel() == 0:
        raise ValueError(
            "logits must be (batch, length, vocab_size) and labels (batch, length), not empty, "
            f"but they are {tuple(logits.shape)} and {tuple(labels.shape)}"
        )
    if not (labels != -100).any():
        return logits.sum() * 0.0
    # (batch * length, vocab_size) against (batch * length,)
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)


def pretraining_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    input_ids: Tensor,
    special_tokens_mask: Tensor,
    mask_token_id: int,
    vocab_size: int,
    attention_mask: Tensor | None = None,
) -> float:
    """Mask the batch anew, train the model on it once, return the loss before the update, in nats.

    input_ids, special_tokens_mask and attention_mask: (batch, length). The model is put into
    training mode and gets the attention mask; gradients of earlier steps are forgotten, new ones
    clipped to norm 1. Raises what mask_tokens and masked_lm_loss raise.
    """
    model.train()
    corrupted, labels = mask_tokens(input_ids, special_tokens_mask, mask_token_id, vocab_size)
    output = model(corrupted, attention_mask=attention_mask)
    loss = masked_lm_loss(getattr(output, "logits", output), labels)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def fill_mask(
    model: nn.Module, tokenizer: Any, text: str, k: int = 5
) -> list[list[tuple[str, float]]]:
    """The k most probable tokens for each mask token of the text, most probable first.

    Returns a list a mask, in the text's order, of (token as convert_ids_to_tokens gives it,
    probability under the softmax over the whole vocabulary). The model may return logits or an
    output with ``.logits``; its mode is left as found. Raises ValueError for a text without a mask
    token, or a k that is not between 1 and the size of the vocabulary.
    """
    logits = _mask_logits(model, tokenizer, text)[2]  # (masks, vocab_size)
    if not 1 <= k <= logits.size(-1):
        raise ValueError(f"k must lie between 1 and {logits.size(-1)} words, but it is {k}")
    probabilities, ids = logits.softmax(dim=-1).topk(k)  # (masks, k)
    tokens = [tokenizer.convert_ids_to_tokens(row) for row in ids.tolist()]
    pairs = zip(tokens, probabilities.tolist(), strict=True)
    return [list(zip(*pair, strict=True)) for pair in pairs]


def sample_mask(
    model: nn.Module,
    tokenizer: Any,
    text: str,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
) -> str:
    """The text with every mask token replaced by a token drawn from the model's distribution.

    All masks are drawn from one forward pass, each from softmax(logits / temperature) over the
    whole vocabulary, with ``generator`` or torch's global one. Returns the text without the
    tokenizer's special tokens. Raises ValueError for a text without a mask token and for a
    temperature that is not above 0.
    """
    if not temperature > 0:
        raise ValueError(
            f"temperature must be above 0, but it is {temperature}; use fill_mask with k=1 for the"
            " most probable words"
        )
    ids, places, logits = _mask_logits(model, tokenizer, text)
    probabilities = (logits.float() / temperature).softmax(dim=-1)  # (masks, vocab_size)
    drawn = torch.multinomial(probabilities, 1, generator=generator).squeeze(1)  # (masks,)
    filled = ids[0].masked_scatter(places, drawn)
    return tokenizer.decode(filled, skip_special_tokens=True)


def _check_masking(input_ids: Tensor, special_tokens_mask: Tensor, mask_rate: float) -> None:
    """Raise ValueError or TypeError for what mask_tokens cannot use."""
    if not 0.0 <= mask_rate <= 1.0:
        raise ValueError(f"mask_rate must lie between 0 and 1, but it is {mask_rate}")
    if input_ids.numel() == 0:
        raise ValueError(f"input_ids hold no token: their shape is {tuple(input_ids.shape)}")
    if special_tokens_mask.shape != input_ids.shape:
        raise ValueError(
            f"special_tokens_mask must have the shape of input_ids, {tuple(input_ids.shape)}, "
            f"but it has {tuple(special_tokens_mask.shape)}"
        )
    if special_tokens_mask.is_floating_point():
        raise TypeError(
            f"special_tokens_mask must be bool or integer, but it is {special_tokens_mask.dtype}"
        )


def _mask_logits(model: nn.Module, tokenizer: Any, text: str) -> tuple[Tensor, Tensor, Tensor]:
    """The ids (1, length), where the masks are (length,), and their logits (masks, vocab)."""
    ids = tokenizer(text, return_tensors="pt")["input_ids"]  # (1, length)
    places = ids[0] == tokenizer.mask_token_id  # (length,)
    if not places.any():
        raise ValueError(f"the text has no mask token: put {tokenizer.mask_token} into {text!r}")
    device = next((parameter.device for parameter in model.parameters()), ids.device)
    with _evaluating(model), torch.no_grad():
        output = model(ids.to(device))
    return ids, places, getattr(output, "logits", output)[0].cpu()[places]


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode within the block; afterwards every module is in the mode it had before."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training

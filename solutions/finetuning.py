"""Fine-tuning a language model and measuring it: blocks, sentence pairs, perplexity, ROUGE-n.

Sources: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", for language
modelling on blocks of text; Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries",
section 2, for ROUGE-n.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn


def group_into_blocks(token_lists: Iterable[Sequence[int]], block_size: int) -> list[list[int]]:
    """All tokens in one row, cut into blocks of ``block_size``; the remainder is dropped.

    token_lists: the token ids of each text, in order; untouched. Returns a list of lists of
    exactly ``block_size`` ids, none at all when there are fewer tokens than that. A block may
    begin within one text and end within the next. Raises ValueError for a block_size below 1.
    """
    if block_size < 1:
        raise ValueError(f"block_size must be at least 1 token, but it is {block_size}")
    stream = list(chain.from_iterable(token_lists))
    return [
        stream[end - block_size : end] for end in range(block_size, len(stream) + 1, block_size)
    ]


def sentence_pairs(texts: Iterable[str]) -> list[tuple[str, str]]:
    """The first two sentences of each text that has two, without white space around them.

    A sentence ends with ``.``, ``!`` or ``?`` (and one closing quotation mark or bracket, if any)
    where white space and anything but a letter from a to z follow, or with the text. The rule
    knows no abbreviations: "Mr. Brown" is cut after "Mr.". Texts with fewer than two sentences are
    passed over. Raises TypeError for a single string in place of a list of texts.
    """
    if isinstance(texts, str):
        raise TypeError(f"texts must be a list of strings, but it is the string {texts[:40]!r}")
    end = r"(?:(?<=[.!?])|(?<=[.!?][\"'”’)\]]))\s+(?![a-z\s])"
    sentences = (re.split(end, text.strip(), maxsplit=2) for text in texts)
    return [(found[0], found[1]) for found in sentences if len(found) > 1]


def perplexity(
    model: nn.Module, tokenizer: Any, pairs: Iterable[tuple[str, str]], batch_size: int = 8
) -> float:
    """exp of the mean of -log p over all tokens of all second sentences, each given its pair.

    The model sees the first sentence, then the second with its leading space and without special
    tokens (teacher forcing); only the second one's tokens are scored, and every token of the
    corpus has the same weight. Serves models that return logits (batch, length, vocab) and those
    whose output has ``.logits``, in eval mode and without gradients; each module is left in its
    mode. Of a pair longer than the model's context the last tokens are kept. ``batch_size`` changes
    nothing but time and memory.

    Raises ValueError for no pairs, for an empty sentence, and for a second sentence that leaves
    no room for context.
    """
    encoded = [_encode(tokenizer, first, second, _context(model)) for first, second in pairs]
    if not encoded:
        raise ValueError("there are no pairs: perplexity needs at least one (first, second)")
    total, count = torch.zeros((), dtype=torch.float64), 0
    with _evaluating(model), torch.no_grad():
        for start in range(0, len(encoded), batch_size):
            ids, mask, scored = _pad(encoded[start : start + batch_size])
            total += _negative_log_likelihood(model, ids, mask, scored)
            count += int(scored.sum())
    return float((total / count).exp())


def rouge_n(reference_ids: Sequence[int], prediction_ids: Sequence[int], n: int = 3) -> float:
    """The share of the reference's n-grams that the prediction has too: recall, clipped.

    Both are sequences of token ids, untouched. An n-gram counts as often as it stands in the
    reference, but never more often than in the prediction. Returns a float from 0 to 1; 0.0 for
    a reference of fewer than n tokens. Raises ValueError for n below 1. Source: Lin 2004, 2.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, but it is {n}")
    reference, prediction = _count_ngrams(reference_ids, n), _count_ngrams(prediction_ids, n)
    if not reference:
        return 0.0
    return (reference & prediction).total() / reference.total()


def _count_ngrams(ids: Sequence[int], n: int) -> Counter[tuple[int, ...]]:
    """How often each run of n tokens occurs."""
    tokens = [int(token) for token in ids]
    return Counter(zip(*(tokens[shift:] for shift in range(n)), strict=False))


def _encode(tokenizer: Any, first: str, second: str, limit: int | None) -> tuple[list[int], int]:
    """The ids of first and second sentence, and how many of them are the second one's."""
    if not first.strip() or not second.strip():
        raise ValueError(f"both sentences of a pair must have text, but it is {(first, second)}")
    prefix = tokenizer(first, add_special_tokens=False)["input_ids"]
    target = tokenizer(" " + second.lstrip(), add_special_tokens=False)["input_ids"]
    if limit is not None and len(target) >= limit:
        raise ValueError(
            f"a second sentence has {len(target)} tokens, but the model's context is {limit}: "
            "leave that pair out"
        )
    ids = prefix + target
    return ids[-limit:] if limit else ids, len(target)


def _context(model: nn.Module) -> int | None:
    """How many tokens the model takes, None when it does not say."""
    limit = getattr(model, "block_size", None)  # our GPT's name for it
    if limit is None:
        limit = getattr(getattr(model, "config", None), "max_position_embeddings", None)
    return limit


def _pad(encoded: Sequence[tuple[list[int], int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Right-padded ids, attention mask, and where a token is scored: each (batch, length)."""
    length = max(len(ids) for ids, _ in encoded)
    # Padding stands behind the last scored token, so that its id has no influence.
    ids = torch.tensor([row + [0] * (length - len(row)) for row, _ in encoded])
    ends = torch.tensor([[len(row)] for row, _ in encoded])
    targets = torch.tensor([[target] for _, target in encoded])
    places = torch.arange(length)
    return ids, (places < ends).long(), (places < ends) & (places >= ends - targets)


def _negative_log_likelihood(model: nn.Module, ids: Tensor, mask: Tensor, scored: Tensor) -> Tensor:
    """The sum of -log p over the scored tokens, each read off one place before it; float64."""
    device = next((parameter.device for parameter in model.parameters()), ids.device)
    output = model(ids.to(device), attention_mask=mask.to(device))
    logits = getattr(output, "logits", output).cpu()[:, :-1][scored[:, 1:]]  # (targets, vocab)
    log_p = logits.float().log_softmax(dim=-1)
    return -log_p.gather(1, ids[scored].unsqueeze(1)).sum(dtype=torch.float64)


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

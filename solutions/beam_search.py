"""Beam search: follow several continuations at once and keep the best; rules that change scores.

Sources: Lowerre 1976, "The HARPY speech recognition system" (beam search); Paulus et al. 2018, "A
Deep Reinforced Model for Abstractive Summarization", section 2.5 (no trigram twice).
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_NEVER = -1e9  # the score of what must not be chosen: finite, so that sums never become NaN


def init_beams(input_ids: Tensor, num_beams: int) -> tuple[Tensor, Tensor]:
    """The beams before the first round: (ids (num_beams, length), scores (num_beams,)).

    input_ids: int64 (1, length), the prompt. Every beam holds a copy of it. The first one scores 0,
    the others -1e9: they are all alike, and without this the first round would keep num_beams
    copies of its best token. Raises ValueError for an empty prompt, another batch than 1, and fewer
    than one beam.
    """
    if input_ids.dim() != 2 or input_ids.size(0) != 1 or input_ids.size(1) == 0:
        raise ValueError(
            "beam search takes one prompt of one token or more, of shape (1, length), but "
            f"input_ids have the shape {tuple(input_ids.shape)}"
        )
    if num_beams < 1:
        raise ValueError(f"num_beams must be 1 or more, but it is {num_beams}")
    ids = input_ids.long().repeat(num_beams, 1)  # (beams, length)
    scores = torch.full((num_beams,), _NEVER, device=ids.device)  # (beams,)
    scores[0] = 0.0
    return ids, scores


def beam_search(
    model: nn.Module,
    input_ids: Tensor,
    num_beams: int = 5,
    max_new_tokens: int = 10,
    processors: Sequence[Callable[[Tensor, Tensor], Tensor]] = (),
    eos_token_id: int | None = None,
) -> dict[str, Tensor]:
    """Continue a prompt by the num_beams best sequences that a search of that width finds.

    input_ids: int64 (1, length). In each round every beam proposes every token of the vocabulary;
    of these beams × vocab candidates the num_beams with the largest sums of scores go on. A
    token's score is its log-probability, in nats, after all processors have been called one after
    the other as ``processor(ids (beams, length), scores (beams, vocab))``. A beam that has
    produced eos_token_id is finished: it goes on with that token at score 0, whatever model and
    processors say. The search stops when all beams are finished or after max_new_tokens rounds.

    Returns, best beam first: ``output_ids`` int64 (beams, length + new tokens), ``beam_scores``
    (beams,), not divided by the length, and ``token_scores`` (beams, new tokens), which add up to
    them. Where there are fewer sequences than beams, the rest is filled with beams that score
    -1e9 or less: they are no result. When every candidate is blocked, that round takes the scores
    without processors and warns. The order of equal scores is not defined.

    The model may return logits or an output with ``.logits``; its KV cache, if it has one, is
    reordered with the beams. It works in eval mode, without gradients; modes are left as found.
    Raises ValueError as init_beams does, for max_new_tokens below 1, and for more tokens than the
    model's context holds.
    """
    _check_length(model, input_ids.size(-1), max_new_tokens)
    ids, scores = init_beams(input_ids, num_beams)
    end = -1 if eos_token_id is None else eos_token_id
    finished = torch.zeros(num_beams, dtype=torch.bool, device=ids.device)  # (beams,)
    token_scores = scores.new_zeros(num_beams, 0)  # (beams, new tokens)
    origin, reader = torch.arange(num_beams, device=ids.device), _Reader(model, num_beams)
    with _evaluating(model), torch.no_grad():
        for _ in range(max_new_tokens):
            step = _step_scores(reader(ids, origin), ids, scores, finished, processors, end)
            total = scores.unsqueeze(1) + step  # (beams, vocab)
            scores, place = total.flatten().topk(num_beams)  # (beams,), best first
            origin, token = place // step.size(1), place % step.size(1)  # (beams,)
            ids = torch.cat([ids[origin], token.unsqueeze(1)], dim=1)
            chosen = step[origin, token].unsqueeze(1)  # (beams, 1)
            token_scores = torch.cat([token_scores[origin], chosen], dim=1)
            finished = finished[origin] | (token == end)
            if finished.all():
                break
    return {"output_ids": ids, "beam_scores": scores, "token_scores": token_scores}


class WordBlock:
    """A score processor: no token comes twice; those of the prompt count as seen."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """New scores (beams, vocab), -1e9 for each token that its beam holds already.

        input_ids: int64 (beams, length), prompt and continuation. scores: floating point (beams,
        vocab), untouched.
        """
        return scores.scatter(1, input_ids, _never(scores))


class NGramBlock:
    """A score processor: no n tokens in a row come twice; those of the prompt count as seen.

    n: 1 or more, ValueError otherwise; 1 blocks every token seen. Source: Paulus et al. 2018, 2.5.
    """

    def __init__(self, n: int = 3) -> None:
        if n < 1:
            raise ValueError(f"n must be 1 or more, but it is {n}")
        self.n = n

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """New scores (beams, vocab), -1e9 for each token that would complete an n-gram again.

        input_ids: int64 (beams, length), prompt and continuation; with fewer than n tokens nothing
        is blocked. scores: floating point (beams, vocab), untouched.
        """
        blocked = scores.clone()
        if input_ids.size(1) < self.n:
            return blocked
        ngrams = input_ids.unfold(1, self.n, 1)  # (beams, places, n)
        last = input_ids[:, input_ids.size(1) - self.n + 1 :]  # (beams, n - 1)
        repeats = (ngrams[:, :, :-1] == last.unsqueeze(1)).all(dim=-1)  # (beams, places)
        beam, place = repeats.nonzero(as_tuple=True)
        blocked[beam, ngrams[beam, place, -1]] = _never(scores)
        return blocked


def _never(scores: Tensor) -> float:
    """The score of a blocked token: -1e9, or -inf where the dtype does not reach so far."""
    return _NEVER if torch.finfo(scores.dtype).min <= _NEVER else float("-inf")


def _step_scores(
    log_p: Tensor,
    ids: Tensor,
    scores: Tensor,
    finished: Tensor,
    processors: Sequence[Callable[[Tensor, Tensor], Tensor]],
    end: int,
) -> Tensor:
    """What each token adds to each beam's score in this round, (beams, vocab)."""
    step = log_p
    for processor in processors:
        step = processor(ids, step)
    step = _hold_finished(step, finished, end)
    if processors and not (scores.unsqueeze(1) + step > _NEVER / 2).any():
        warnings.warn(
            f"the processors block every token after {ids.size(1)}: this round does without them",
            stacklevel=3,
        )
        step = _hold_finished(log_p, finished, end)
    return step


def _hold_finished(step: Tensor, finished: Tensor, end: int) -> Tensor:
    """Scores (beams, vocab) in which a finished beam has one way on: the end token, at 0."""
    if not finished.any():
        return step
    only_end = torch.full_like(step[0], float("-inf"))  # (vocab,)
    only_end[end] = 0.0
    return torch.where(finished.unsqueeze(1), only_end, step)


class _Reader:
    """Asks a model for the next token's log-probabilities, with a KV cache where it has one."""

    def __init__(self, model: nn.Module, num_beams: int) -> None:
        self.model, self.num_beams = model, num_beams
        self.rows = 0  # how many texts the model has read in the round before
        make = getattr(model, "new_cache", None)  # our GPT has its own
        self.cache: Any = make() if callable(make) else None
        self.keyword = "past_key_values" if self.cache is None else "cache"
        known = inspect.signature(model.forward).parameters
        self.cached = self.keyword in known
        # The vocabulary is large, so a model that can does without logits of earlier places.
        wishes = {"use_cache": True, "logits_to_keep": 1, "last_only": True}
        self.options = {name: value for name, value in wishes.items() if name in known}

    def __call__(self, ids: Tensor, origin: Tensor) -> Tensor:
        """Log-probabilities (beams, vocab) after ids (beams, length); beam i was origin[i]."""
        if self.rows == 0:
            ids = ids[:1]  # In the first round all beams are alike: one is read.
        elif self.cached:
            self._follow(origin)
            ids = ids[:, -1:]  # (beams, 1): the cache holds the rest
        self.rows = ids.size(0)
        given = {self.keyword: self.cache} if self.cached else {}
        output = self.model(ids, **given, **self.options)
        if self.cached and self.keyword == "past_key_values":
            self.cache = getattr(output, "past_key_values", None)
            self.cached = self.cache is not None
        logits = getattr(output, "logits", output)[:, -1]  # (rows, vocab)
        log_p = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(dim=-1)
        return log_p.repeat(self.num_beams // self.rows, 1)

    def _follow(self, origin: Tensor) -> None:
        """Give each beam the keys and values of the beam that it continues."""
        if self.rows == self.num_beams and origin.tolist() == [*range(self.num_beams)]:
            return
        rows = origin.clamp(max=self.rows - 1)  # after the first round there is one row for all
        self.cache.reorder(rows) if self.keyword == "cache" else self.cache.reorder_cache(rows)


def _check_length(model: nn.Module, length: int, new: int) -> None:
    """Raise ValueError for fewer than one new token, or more tokens than the model's context."""
    if new < 1:
        raise ValueError(f"max_new_tokens must be 1 or more, but it is {new}")
    of_ours = getattr(model, "block_size", None)
    context = getattr(getattr(model, "config", None), "max_position_embeddings", of_ours)
    if isinstance(context, int) and length + new - 1 > context:  # the last one is never read
        raise ValueError(
            f"a prompt of {length} tokens and {new} new ones do not fit into the model's context "
            f"of {context}: shorten the prompt or lower max_new_tokens"
        )


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

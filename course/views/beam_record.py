"""What a beam search leaves behind.

A ``BeamRecorder`` is a score processor that changes nothing and writes down what it sees.
``recorded_search`` runs transformers' ``generate`` with one before and one behind the processors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


MOST_NODES = 200  # of a tree


class BeamRecorder:
    """A score processor that returns the scores as they are and remembers each round."""

    def __init__(self) -> None:
        self.rounds: list[tuple[Tensor, Tensor]] = []  # ids (beams, length), scores (beams, vocab)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        self.rounds.append((input_ids.detach().clone(), scores.detach().float().clone()))
        return scores


def recorded_search(
    model: Any,
    tokenizer: Any,
    prompt: str,
    beams: int = 3,
    steps: int = 5,
    processors: Sequence[Callable[[Tensor, Tensor], Tensor]] = (),
) -> tuple[BeamRecorder, Tensor, BeamRecorder]:
    """A search of transformers' ``generate``, ranked by plain sums, as beam_tree_data takes it: the
    recorder after the processors, the beams (beams, length) best first, the recorder before them.

    The end-of-text token counts as any other, so every search takes ``steps`` rounds. Raises
    ValueError for an empty prompt, less than one beam or step, a tree that would keep more than 200
    candidates, more tokens than the model takes, and a model that cannot generate.
    """
    _check_width(beams, steps)
    if not getattr(model, "can_generate", bool)():
        raise ValueError(f"{type(model).__name__} cannot generate: load a causal language model")
    inputs = tokenizer(prompt, return_tensors="pt") if prompt.strip() else {"input_ids": None}
    ids = inputs["input_ids"]
    if ids is None or ids.size(1) == 0:
        raise ValueError("the prompt is empty: give the search a word to begin with")
    most = getattr(model.config, "max_position_embeddings", None)
    if most is not None and ids.size(1) + steps - 1 > most:
        raise ValueError(
            f"a prompt of {ids.size(1)} tokens and {steps} steps do not fit into the model's "
            f"{most}: shorten the prompt"
        )
    raw, after = BeamRecorder(), BeamRecorder()
    rules = [_log_probabilities, raw, *processors, after]
    found = _generated(model, inputs, beams, steps, rules)
    return after, found, raw


def _check_width(beams: int, steps: int) -> None:
    for name, value in (("beams", beams), ("steps", steps)):
        if value < 1:
            raise ValueError(f"{name} must be 1 or more, but it is {value}")
    if beams * steps > MOST_NODES:
        raise ValueError(
            f"{beams} beams and {steps} steps keep {beams * steps} candidates, but a tree shows "
            f"{MOST_NODES} at most: take fewer beams or steps"
        )


def _log_probabilities(input_ids: Tensor, scores: Tensor) -> Tensor:
    """With one beam transformers hands logits to its processors; with more this changes nothing."""
    return scores.log_softmax(dim=-1)


def _generated(model: Any, inputs: Any, beams: int, steps: int, rules: list[Any]) -> Tensor:
    """The beams (beams, length) of a search without sampling; modes are left as found."""
    training, known = model.training, ("input_ids", "attention_mask")
    try:
        result: Tensor = model.eval().generate(
            **{name: inputs[name].to(model.device) for name in known if name in inputs},
            logits_processor=rules,
            num_beams=beams,
            num_return_sequences=beams,
            max_new_tokens=steps,
            do_sample=False,
            length_penalty=0.0,
            eos_token_id=None,
            pad_token_id=0,
        )
    finally:
        model.train(training)
    return result


def checked_prompt(
    rounds: Sequence[tuple[Tensor, Tensor]], before: Sequence[Any]
) -> tuple[int, ...]:
    """The prompt of a search; raises ValueError where it was not recorded well."""
    if not rounds:
        raise ValueError("nothing was recorded: hand the recorder to the search as a processor")
    if len(before) != len(rounds):
        raise ValueError(
            f"the recorders hold {len(before)} and {len(rounds)} rounds: hand both to one search"
        )
    start = rounds[0][0].size(1)
    if start == 0:
        raise ValueError("the prompt is empty: give the search a word to begin with")
    if [ids.size(1) for ids, _ in rounds] != list(range(start, start + len(rounds))):
        raise ValueError("more than one search was recorded: make a new recorder for each")
    for i, pair in enumerate(zip(rounds, before, strict=True)):
        if any(bool(scores.isnan().any()) for _, scores in pair):
            raise ValueError(
                f"the scores of round {i + 1} hold NaN: block a token with -1e9, and never "
                "multiply -inf by 0"
            )
    return tuple(rounds[0][0][0].tolist())

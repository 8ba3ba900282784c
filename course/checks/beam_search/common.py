"""What the checks of `beam_search` share: the suite, calls with known models, histories."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from course.checks import beam_search_toys as toys
from course.checks import live
from course.checks.base import Draw, Suite, as_tensor, expect

suite = Suite("beam_search")
INIT, SEARCH, WORD, NGRAM = "init_beams", "beam_search", "WordBlock", "NGramBlock"
LOGITS_HINT = (
    "Our models take input_ids and return logits, Hugging Face's return an output with .logits: "
    "getattr(output, 'logits', output)."
)


def search(
    student: Any,
    table: Tensor,
    prompt: Tensor,
    num_beams: int,
    max_new_tokens: int,
    rules: tuple[tuple[Any, ...], ...] = (),
    end: int | None = None,
    history: bool = False,
    wrapped: bool = False,
) -> toys.Found:
    """What beam_search finds with a scripted model; rules are given by name and arguments."""
    model = live.make(student, f"{toys.HERE}:scripted", table, history, wrapped)
    options: dict[str, Any] = {"num_beams": num_beams, "max_new_tokens": max_new_tokens}
    if rules:
        options["processors"] = [live.make(student, f"{toys.HERE}:rule", *one) for one in rules]
    if end is not None:
        options["eos_token_id"] = end
    return toys.found(student(model, prompt.clone(), **options), prompt)


def shuffled(draw: Draw, table: Tensor) -> tuple[Tensor, list[int]]:
    """A table of chances with its words renamed; name[w] is the new number of word w."""
    order = draw.permutation(len(table))
    name = order.argsort()
    return table[order][:, order], name.tolist()


def called(block: Any, ids: Tensor, scores: Tensor) -> Tensor:
    """What a processor makes of copies of its arguments, as a tensor of the right shape."""
    result = block(ids.clone(), scores.clone())
    return as_tensor(result, "The result of the processor", scores.shape)


def blocked_words(block: Any, history: list[int], words: int = 12) -> set[int]:
    """The words that a processor blocks (-1e9 or less) after one history."""
    scores = torch.linspace(-3.0, -0.5, words).unsqueeze(0)  # (1, vocab)
    result = called(block, torch.tensor([history]), scores)
    expect(not result.isnan().any(), f"After {history} the processor returns NaN.")
    return set((result[0] <= -1e9).nonzero().flatten().tolist())


def some_scores(draw: Draw, beams: int, words: int) -> Tensor:
    """Log-probabilities, (beams, vocab)."""
    return draw.normal(beams, words).log_softmax(dim=-1)


def expect_pure(block: Any, ids: Tensor, scores: Tensor) -> None:
    """Fail the check when a processor changes one of its arguments."""
    _, args, _ = live.call_and_keep(block, [ids.clone(), scores.clone()], {})
    expect(
        torch.equal(args[1], scores),
        "The scores were changed in place: the model's own scores must stay. Work on "
        "scores.clone(), or use masked_fill and scatter without the underscore.",
    )
    expect(torch.equal(args[0], ids), "input_ids were changed in place: copy them first.")


def expect_repeats_blocked(student: Any, n: int, history: list[int], wanted: set[int]) -> None:
    """Fail unless exactly the words that would repeat n tokens in a row are blocked."""
    found = blocked_words(student, history)
    expect(
        found == wanted,
        f"With n={n}, after {history}, the blocked tokens are {sorted(found)}, but "
        f"{sorted(wanted)} would repeat {n} tokens in a row.",
    )

"""What the checks of `finetuning` share. None depends on chance: each has an exact oracle."""

from __future__ import annotations

from collections import Counter
from typing import Any

from course.checks import finetuning_toys as toys
from course.checks.base import Draw, Suite, expect

suite = Suite("finetuning")
BLOCKS, PAIRS, PERPLEXITY, ROUGE = "group_into_blocks", "sentence_pairs", "perplexity", "rouge_n"
MODEL_HINT = (
    "Call the model as model(input_ids, attention_mask=mask) with input_ids of shape "
    "(batch, length); take getattr(output, 'logits', output)."
)
Pairs = list[tuple[str, str]]


def a_stream(draw: Draw, *lengths: int, low: int = 1) -> list[list[int]]:
    """Lists of random ids of the given lengths."""
    return [draw.integers(low, 999, length).tolist() for length in lengths]


def as_blocks(value: Any) -> list[list[int]]:
    """group_into_blocks' answer as plain lists of ints; fails the check otherwise."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    expect(
        isinstance(value, (list, tuple)),
        f"group_into_blocks must return a list of blocks, but returns a {type(value).__name__}.",
    )
    blocks = [block.tolist() if hasattr(block, "tolist") else block for block in value]
    expect(
        all(isinstance(block, (list, tuple)) for block in blocks),
        "Each block must be a list of token ids; yours holds "
        f"{str(next((b for b in blocks if not isinstance(b, (list, tuple))), None))[:40]}.",
    )
    return [list(block) for block in blocks]


def cut(stream: list[int], size: int) -> list[list[int]]:
    """Whole blocks of a stream."""
    return [stream[i * size : (i + 1) * size] for i in range(len(stream) // size)]


def as_pairs(value: Any) -> Pairs:
    """sentence_pairs' answer as a list of pairs of strings; fails the check otherwise."""
    expect(
        value is not None and not isinstance(value, (str, dict)),
        f"sentence_pairs must return a list of pairs, but it returns a {type(value).__name__}.",
    )
    pairs = list(value)
    for pair in pairs:
        expect(
            isinstance(pair, (tuple, list))
            and len(pair) == 2
            and all(isinstance(sentence, str) for sentence in pair),
            f"Each entry must be a pair (first, second) of strings, but one is {str(pair)[:60]}.",
        )
    return [(pair[0], pair[1]) for pair in pairs]


def a_text(draw: Draw, ends: str) -> list[str]:
    """Sentences that begin with a capital letter, one for each end."""
    lengths = [draw.integer(3, 9) for _ in ends]
    pairs = zip(lengths, ends, strict=True)
    return [toys.a_sentence(draw, length, end).capitalize() for length, end in pairs]


def ngrams(ids: list[int], n: int) -> Counter[tuple[int, ...]]:
    """How often each n-gram occurs."""
    return Counter(tuple(ids[i : i + n]) for i in range(len(ids) - n + 1))


def overlap(reference: list[int], prediction: list[int], n: int) -> int:
    """The number of the reference's n-grams that the prediction has, clipped."""
    other = ngrams(prediction, n)
    return sum(min(count, other[gram]) for gram, count in ngrams(reference, n).items())


def rouge(student: Any, *args: Any, **kwargs: Any) -> float:
    """rouge_n's answer as a float."""
    return toys.as_number(student(*args, **kwargs), "rouge_n")


def some_overlap(student: Any, ids: list[int]) -> None:
    """Fail where a text does not score against itself: 0.0 for everything is no measure."""
    got = rouge(student, ids, ids)
    expect(got > 0, f"A text compared with itself scores {got:g}: all of its n-grams are found.")

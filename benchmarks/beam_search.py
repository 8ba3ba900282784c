"""Our beam_search against transformers' ``generate(num_beams=k)``, in one run on one thread.

Both search with a KV cache, without an end token, and rank by plain sums (``length_penalty=0``):
the same job, and the sequences and scores are compared before the clocks start. The two run in
turn, and who begins changes; the ratio is the median of paired ratios, above 1 where ours is
faster.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from course import models
from solutions.beam_search import NGramBlock, beam_search

TEXT = (
    "Once upon a time there was a little boy who lived with his old mother in a small house at "
    "the edge of the great forest, where the birds sang all day long and the sun"
)


def seconds(run: Callable[[], object]) -> float:
    """The time that one call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def compare(ours: Callable[[], Any], theirs: Callable[[], Any], repeats: int) -> list[float]:
    """Median seconds of both, and the median ratio of neighbours in time."""
    pairs = []
    for i in range(repeats):
        if i % 2:
            other, mine = seconds(theirs), seconds(ours)
        else:
            mine, other = seconds(ours), seconds(theirs)
        pairs.append((mine, other))
    ratio = statistics.median(b / a for a, b in pairs)
    return [statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs), ratio]


def searches(
    model: Any, ids: Tensor, beams: int, new: int, rules: list[Any]
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Our search and transformers', as functions without arguments."""
    options: dict[str, Any] = {"num_beams": beams, "num_return_sequences": beams}
    options |= {"max_new_tokens": new, "do_sample": False, "length_penalty": 0.0}
    options |= {"eos_token_id": None, "pad_token_id": 0, "logits_processor": rules}
    options |= {"return_dict_in_generate": True, "output_scores": True}

    def ours() -> dict[str, Tensor]:
        return beam_search(model, ids, beams, new, rules)

    def theirs() -> Any:
        return model.generate(ids, attention_mask=torch.ones_like(ids), **options)

    return ours, theirs


def difference(ours: dict[str, Tensor], theirs: Any) -> str:
    """The largest difference of the scores, or the number of sequences that differ."""
    wrong = int((ours["output_ids"] != theirs.sequences).any(dim=1).sum())
    if wrong:
        return f"{wrong} sequences differ"
    return f"{float((ours['beam_scores'] - theirs.sequences_scores).abs().max()):.0e}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--role", default="small_gpt2", help="small_gpt2 or causal_lm")
    parser.add_argument("--repeats", type=int, default=15, help="paired searches a line")
    parser.add_argument("--beams", type=int, nargs="+", default=[2, 3, 5, 10])
    parser.add_argument("--new", type=int, nargs="+", default=[10, 40], help="new tokens")
    parser.add_argument("--prompts", type=int, nargs="+", default=[8, 32], help="prompt lengths")
    parser.add_argument("--trigrams", action="store_true", help="no trigram twice")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model, tokenizer = models.load(options.role)
    whole = tokenizer(TEXT, return_tensors="pt")["input_ids"]
    rules = [NGramBlock(3)] if options.trigrams else []
    print(f"torch {torch.__version__}, {options.repeats} pairs a line, one thread")
    print("| prompt | beams | new | ours, ms | transformers, ms | ratio | scores differ by |")
    print("|---|---|---|---|---|---|---|")
    for length in options.prompts:
        for beams in options.beams:
            for new in options.new:
                ours, theirs = searches(model, whole[:, :length], beams, new, rules)
                same = difference(ours(), theirs())
                mine, other, ratio = compare(ours, theirs, options.repeats)
                times = f"{1e3 * mine:.0f} | {1e3 * other:.0f} | {ratio:.2f}"
                print(f"| {length} | {beams} | {new} | {times} | {same} |", flush=True)


if __name__ == "__main__":
    main()

"""Our mask_tokens against transformers' DataCollatorForLanguageModeling, in one run on one thread.

The rival is the collator's public ``torch_mask_tokens`` with the special tokens mask at hand: the
same job, without padding or tokenizing. It writes into its input, so it gets a copy, which is part
of its time (below 1 %). The two run in turn; the ratio is the median of paired ratios, above 1
where ours is faster. Both draw every token on its own; shares are printed beside the times.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from transformers import BertTokenizer, DataCollatorForLanguageModeling

from solutions.masked_lm import mask_tokens

SIZES = ((1, 32), (4, 64), (8, 128), (16, 128), (32, 128), (64, 128), (128, 128), (64, 512))
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
Pair = tuple[Tensor, Tensor]


def a_tokenizer(size: int) -> BertTokenizer:
    """A tokenizer of ``size`` tokens, for the collator."""
    words = [*SPECIAL, *(f"w{i}" for i in range(size - len(SPECIAL)))]
    return BertTokenizer(vocab={word: place for place, word in enumerate(words)})


def a_batch(rows: int, length: int, words: int) -> Pair:
    """Random ids and a special tokens mask, int64 as a tokenizer gives it, one at both ends."""
    special = torch.zeros(rows, length, dtype=torch.long)
    special[:, 0] = special[:, -1] = 1
    return torch.randint(len(SPECIAL), words, (rows, length)), special


def seconds(run: Callable[[], object]) -> float:
    """The time that one call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def compare(ours: Callable[[], Pair], theirs: Callable[[], Pair], repeats: int) -> list[float]:
    """Median seconds of both, and the median ratio of neighbours in time."""
    for run in (ours, theirs):
        run()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(repeats)]
    ratio = statistics.median(b / a for a, b in pairs)
    return [statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs), ratio]


def shares(ids: Tensor, result: Pair, mask: int) -> str:
    """Masked, replaced and kept tokens as shares of the labelled ones, and these of all."""
    corrupted, labels = result
    chosen = labels != -100
    masked, kept = chosen & (corrupted == mask), chosen & (corrupted == ids)
    parts = torch.stack([masked, chosen & ~masked & ~kept, kept]).flatten(1).sum(1) / chosen.sum()
    return " ".join(f"{p:.3f}" for p in [*parts.tolist(), float(chosen.float().mean())])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2000, help="paired calls a size")
    parser.add_argument("--vocabulary", type=int, default=30522)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    tokenizer = a_tokenizer(options.vocabulary)
    collator = DataCollatorForLanguageModeling(tokenizer)
    mask, words = tokenizer.mask_token_id, options.vocabulary
    print(f"torch {torch.__version__}, {options.repeats} pairs a size, one thread")
    print("| batch | ours, µs | transformers, µs | ratio | shares ours | shares transformers |")
    print("|---|---|---|---|---|---|")
    for rows, length in SIZES:
        ids, special = a_batch(rows, length, words)

        def ours(ids: Tensor = ids, special: Tensor = special) -> Pair:
            return mask_tokens(ids, special, mask, words)

        def theirs(ids: Tensor = ids, special: Tensor = special) -> Pair:
            return collator.torch_mask_tokens(ids.clone(), special)

        mine, other, ratio = compare(ours, theirs, options.repeats)
        found = f"{shares(ids, ours(), mask)} | {shares(ids, theirs(), mask)}"
        times = f"{1e6 * mine:.0f} | {1e6 * other:.0f} | {ratio:.2f}"
        print(f"| {rows} × {length} | {times} | {found} |")


if __name__ == "__main__":
    main()

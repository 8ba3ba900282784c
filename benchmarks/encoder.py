"""Our encoder blocks against transformers' BertModel with the same weights, on CPU.

Both turn token embeddings into hidden states: BertModel as it comes (SDPA, no pooler), ours with
copied weights. The two run in turn, many times; the ratio is the median of paired ratios, above 1
where ours is faster. A training step is forward, backward and an AdamW step, dropout 0.1.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from benchmarks.bert_weights import blocks_from_bert
from solutions.encoder import Bert

Cells = tuple[list[float], list[float]]
LENGTHS = (16, 32, 64, 128, 256, 512)


def ours_like(rival: BertModel) -> Bert:
    """Our model of the same sizes and block weights, without a head, as BertModel has none."""
    config = rival.config
    words = config.vocab_size - 1  # our embedding adds a row for the mask token
    sizes = (config.hidden_size, config.num_attention_heads, config.intermediate_size)
    model = Bert(words, config.num_hidden_layers, *sizes, dropout=config.hidden_dropout_prob)
    model.blocks = blocks_from_bert(rival)
    model.head = nn.Identity()  # type: ignore[assignment]
    return model


def batch_of(length: int, tokens: int, vocab_size: int, padded: bool) -> tuple[Tensor, Tensor]:
    """Random ids and their attention mask; about ``tokens`` tokens, up to half of a row padding."""
    size = max(1, tokens // length)
    ids = torch.randint(0, vocab_size, (size, length))
    mask = torch.ones(size, length, dtype=torch.long)
    if padded:
        lengths = torch.linspace(length // 2, length, size + 1).long()[:size]
        mask = (torch.arange(length) < lengths[:, None]).long()
    return ids, mask


def forward_of(run: Callable[[], Tensor]) -> Callable[[], object]:
    """A forward pass without gradients."""
    return torch.inference_mode()(run)


def step_of(run: Callable[[], Tensor], module: nn.Module) -> Callable[[], object]:
    """A training step on the mean square of the hidden states."""
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-5)

    def step() -> None:
        optimizer.zero_grad()
        run().square().mean().backward()
        optimizer.step()

    return step


def paired(ours: Callable[[], object], rival: Callable[[], object], seconds: float) -> list[float]:
    """Times of the rival over ours, one ratio a turn; who goes first alternates."""
    runs: list[tuple[float, float]] = []
    for f in (ours, rival, ours, rival):
        f()
    started = time.perf_counter()
    while len(runs) < 8 or time.perf_counter() - started < seconds:
        order = (ours, rival) if len(runs) % 2 else (rival, ours)
        took = {}
        for f in order:
            before = time.perf_counter()
            f()
            took[f] = time.perf_counter() - before
        runs.append((took[ours], took[rival]))
    return [theirs / own for own, theirs in runs]


def measure(config: BertConfig, length: int, tokens: int, padded: bool, seconds: float) -> Cells:
    """Ratios (forward, training step) at one length."""
    torch.manual_seed(0)
    rival = BertModel(config, add_pooling_layer=False)
    ours = ours_like(rival)
    ids, mask = batch_of(length, tokens, config.vocab_size, padded)

    def run_ours() -> Tensor:
        return ours(ids, mask)

    def run_rival() -> Tensor:
        return rival(input_ids=ids, attention_mask=mask).last_hidden_state

    for module in (ours, rival):
        module.eval()
    forward = paired(forward_of(run_ours), forward_of(run_rival), seconds)
    for module in (ours, rival):
        module.train()
    step = paired(step_of(run_ours, ours), step_of(run_rival, rival), seconds)
    return forward, step


def show(ratios: list[float]) -> str:
    """Median and quartiles of the paired ratios."""
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:5.2f} ({low:4.2f}–{high:4.2f})"


def main() -> None:
    """Print one row a length and padding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hidden", type=int, default=384, help="hidden size (MiniLM: 384)")
    parser.add_argument("--layers", type=int, default=6, help="number of blocks")
    parser.add_argument("--heads", type=int, default=12, help="number of heads")
    parser.add_argument("--tokens", type=int, default=2048, help="tokens a batch")
    parser.add_argument("--seconds", type=float, default=6.0, help="at least so long a cell")
    parser.add_argument("--lengths", type=int, nargs="+", default=list(LENGTHS))
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of both")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    config = BertConfig(
        vocab_size=1000,
        hidden_size=options.hidden,
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads,
        intermediate_size=4 * options.hidden,
    )
    print("BertModel's time / ours: median (quartiles) of paired runs, above 1 ours is faster")
    print(f"{options.layers} blocks of {options.hidden}, {options.tokens} tokens a batch")
    print("| length | padding | forward | training step |\n|---|---|---|---|")
    for length in options.lengths:
        for padded in (False, True):
            cells = measure(config, length, options.tokens, padded, options.seconds)
            row = " | ".join(show(cell) for cell in cells)
            print(f"| {length} | {'yes' if padded else 'no'} | {row} |", flush=True)


if __name__ == "__main__":
    main()

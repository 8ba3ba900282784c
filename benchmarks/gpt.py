"""Our GPT against transformers' GPT-2 with the same weights, on CPU.

Forward passes and greedy generation, with a cache of keys and values and without. The rival is
GPT2LMHeadModel as it comes (SDPA attention), or with --attention eager. The two run in turn, many
times; the ratio is the median of paired ratios, above 1 where ours is faster.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel

from benchmarks.encoder import forward_of, paired, show
from benchmarks.gpt_weights import gpt_from_transformers
from solutions.gpt import GPT, generate

Pair = tuple[Callable[[], object], Callable[[], object]]


class WithoutCache(nn.Module):
    """Our GPT behind a wall: generate does not know it, so it reads the whole text each time."""

    def __init__(self, model: GPT) -> None:
        super().__init__()
        self.model, self.block_size = model, model.block_size

    def forward(self, input_ids: Tensor) -> Tensor:
        return self.model(input_ids, last_only=True)


def rival_of(options: argparse.Namespace) -> Any:
    """A GPT-2 with random weights and 1,024 positions, in evaluation mode."""
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=options.words,
        n_embd=options.width,
        n_layer=options.layers,
        n_head=options.heads,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = GPT2LMHeadModel(config).eval()
    model.set_attn_implementation(options.attention)
    return model


def largest_gap(ours: GPT, rival: Any) -> float:
    """The largest difference of two models' logits on one batch."""
    ids = torch.randint(0, rival.config.vocab_size, (2, 64))
    with torch.inference_mode():
        return float((ours(ids) - rival(ids).logits).abs().max())


def writers(ours: GPT, rival: Any, ids: Tensor, new: int, cache: bool) -> Pair:
    """Greedy generation by both. The rival reports its scores too, as ours does probabilities."""
    model = ours if cache else WithoutCache(ours).eval()
    fixed: dict[str, Any] = {
        "do_sample": False,
        "max_new_tokens": new,
        "use_cache": cache,
        "pad_token_id": 0,
    }
    fixed |= {"return_dict_in_generate": True, "output_logits": True}

    def write_ours() -> Tensor:
        return generate(model, ids, new)[0]

    def write_theirs() -> Tensor:
        return rival.generate(ids, attention_mask=torch.ones_like(ids), **fixed).sequences

    if not torch.equal(write_ours(), write_theirs()):
        raise SystemExit("the two models write different texts: nothing to compare")
    return write_ours, write_theirs


def readers(ours: GPT, rival: Any, ids: Tensor) -> Pair:
    """One forward pass by both, without gradients."""
    return forward_of(lambda: ours(ids)), forward_of(lambda: rival(ids).logits)


def main() -> None:
    """Print a row a measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=256, help="features (the course's: 256)")
    parser.add_argument("--layers", type=int, default=4, help="number of blocks")
    parser.add_argument("--heads", type=int, default=4, help="number of heads")
    parser.add_argument("--words", type=int, default=4096, help="size of the vocabulary")
    parser.add_argument("--new", type=int, default=64, help="new tokens to generate")
    parser.add_argument("--seconds", type=float, default=6.0, help="at least so long a row")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of both")
    parser.add_argument("--attention", choices=["sdpa", "eager"], default="sdpa")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rival = rival_of(options)
    ours = gpt_from_transformers(rival)
    print("GPT-2's time / ours: median (quartiles) of paired runs, above 1 ours is faster")
    print(f"{options.layers} blocks of {options.width}, {options.attention} attention; ", end="")
    print(f"largest difference of logits {largest_gap(ours, rival):.1e}")
    print("| what | batch | tokens | ratio |\n|---|---|---|---|")
    for batch, length in ((1, 32), (1, 256), (8, 64), (4, 512)):
        ids = torch.randint(0, options.words, (batch, length))
        row = show(paired(*readers(ours, rival, ids), options.seconds))
        print(f"| forward | {batch} | {length} | {row} |", flush=True)
    for cache in (True, False):
        for batch in (1, 5):
            ids = torch.randint(0, options.words, (batch, 16))
            row = show(paired(*writers(ours, rival, ids, options.new, cache), options.seconds))
            what = f"generate, {'with' if cache else 'no'} cache"
            print(f"| {what} | {batch} | 16 + {options.new} | {row} |", flush=True)


if __name__ == "__main__":
    main()

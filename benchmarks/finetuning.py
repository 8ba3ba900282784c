"""Fine-tune a language model on stories, and measure it before and after, beside published figures.

Offline: SmolLM2-135M, its last four layers, on Andersen's tales; the pairs are the first two
sentences of paragraphs from tales that are kept out of training. With COURSE_PROFILE=hub: gpt2,
all layers, on CoQA's stories with the settings of the published coursework (blocks of 256 tokens,
1,024 samples, one epoch, learning rate 5e-5), pairs from stories of the validation split.

    python benchmarks/finetuning.py
    COURSE_PROFILE=hub python benchmarks/finetuning.py
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from course import data, models
from course.cache import profile
from solutions.finetuning import group_into_blocks, perplexity, rouge_n, sentence_pairs
from solutions.pooling import tune_last_layers

PUBLISHED = (34.13, 30.47, 0.086, 0.083)
DEFAULTS: dict[str, dict[str, Any]] = {
    "offline": {"layers": 4, "steps": 40, "batch": 4, "block": 128, "learning_rate": 2e-4},
    "hub": {"layers": 0, "steps": 128, "batch": 8, "block": 256, "learning_rate": 5e-5},
}
Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Figures:
    """What is measured: perplexity a token, bits a character, ROUGE-3 of each continuation."""

    perplexity: float
    bits: float
    rouge: list[float]

    @property
    def mean_rouge(self) -> float:
        return sum(self.rouge) / max(len(self.rouge), 1)


def eval_pairs(count: int, seed: int) -> Pairs:
    """Random pairs of sentences from held-out texts, paragraph by paragraph where there are any."""
    texts = [text for split in ("dev", "test") for text in data.load("tales", split)["text"]]
    pairs = sentence_pairs(paragraph for text in texts for paragraph in text.split("\n"))
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed))
    return [pairs[i] for i in order[:count].tolist()]


def training_blocks(tokenizer: Any, args: argparse.Namespace) -> Tensor:
    """(steps * batch, block) ids, blocks drawn at random from the training texts."""
    texts = list(data.load("tales", "train")["text"])
    ids = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    blocks = torch.tensor(group_into_blocks(ids, args.block))
    order = torch.randperm(len(blocks), generator=torch.Generator().manual_seed(args.seed))
    wanted = args.steps * args.batch
    return blocks[order.repeat(wanted // len(blocks) + 1)[:wanted]]


def tune(model: Any, blocks: Tensor, args: argparse.Namespace) -> list[float]:
    """Train on the blocks once; the loss of each step, in nats a token."""
    count = args.layers or model.config.num_hidden_layers
    weights = list(tune_last_layers(model, count))
    if not args.layers:  # all of it, embeddings too
        weights = list(model.requires_grad_(True).parameters())
    optimizer = torch.optim.AdamW(weights, lr=args.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: 1 - s / args.steps)
    losses = []
    model.train()
    for x in tqdm(blocks.split(args.batch), desc="fine-tuning", disable=None):
        with torch.autocast(args.device, dtype=torch.bfloat16, enabled=args.bfloat16):
            loss = model(x.to(args.device), labels=x.to(args.device)).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    model.eval()
    return losses


@torch.no_grad()
def continuations(model: Any, tokenizer: Any, firsts: Sequence[str]) -> list[list[int]]:
    """32 tokens after each sentence, the best of 3 beams; without the end-of-text token."""
    found: list[list[int]] = []
    bar = tqdm(total=len(firsts), desc="3 beams", disable=None)
    for start in range(0, len(firsts), 8):
        prompts = list(firsts[start : start + 8])
        batch = tokenizer(prompts, padding=True, padding_side="left", return_tensors="pt")
        ids = model.generate(
            **batch.to(model.device), num_beams=3, max_new_tokens=32, do_sample=False,
            pad_token_id=tokenizer.pad_token_id,
        )  # fmt: skip
        rows = ids[:, batch["input_ids"].size(1) :].tolist()  # (batch, new tokens)
        found += [[token for token in row if token != tokenizer.eos_token_id] for row in rows]
        bar.update(len(prompts))
    bar.close()
    return found


def measure(model: Any, tokenizer: Any, pairs: Pairs, count: int) -> Figures:
    """All figures of one model on the pairs; ROUGE-3 on the first ``count`` of them."""
    targets = [
        tokenizer(" " + second, add_special_tokens=False)["input_ids"] for _, second in pairs
    ]
    nats = 0.0
    for start in tqdm(range(0, len(pairs), 8), desc="perplexity", disable=None):
        weight = sum(map(len, targets[start : start + 8]))
        nats += weight * math.log(perplexity(model, tokenizer, pairs[start : start + 8]))
    tokens, characters = sum(map(len, targets)), sum(len(second) + 1 for _, second in pairs)
    written = continuations(model, tokenizer, [first for first, _ in pairs[:count]])
    rouge = [rouge_n(*both) for both in zip(targets, written, strict=False)]
    return Figures(math.exp(nats / tokens), nats / math.log(2) / characters, rouge)


def interval(before: list[float], after: list[float]) -> tuple[float, float]:
    """The middle 95 % of the mean difference under 2,000 bootstrap draws of the pairs."""
    difference = torch.tensor(after) - torch.tensor(before)
    generator = torch.Generator().manual_seed(0)
    draws = torch.randint(len(difference), (2000, len(difference)), generator=generator)
    low, high = difference[draws].mean(dim=1).quantile(torch.tensor([0.025, 0.975])).tolist()
    return low, high


def table(before: Figures, after: Figures) -> str:
    """Markdown: ours beside the published figures."""
    rows = [
        ("perplexity of second sentences", before.perplexity, after.perplexity, *PUBLISHED[:2], 2),
        ("ROUGE-3, beam 3, 32 tokens", before.mean_rouge, after.mean_rouge, *PUBLISHED[2:], 3),
    ]
    lines = [
        "| figure | before | after | change | published before | after | change |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, old, new, theirs, later, digits in rows:
        ours = f"{old:.{digits}f} | {new:.{digits}f} | {new / max(old, 1e-9) - 1:+.1%}"
        lines.append(f"| {name} | {ours} | {theirs} | {later} | {later / theirs - 1:+.1%} |")
    change = f"{after.bits / before.bits - 1:+.1%}"
    lines.append(f"| bits a character | {before.bits:.3f} | {after.bits:.3f} | {change} | | | |")
    low, high = interval(before.rouge, after.rouge)
    lines.append("")
    lines.append(f"Change of ROUGE-3, 95 % of bootstrap draws: {low:+.4f} to {high:+.4f}.")
    return "\n".join(lines)


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; defaults depend on COURSE_PROFILE."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add, defaults = parser.add_argument, DEFAULTS[profile()]
    add("--role", default="causal_lm", help="causal_lm (default) or small_gpt2")
    add("--layers", type=int, default=defaults["layers"], help="last layers to train; 0 means all")
    add("--steps", type=int, default=defaults["steps"], help="steps of training")
    add("--batch", type=int, default=defaults["batch"], help="blocks a step")
    add("--block", type=int, default=defaults["block"], help="tokens a block")
    add("--learning-rate", type=float, default=defaults["learning_rate"], help="peak rate")
    add("--pairs", type=int, default=64, help="pairs of sentences for the perplexity")
    add("--continuations", type=int, default=32, help="pairs for ROUGE-3")
    add("--seed", type=int, default=0, help="of the blocks and pairs that are drawn")
    add("--threads", type=int, default=2, help="threads of the CPU")
    add("--device", default="cpu", help="cpu or cuda")
    add("--bfloat16", action="store_true", help="train in bfloat16: faster where it is known")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> str:
    """Measure, train, measure; print and return the table."""
    args = arguments(words)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    model, tokenizer = models.load(args.role)
    model.to(args.device)
    pairs = eval_pairs(args.pairs, args.seed)
    start = time.perf_counter()
    before = measure(model, tokenizer, pairs, args.continuations)
    losses = tune(model, training_blocks(tokenizer, args), args)
    after = measure(model, tokenizer, pairs, args.continuations)
    settings = f"{args.steps} steps of {args.batch} x {args.block} tokens, "
    settings += f"last {args.layers} layers" if args.layers else "all layers"
    print(f"{settings}, rate {args.learning_rate:g}; {len(pairs)} pairs, ", end="")
    print(f"{len(after.rouge)} continuations; {time.perf_counter() - start:.0f} s")
    print(f"training loss: {losses[0]:.3f} in the first step, {losses[-1]:.3f} in the last\n")
    found = table(before, after)
    print(found)
    return found


if __name__ == "__main__":
    main()

"""Sentiment over several seeds: [CLS] frozen and tuned, and a GRU over the frozen encoder.

Each run keeps the weights of its best evaluation on dev; the test accuracy is that of the run that
was best on dev. The frozen encoder reads each text once (``RememberingEncoder``), so all epochs but
the very first cost seconds. Accuracies come with the standard deviation over the seeds.

Offline:        python -m benchmarks.sentiment --systems frozen gru tuned
As published:   COURSE_PROFILE=hub python -m benchmarks.sentiment --systems tuned
                COURSE_PROFILE=hub python -m benchmarks.sentiment --systems gru --data imdb \\
                    --hidden 256 --layers 3 --dropout 0.5 --epochs 15 --gigabytes 16
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from course import data, models
from course.remembering import RememberingEncoder
from solutions.sentiment import ClsClassifier, GruSentiment, binary_accuracy

SEEDS = (42, 645, 234, 534, 56)
Batch = tuple[Tensor, Tensor, Tensor]  # ids and mask (batch, length), labels (batch,)


class Texts:
    """A split as batches of tokens."""

    def __init__(self, rows: Any, tokenizer: Any, limit: int | None, max_length: int) -> None:
        chosen = rows if limit is None else rows.select(range(min(limit, len(rows))))
        self.labels = torch.tensor(chosen["label"])
        self.tokens = tokenizer(list(chosen["text"]), truncation=True, max_length=max_length)
        self.pad = tokenizer.pad

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: list[int], device: str) -> Batch:
        """The texts of these rows, padded on the right."""
        names = ("input_ids", "attention_mask")
        part = self.pad({n: [self.tokens[n][i] for i in rows] for n in names}, return_tensors="pt")
        return part[names[0]].to(device), part[names[1]].to(device), self.labels[rows].to(device)

    def batches(
        self, size: int, device: str, generator: torch.Generator | None = None
    ) -> Iterator[Batch]:
        """All texts once: shuffled with a generator, else by length."""
        if generator is None:
            order = sorted(range(len(self)), key=lambda i: len(self.tokens["input_ids"][i]))
        else:
            order = torch.randperm(len(self), generator=generator).tolist()
        for start in range(0, len(order), size):
            yield self.batch(order[start : start + size], device)


@dataclass
class Run:
    """What one seed gave: best dev accuracy, test accuracy then, seconds of each epoch."""

    dev: float
    test: float
    seconds: list[float] = field(default_factory=list)


def logit(output: Tensor) -> Tensor:
    """One logit a text, (batch,), from a model with one or with two."""
    return output if output.dim() == 1 else output[:, 1] - output[:, 0]


def accuracy(model: nn.Module, texts: Texts, device: str) -> float:
    """The share of texts that a model classifies rightly."""
    model.eval()
    with torch.no_grad():
        pairs = [(logit(model(ids, mask)), y) for ids, mask, y in texts.batches(64, device)]
    return binary_accuracy(torch.cat([z for z, _ in pairs]), torch.cat([y for _, y in pairs]))


def steps(model: nn.Module, texts: Texts, rate: float, options: Any, seed: int) -> Iterator[None]:
    """Train; give way after each part of an epoch, for an evaluation."""
    generator = torch.Generator().manual_seed(seed)
    learning = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=rate)
    total, looks = -(-len(texts) // options.batch), options.evaluations
    for _ in range(options.epochs):
        for number, (ids, mask, labels) in enumerate(
            texts.batches(options.batch, options.device, generator), 1
        ):
            model.train()
            loss = F.binary_cross_entropy_with_logits(logit(model(ids, mask)), labels.float())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(learning, 1.0)
            optimizer.step()
            if number * looks // total > (number - 1) * looks // total:
                yield


def run(model: nn.Module, splits: dict[str, Texts], rate: float, options: Any, seed: int) -> Run:
    """Train one model; its best weights on dev are measured on test."""
    best: tuple[float, dict[str, Tensor]] = (0.0, {})
    found, start = Run(0.0, 0.0), time.perf_counter()
    for count, _ in enumerate(steps(model, splits["train"], rate, options, seed), 1):
        dev = accuracy(model, splits["dev"], options.device)
        if dev > best[0]:
            learning = {n: p for n, p in model.named_parameters() if p.requires_grad}
            best = dev, {n: p.detach().clone() for n, p in learning.items()}
        if count % options.evaluations == 0:
            found.seconds.append(time.perf_counter() - start)
            start = time.perf_counter()
    model.load_state_dict(best[1], strict=False)
    found.dev, found.test = best[0], accuracy(model, splits["test"], options.device)
    return found


def build(system: str, encoder: nn.Module, remembering: nn.Module, options: Any) -> Any:
    """A fresh model of a system, and its learning rate."""
    if system == "frozen":
        return ClsClassifier(remembering, 2, freeze=True, dropout=0.1), options.rate
    if system == "tuned":
        return ClsClassifier(encoder, 2, dropout=0.1), options.tuned_rate
    sizes = {"num_layers": options.layers, "dropout": options.dropout}
    return GruSentiment(remembering, options.hidden, **sizes), options.rate


def line(system: str, texts: int, runs: list[Run]) -> str:
    """One row of the table."""
    devs = [r.dev for r in runs]
    spread = statistics.stdev(devs) if len(devs) > 1 else 0.0
    best = max(runs, key=lambda r: r.dev)
    later = statistics.median([s for r in runs for s in r.seconds[1:]] or best.seconds or [0.0])
    return (
        f"{system:<8} {texts:>6} {len(runs):>5}  {statistics.mean(devs):.4f} ± {spread:.4f}"
        f"   {best.test:.4f}   {later:>8.1f}"
    )


def arguments() -> argparse.Namespace:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    add = parser.add_argument
    add("--systems", nargs="+", default=["frozen", "gru"], choices=["frozen", "tuned", "gru"])
    add("--data", default="sentiment", help="sentiment, or imdb under COURSE_PROFILE=hub")
    add("--seeds", type=int, default=5, help="how many of the seeds 42 645 234 534 56")
    add("--train", type=int, help="texts to train on; all by default")
    add("--epochs", type=int, default=6)
    add("--evaluations", type=int, default=2, help="on dev, an epoch")
    add("--batch", type=int, default=64)
    add("--rate", type=float, default=1e-3, help="learning rate over the frozen encoder")
    add("--tuned-rate", type=float, default=5e-5, help="learning rate of the whole encoder")
    add("--hidden", type=int, default=64)
    add("--layers", type=int, default=1)
    add("--dropout", type=float, default=0.3)
    add("--max-length", type=int, default=512)
    add("--gigabytes", type=float, default=4.0, help="memory for hidden states, half precision")
    add("--threads", type=int, default=2)
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    encoder, tokenizer = models.load("encoder")
    encoder.to(options.device)
    start = {name: value.clone() for name, value in encoder.state_dict().items()}
    splits = {
        split: Texts(
            data.load(options.data, split),
            tokenizer,
            options.train if split == "train" else None,
            options.max_length,
        )
        for split in ("train", "dev", "test")
    }
    remembering = RememberingEncoder(encoder, options.gigabytes)
    if {"frozen", "gru"} & {*options.systems}:
        began = time.perf_counter()
        for texts in splits.values():
            for ids, mask, _ in tqdm([*texts.batches(64, options.device)], leave=False):
                remembering(ids, mask)
        print(
            f"{remembering.computed} texts read once in {time.perf_counter() - began:.0f} s, "
            f"{remembering.megabytes:.0f} MB of hidden states"
        )
    print("system    texts  seeds   dev accuracy      test of best  s an epoch")
    for system in options.systems:
        runs = []
        for seed in SEEDS[: options.seeds]:
            torch.manual_seed(seed)
            encoder.load_state_dict(start)
            encoder.requires_grad_(system == "tuned")
            model, rate = build(system, encoder, remembering, options)
            model.to(options.device)
            runs.append(run(model, splits, rate, options, seed))
        print(line(system, len(splits["train"]), runs), flush=True)


if __name__ == "__main__":
    main()

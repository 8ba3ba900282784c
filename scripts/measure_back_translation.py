"""Measure what back-translated paraphrases add to twenty sentences: the tables of docs.

python scripts/measure_back_translation.py --draws 40 --fine-tune > tables.md
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm
from transformers import AutoModelForSequenceClassification

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from course import data, models
from solutions.back_translation import augment
from solutions.pooling import Probe, extract_features, mean_pool

EACH = 10  # sentences of each class in a set of twenty
KINDS = ("nothing", "copies", "dropped words", "paraphrases", "real sentences", "15 copies each")
SMALL = KINDS[:1] + KINDS[3:5]  # what fine-tuning is measured on
STUDENT = {4: 3.182, 10: 2.262, 20: 2.093, 40: 2.023}  # 97.5 % point for n - 1 degrees
Examples = list[dict[str, Any]]


def draw(rows: Examples, seed: int) -> tuple[Examples, Examples]:
    """Twenty examples and twenty more, balanced; the same as in the lesson."""
    rng = random.Random(seed)
    chosen: Examples = []
    aside: Examples = []
    for label in (0, 1):
        found = rng.sample([row for row in rows if row["label"] == label], 2 * EACH)
        chosen, aside = chosen + found[:EACH], aside + found[EACH:]
    return chosen, aside


def drop_words(text: str, rng: random.Random, share: float = 0.1) -> str:
    """The text without about a tenth of its words."""
    return " ".join(word for word in text.split() if rng.random() >= share) or text


def training_sets(rows: Examples, draws: int, translate: Any) -> list[dict[str, Examples]]:
    """For each seed what is added to its twenty sentences, by kind; and the twenty themselves."""
    rng, sets = random.Random(0), []
    for seed in tqdm(range(draws), desc="round trips"):
        chosen, aside = draw(rows, seed)
        dropped = [{**row, "text": drop_words(row["text"], rng)} for row in chosen]
        found = augment(chosen, translate, ["pt"])[len(chosen) :]
        extras: list[Examples] = [[], chosen, dropped, found, aside, chosen * 15]
        sets.append({"twenty": chosen, **dict(zip(KINDS, extras, strict=True))})
    return sets


def nots(text: str) -> int:
    """How often a text denies something, by its words."""
    words = text.replace("n't", " not").lower().split()
    return sum(word.strip(".,;:'!?\"") in ("not", "no", "nor", "never") for word in words)


def interval(differences: Tensor) -> str:
    """Mean and 95 % interval of paired differences, in percentage points."""
    n = len(differences)
    reach = STUDENT.get(n, 2.0) * differences.std() / n**0.5
    return f"{100 * differences.mean():+.1f} ± {100 * reach:.1f}"


def table(found: dict[str, Tensor], first: int) -> list[str]:
    """A row a kind: accuracy and paired differences over the first seeds and over all."""
    lines = [
        f"| 20 sentences + | {first} seeds | against nothing | against copies | all "
        f"{len(found['nothing'])} | against nothing | against copies |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, values in found.items():
        cells = []
        for part in (slice(first), slice(None)):
            cells.append(f"{values[part].mean():.3f} ± {values[part].std():.3f}")
            for base in ("nothing", "copies"):
                other = found.get(base)
                skip = other is None or kind == base
                cells.append("" if skip else interval(values[part] - other[part]))  # type: ignore[index]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return lines


def fit(probe: Probe, x: Tensor, y: Tensor, passes: int) -> None:
    """Train on batches of 32, passes times over."""
    optimizer = torch.optim.Adam(probe.parameters(), lr=1e-3)
    for _ in range(passes):
        for batch in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            F.cross_entropy(probe(x[batch]), y[batch]).backward()
            optimizer.step()


def probe_accuracy(
    sets: Sequence[dict[str, Examples]], dev: Examples, passes: int, features: dict[str, Tensor]
) -> dict[str, Tensor]:
    """Dev accuracy of a probe for each kind and seed."""

    def tensors(rows: Examples) -> tuple[Tensor, Tensor]:
        labels = torch.tensor([row["label"] for row in rows])
        return torch.stack([features[row["text"]] for row in rows]), labels

    dev_x, dev_y = tensors(dev)
    found: dict[str, Tensor] = {}
    for kind in tqdm(KINDS, desc=f"probes, {passes} passes"):
        values = []
        for seed, chosen in enumerate(sets):
            torch.manual_seed(seed)
            probe = Probe(dev_x.size(1), 32, 2)
            fit(probe, *tensors(chosen["twenty"] + chosen[kind]), passes)
            values.append((probe(dev_x).argmax(1) == dev_y).float().mean())
        found[kind] = torch.stack(values)
    return found


def fine_tuned(encoder: Any, tokenizer: Any, rows: Examples, dev: Examples, updates: int) -> float:
    """Dev accuracy after fine-tuning all of the encoder, a linear head on top, batches of 8."""
    model = AutoModelForSequenceClassification.from_config(encoder.config)
    model.base_model.load_state_dict(encoder.state_dict(), strict=False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def loss_of(batch: Examples) -> tuple[Tensor, Tensor]:
        inputs = tokenizer([r["text"] for r in batch], padding=True, return_tensors="pt")
        inputs.pop("token_type_ids", None)
        logits, labels = model(**inputs).logits, torch.tensor([r["label"] for r in batch])
        return F.cross_entropy(logits, labels), (logits.argmax(1) == labels).sum()

    queue: list[int] = []
    model.train()
    for _ in range(updates):
        queue = queue if len(queue) >= 8 else torch.randperm(len(rows)).tolist()
        batch, queue = [rows[i] for i in queue[:8]], queue[8:]
        optimizer.zero_grad()
        loss_of(batch)[0].backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        right = sum(int(loss_of(dev[i : i + 32])[1]) for i in range(0, len(dev), 32))
    return right / len(dev)


def fine_tuning(sets: Any, dev: Examples, loaded: Any, seeds: int, updates: int) -> list[str]:
    """The table of fine-tuning with one number of updates for every kind."""
    found: dict[str, Tensor] = {}
    encoder, tokenizer = loaded
    for kind in SMALL:
        values = []
        for seed in tqdm(range(seeds), desc=f"fine-tuning: {kind}"):
            torch.manual_seed(seed)
            rows = sets[seed]["twenty"] + sets[seed][kind]
            values.append(fine_tuned(encoder, tokenizer, rows, dev, updates))
        found[kind] = torch.tensor(values)
    return table(found, seeds)


def losses(sets: Sequence[dict[str, Examples]], features: dict[str, Tensor]) -> str:
    """What the round trips kept and lost."""
    pairs, echoes = [], 0
    for chosen in sets:
        texts = {str(row["id"]): row["text"] for row in chosen["twenty"]}
        new = {row["id"].removesuffix("-pt"): row["text"] for row in chosen["paraphrases"]}
        echoes += len(texts) - len(new)
        pairs += [(texts[i], text) for i, text in new.items()]
    old, back = (torch.stack([features[pair[k]] for pair in pairs]) for k in (0, 1))
    cosine = torch.cosine_similarity(old, back)
    more = sum(nots(b) > nots(a) for a, b in pairs) / len(pairs)
    fewer = sum(nots(b) < nots(a) for a, b in pairs) / len(pairs)
    return (
        f"{len(pairs) + echoes} round trips: {echoes} echoes dropped; a *not* gained in {more:.1%} "
        f"and lost in {fewer:.1%} of the rest; cosine with the original {cosine.mean():.2f} on "
        f"average, below 0.8 in {(cosine < 0.8).float().mean():.0%}."
    )


def main(argv: list[str] | None = None) -> None:
    """Print the tables in Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--draws", type=int, default=40, help="sets of twenty; the lesson has 4")
    parser.add_argument("--passes", type=int, nargs="+", default=[5, 100], help="over the texts")
    parser.add_argument("--fine-tune", action="store_true", help="also fine-tune, 4 seeds, minutes")
    parser.add_argument("--updates", type=int, default=60, help="of each fine-tuning")
    options = parser.parse_args(argv)
    if options.draws < 4:
        parser.error("--draws must be 4 or more: the table has a part for four seeds")
    torch.set_num_threads(1)
    splits = {name: data.load("sentiment", name) for name in ("train", "dev")}
    rows, dev = ([{**row, "id": i} for i, row in enumerate(s)] for s in splits.values())
    sets = training_sets(rows, options.draws, models.load("translator", quiet=True))
    loaded: tuple[Any, Any] = models.load("encoder", quiet=True)
    encoder, tokenizer = loaded
    texts = {row["text"] for chosen in sets for part in chosen.values() for row in part}
    texts |= {row["text"] for row in dev}
    features = encoded(sorted(texts), lambda t: extract_features(encoder, tokenizer, t, mean_pool))
    print(losses(sets, features))
    for passes in options.passes:
        print(f"\nProbe on frozen features, {passes} passes:\n")
        print("\n".join(table(probe_accuracy(sets, dev, passes, features), 4)))
    if options.fine_tune:
        print(f"\nAll of MiniLM fine-tuned, {options.updates} updates of 8 for every kind:\n")
        print("\n".join(fine_tuning(sets, dev[:400], loaded, 4, options.updates)))


def encoded(texts: list[str], encode: Callable[[list[str]], Tensor]) -> dict[str, Tensor]:
    """The features of each text, in parts so that a bar can move."""
    found: dict[str, Tensor] = {}
    for start in tqdm(range(0, len(texts), 128), desc="features"):
        part = texts[start : start + 128]
        found |= dict(zip(part, encode(part), strict=True))
    return found


if __name__ == "__main__":
    main()

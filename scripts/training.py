"""What the two training scripts share: texts, schedule, safe checkpoints, options."""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT / "course" / "assets"
CORPUS = Path.home() / ".cache" / "transformers-by-hand" / "corpus"


def read_rows(path: Path) -> list[dict]:
    if not path.exists():
        raise SystemExit(f"{path} is missing: run python scripts/build_texts.py first")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def tales(split: str) -> list[str]:
    return [row["text"] for row in read_rows(ASSETS / "tales.jsonl.gz") if row["split"] == split]


def prose(corpus: Path) -> list[str]:
    return [row["text"] for row in read_rows(corpus / "prose.jsonl.gz")]


@dataclass
class Schedule:
    """Learning rate as a function of progress: linear warm-up, then cosine to zero.

    Progress is the larger of steps done / `steps` and minutes spent / `minutes`, so that a run on a
    busy machine still ends with a learning rate of zero. `spent` seconds survive a restart.
    """

    steps: int
    minutes: float
    peak: float
    warm_up: float = 0.03
    spent: float = 0.0

    def __post_init__(self) -> None:
        self.started = time.monotonic() - self.spent

    def elapsed(self) -> float:
        return time.monotonic() - self.started

    def progress(self, step: int) -> float:
        return min(1.0, max(step / self.steps, self.elapsed() / (60 * self.minutes)))

    def rate(self, step: int) -> float:
        progress = self.progress(step)
        if progress < self.warm_up:
            return self.peak * max(progress, 1e-4) / self.warm_up
        done = (progress - self.warm_up) / (1 - self.warm_up)
        return self.peak * 0.5 * (1 + math.cos(math.pi * done))


def save_atomically(state: dict, path: Path) -> None:
    """Write beside `path`, then rename: a killed run leaves the former checkpoint whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    torch.save(state, beside)
    beside.replace(path)


def export(model: Any, tokenizer: Any, folder: Path) -> None:
    """Save as float16 safetensors that load as float32, each file renamed into place."""
    staging = folder.parent / f".{folder.name}.{os.getpid()}"
    model.half().save_pretrained(staging)
    tokenizer.save_pretrained(staging)
    config = json.loads((staging / "config.json").read_text())
    config["dtype"] = "float32"  # transformers 5 would otherwise compute in float16
    (staging / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    folder.mkdir(parents=True, exist_ok=True)
    for file in staging.iterdir():
        file.chmod(0o644)
        file.replace(folder / file.name)
    staging.rmdir()


def fit(
    options: argparse.Namespace,
    name: str,
    model: Any,
    optimizer: torch.optim.Optimizer,
    update: Callable[[int, float], float],
    finish: Callable[[dict[str, Any]], None],
) -> None:
    """Train until the schedule ends, from the last checkpoint; save every ten minutes.

    `update(step, progress)` makes one step and returns its loss; `finish(state)` measures and
    exports, with `state` the steps done and minutes spent.
    """
    checkpoint = options.work / f"{name}.pt"
    step, spent = 0, 0.0
    if checkpoint.exists() and not options.fresh:
        state = torch.load(checkpoint, map_location=model.device)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["spent"]
    schedule = Schedule(options.steps, options.minutes, options.learning_rate, spent=spent)
    saved, average = schedule.elapsed(), None
    bar = tqdm(total=1.0, initial=schedule.progress(step), bar_format="{l_bar}{bar}{postfix}")

    def save() -> None:
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
        save_atomically(state | {"step": step, "spent": schedule.elapsed()}, checkpoint)
        finish({"step": step, "minutes": round(schedule.elapsed() / 60, 1)})

    while (progress := schedule.progress(step)) < 1.0:
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(step)
        loss = update(step, progress)
        step += 1
        average = loss if average is None else 0.99 * average + 0.01 * loss
        bar.update(progress - bar.n)
        if step % 20 == 0:
            bar.set_postfix_str(f"step {step} loss {average:.3f} {schedule.elapsed():.0f} s")
        if schedule.elapsed() - saved > 600:
            saved = schedule.elapsed()
            save()
    save()


def adamw(model: Any, weight_decay: float, betas: tuple[float, float]) -> torch.optim.AdamW:
    """AdamW that decays matrices and leaves biases and norms alone; `fit` sets its rate."""
    matrices = [weight for weight in model.parameters() if weight.dim() > 1]
    vectors = [weight for weight in model.parameters() if weight.dim() < 2]
    groups = [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, betas=betas, fused=True)


def record(figures: dict[str, Any], folder: Path) -> None:
    print("\n" + json.dumps(figures), flush=True)
    (folder / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")


def device_of(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def options(description: str, **defaults: Any) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--steps", type=int, default=defaults["steps"])
    parser.add_argument("--minutes", type=float, default=defaults["minutes"], help="time budget")
    parser.add_argument("--learning-rate", type=float, default=defaults["learning_rate"])
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--work", type=Path, default=CORPUS.parent / "training", help="checkpoints")
    parser.add_argument("--out", type=Path, default=defaults["out"], help="the finished model")
    parser.add_argument("--fresh", action="store_true", help="ignore an earlier checkpoint")
    return parser


def reuse_memory() -> None:
    """Restart once with malloc told to keep freed blocks: fresh pages cost a fifth of a step."""
    if sys.platform == "linux" and "MALLOC_MMAP_MAX_" not in os.environ:
        os.environ |= {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 33)}
        os.execv(sys.executable, [sys.executable, *sys.argv])

"""Print the figures and samples of docs/models.md: what each model does, its load time and memory.

python scripts/measure_models.py
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import torch
import training

from course import models

INFILLS = [
    "The cat drinks [MASK].",
    "Once upon a [MASK] there was a king who had three daughters.",
    "The little mermaid lived at the bottom of the [MASK].",
    "In winter the [MASK] fell and covered the roofs.",
    "The sun shone and the birds [MASK] in the trees.",
    "She opened the [MASK] and looked out into the street.",
    "The old [MASK] sat by the fire and told stories.",
    "The [MASK] rode through the forest on a white horse.",
    "They were so [MASK] that they danced all night.",
    "He put the money in his [MASK] and went home.",
]
PROMPT = "The old king had three daughters, and the youngest"
ROUND_TRIPS = [
    "The film is slow, but the ending is beautiful.",
    "I would not watch this again.",
    "The actors are wonderful and the music is even better.",
    "A dull story with one good joke.",
    "She gave the little boy an apple and a warm coat.",
]
PROBE = """
import json, resource, sys, time
start = time.perf_counter()
import torch, transformers
torch.set_num_threads(2)
imported, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
from course import models
found = models.load(sys.argv[1], quiet=True)
if sys.argv[1] == "translator":
    found("A cat.", "en", "pt"), found("Um gato.", "pt", "en")
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([time.perf_counter() - imported, (after - before) / 1024]))
"""


def loading(role: str) -> str:
    """Seconds and MB to load a role in a fresh process, torch and transformers not counted."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, role], capture_output=True, text=True, check=True
    )
    seconds, memory = json.loads(done.stdout.splitlines()[-1])
    return f"| {role} | {seconds:.1f} s | {memory:.0f} MB |"


@torch.no_grad()
def infill(model: Any, tokenizer: Any, text: str) -> str:
    inputs = tokenizer(text, return_tensors="pt")
    logits = model(**inputs).logits[inputs.input_ids == tokenizer.mask_token_id]
    best = logits[0].softmax(-1).topk(3)
    words = tokenizer.convert_ids_to_tokens(best.indices.tolist())
    pairs = zip(words, best.values.tolist(), strict=True)
    return f"| {text} | {', '.join(f'{word} {value:.2f}' for word, value in pairs)} |"


def continuations(role: str) -> list[str]:
    """Greedy, sampled (top-k 50, seed 42) and beam-4 continuations of the prompt."""
    model, tokenizer = models.load(role, quiet=True)
    inputs = tokenizer(PROMPT, return_tensors="pt")
    ways: dict[str, dict[str, Any]] = {
        "greedy": {"do_sample": False},
        "sampled": {"do_sample": True, "top_k": 50},
        "beam 4": {"do_sample": False, "num_beams": 4},
    }
    rows = []
    for name, way in ways.items():
        torch.manual_seed(42)
        output = model.generate(**inputs, max_new_tokens=32, **way)
        text = tokenizer.decode(output[0][inputs.input_ids.shape[1] :], skip_special_tokens=True)
        rows.append(f"| {role} | {name} | …{' '.join(text.split())} |")
    return rows


def round_trip(translate: Any, text: str) -> str:
    there = translate(text, "en", "pt")
    return f"| {text} | {there} | {translate(there, 'pt', 'en')} |"


@torch.no_grad()
def smollm_bits(texts: list[str]) -> float:
    """Bits a character of SmolLM2 on texts, windows of 1,024 tokens."""
    model, tokenizer = models.load("causal_lm", quiet=True)
    bits = 0.0
    for text in texts:
        ids = tokenizer(text, return_tensors="pt").input_ids[0]
        for window in ids.split(1024):
            loss = model(window[None], labels=window[None]).loss if len(window) > 1 else None
            bits += 0.0 if loss is None else loss.item() * (len(window) - 1) / 0.6931472
    return bits / sum(map(len, texts))


def main() -> None:
    print("\n".join(["## Loading", *(loading(role) for role in models.ROLES)]))
    model, tokenizer = models.load("masked_lm", quiet=True)
    print("\n".join(["## Infills", *(infill(model, tokenizer, text) for text in INFILLS)]))
    for role in ("causal_lm", "small_gpt2"):
        print("\n".join([f"## {role}: {PROMPT}", *continuations(role)]))
    translate = models.load("translator", quiet=True)
    print("\n".join(["## Round trips", *(round_trip(translate, text) for text in ROUND_TRIPS)]))
    excerpts = [text[:4000] for text in training.tales("test")]
    print(f"SmolLM2, bits a character on the test tales: {smollm_bits(excerpts):.3f}")


if __name__ == "__main__":
    main()

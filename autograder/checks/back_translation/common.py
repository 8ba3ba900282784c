"""The suite of hidden checks and its names. Nothing here is left to chance but the inputs."""

from __future__ import annotations

from course.checks.base import Suite

suite = Suite("back_translation", hidden=True)
BACK, AUGMENT = "back_translate", "augment"
HINT = "translate is called as translate(text, source, target), with languages such as 'en'."

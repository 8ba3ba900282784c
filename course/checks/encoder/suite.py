"""The suite that the modules of this package fill, and the names that a student writes."""

from __future__ import annotations

from course.checks.base import Suite

suite = Suite("encoder")
TABLE, ENCODING = "sinusoidal_positions", "PositionalEncoding"
BLOCK, BERT = "EncoderBlock", "Bert"
MODULE = "Subclass nn.Module, and call super().__init__() first."

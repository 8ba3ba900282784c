"""The hidden suite that the modules of this package fill."""

from __future__ import annotations

from course.checks.base import Suite

suite = Suite("encoder", hidden=True)

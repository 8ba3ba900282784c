"""The suite that the modules of this package fill."""

from course.checks.base import Suite

suite = Suite("objectives", hidden=True)

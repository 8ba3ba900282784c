"""The suite of hidden checks. None depends on chance: each compares with an exact oracle."""

from course.checks.base import Suite

suite = Suite("finetuning", hidden=True)

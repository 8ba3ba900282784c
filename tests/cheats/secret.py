"""The hidden checks of the cheat suite, with a word that no student may ever print."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from course.checks.base import Draw, Suite, expect

TOKEN = "canary-" + secrets.token_hex(16)
hidden = Suite("cheats", hidden=True)


@hidden.check(about="double", points=2)
def doubles_any_number(double: Callable[[int], int], draw: Draw) -> None:
    """It returns twice its argument."""
    for _ in range(5):
        number = draw.integer(10, 10_000)
        expect(double(number) == 2 * number, "the double is another number")


@hidden.check(about="double", points=1)
def doubles_zero(double: Callable[[int], int], draw: Draw) -> None:
    """Twice a number, less that number, is the number."""
    number = draw.integer(10, 10_000)
    expect(abs(double(number) - 2 * number) < 1e-6, "the double is not near the right number")

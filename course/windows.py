"""The part of a long text that is shown, or that a model reads."""

from __future__ import annotations

READ = "the model read"  # what a notice says of a part that was chosen before a model ran


def window(length: int, start: int, most: int) -> slice:
    """The part of an axis that is shown: all of it, or ``most`` places from ``start`` on."""
    first = max(0, min(start, length - most))
    return slice(first, min(length, first + most))


def window_of(
    length: int, start: int, most: int, more: str = "", done: str = "shown are"
) -> tuple[slice, str]:
    """The part of a text that is shown, and what to say about it: nothing where all of it is.

    Raises ValueError for a start beyond a text that does not fit.
    """
    if length <= most:
        return slice(0, length), ""
    if not 0 <= start < length:
        raise ValueError(f"start must be 0 to {length - 1}, not {start}")
    part = window(length, start, most)
    said = f"{length} tokens: {done} {part.start} to {part.stop - 1}; start=... chooses another"
    return part, f"{said} window.{' ' * bool(more)}{more}"

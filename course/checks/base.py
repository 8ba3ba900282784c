"""Run checks, one small function a misconception, and say what went wrong.

A check receives the student's object and a source of random inputs, and calls ``expect`` with a
message that names the mistake and the way out. It never looks at source text.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

MAX_MESSAGE = 2000  # characters: a message may quote what the student's code returned


class CheckFailed(AssertionError):
    """The student's answer is wrong in the way that the message says."""


def expect(condition: Any, message: str) -> None:
    """Fail the running check with ``message`` unless ``condition`` is true."""
    if not bool(condition):
        raise CheckFailed(message)


_suspicions: ContextVar[list[str] | None] = ContextVar("suspicions", default=None)


def suspect(condition: Any, message: str) -> None:
    """Fail the running check at its end unless ``condition`` is true, or it fails before.

    For answers that say nothing, of which almost anything holds: what the check itself finds wrong
    tells more.
    """
    found = _suspicions.get()
    if found is None:
        expect(condition, message)
    elif not bool(condition):
        found.append(message)


@dataclass(frozen=True)
class Result:
    """What one check found; ``message`` is None when it passed. ``about`` is a student's name."""

    name: str
    about: str
    hidden: bool
    points: float
    max_points: float
    message: str | None
    title: str

    @property
    def passed(self) -> bool:
        return self.message is None


@dataclass(frozen=True)
class Check:
    """One registered check function with its points."""

    name: str
    about: str
    points: float
    hidden: bool
    hint: str
    function: Callable[..., None]

    @property
    def title(self) -> str:
        return (self.function.__doc__ or self.name.replace("_", " ")).strip().splitlines()[0]


class Draw:
    """Random inputs for one check, drawn from the grader's seed and the check's name."""

    def __init__(self, seed: int, *salt: str) -> None:
        digest = hashlib.sha256("\0".join([str(seed), *salt]).encode()).digest()
        self.generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))

    def normal(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Independent standard normal numbers of the given shape."""
        return torch.randn(*shape, generator=self.generator, dtype=torch.float64).to(dtype)

    def uniform(self, low: float, high: float) -> float:
        """One float from [low, high)."""
        return low + (high - low) * float(torch.rand((), generator=self.generator))

    def integer(self, low: int, high: int) -> int:
        """One int from low to high, both included."""
        return int(torch.randint(low, high + 1, (), generator=self.generator))

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """int64 numbers from low to high, both included, of the given shape."""
        return torch.randint(low, high + 1, shape, generator=self.generator)

    def boolean(self, *shape: int, probability: float = 0.5) -> Tensor:
        """Booleans of the given shape, each True with the given probability."""
        return torch.rand(*shape, generator=self.generator) < probability

    def permutation(self, length: int) -> Tensor:
        """The numbers 0 to length-1 in random order, int64."""
        return torch.randperm(length, generator=self.generator)

    def choice(self, options: Sequence[Any]) -> Any:
        """One of the options."""
        return options[self.integer(0, len(options) - 1)]


_seed: ContextVar[int] = ContextVar("seed", default=0)
_collector: ContextVar[list[Result] | None] = ContextVar("collector", default=None)


def current_seed() -> int:
    """The seed in force: 0 in a student's notebook, the instructor's secret when grading."""
    return _seed.get()


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw all inputs of checks from ``seed`` while the block runs."""
    token = _seed.set(seed)
    try:
        yield
    finally:
        _seed.reset(token)


@contextlib.contextmanager
def collect() -> Iterator[list[Result]]:
    """Gather the results of every check that runs in the block, and print nothing."""
    results: list[Result] = []
    token = _collector.set(results)
    try:
        yield results
    finally:
        _collector.reset(token)


class Suite:
    """The checks of one exercise, in order; ``hidden`` ones are the instructor's alone."""

    def __init__(self, word: str, hidden: bool = False) -> None:
        self.word = word
        self.hidden = hidden
        self.checks: list[Check] = []

    def check(self, about: str, points: float = 1, hint: str = "") -> Callable[..., Any]:
        """Register a check of the student's object ``about``.

        The function takes the object and a ``Draw``; further parameters are filled by name from
        the keyword arguments of ``score``. ``hint`` is added when the student's code raises.
        """

        def register(function: Callable[..., None]) -> Callable[..., None]:
            name = function.__name__
            if any(check.name == name for check in self.checks):
                raise ValueError(f"{self.word} has two checks named {name!r}")
            self.checks.append(Check(name, about, float(points), self.hidden, hint, function))
            return function

        return register

    def points(self, about: str | None = None) -> float:
        """The points to be had, for one name or for all."""
        return sum(check.points for check in self.checks if about in (None, check.about))

    def score(self, about: str, student: Any, **others: Any) -> float:
        """Run the checks of ``about`` on the student's object; print a report, return the points.

        Raises ValueError when the suite has no check of that name.
        """
        chosen = [check for check in self.checks if check.about == about]
        if not chosen:
            known = ", ".join(dict.fromkeys(check.about for check in self.checks))
            raise ValueError(f"no check is about {about!r}; this suite checks {known}")
        results = [self._run(check, student, others) for check in chosen]
        collector = _collector.get()
        if collector is None:
            print(report(results))
        else:
            collector.extend(results)
        return float(sum(result.points for result in results))

    def _run(self, check: Check, student: Any, others: dict[str, Any]) -> Result:
        draw = Draw(current_seed(), self.word, check.name)
        wanted = list(inspect.signature(check.function).parameters)[2:]
        message: str | None = None
        suspicions: list[str] = []
        token = _suspicions.set(suspicions)
        try:
            check.function(student, draw, **{name: others[name] for name in wanted})
            message = suspicions[0] if suspicions else None
        except CheckFailed as failure:
            message = str(failure)[:MAX_MESSAGE]
        except (Exception, SystemExit) as error:
            message = explain(error, check)
        finally:
            _suspicions.reset(token)
        points = check.points if message is None else 0.0
        return Result(
            check.name, check.about, check.hidden, points, check.points, message, check.title
        )


def explain(error: BaseException, check: Check) -> str:
    """Words for an exception that escaped while a check ran the student's code."""
    if isinstance(error, NotImplementedError):
        return (
            f"{check.about} is not written yet: replace `raise NotImplementedError()` by your code."
        )
    text = " ".join(str(error).split())[:300]
    said = f"{check.about} stopped with {type(error).__name__}" + (f": {text}" if text else "")
    return f"{said.rstrip('.')}." + (f" {check.hint}" if check.hint else "")


def report(results: Sequence[Result]) -> str:
    """A plain-text report of some checks, failed ones with their message."""
    got = sum(result.points for result in results)
    most = sum(result.max_points for result in results)
    kind = "hidden checks" if results[0].hidden else "visible checks"
    lines = [f"{results[0].about}: {got:g} of {most:g} points from {kind}"]
    for result in results:
        mark = "pass" if result.passed else "FAIL"
        lines.append(f"  {mark}  {result.title} ({result.points:g}/{result.max_points:g})")
        if result.message is not None:
            lines.append(f"        {result.message}")
    if not results[0].hidden and got == most:
        lines.append("  All visible checks pass. Hidden checks remain: they run when you hand in.")
    return "\n".join(lines)


def as_tensor(value: Any, what: str, shape: Sequence[int] | None = None) -> Tensor:
    """``value`` as a tensor, of ``shape`` if one is given; fails the check in words otherwise."""
    expect(
        isinstance(value, Tensor), f"{what} must be a tensor, but it is a {type(value).__name__}."
    )
    if shape is not None:
        expect(
            tuple(value.shape) == tuple(shape),
            f"{what} must have shape {tuple(shape)}, but it has {tuple(value.shape)}.",
        )
    return value.detach()


def as_pair(value: Any, what: str) -> tuple[Any, Any]:
    """``value`` as a pair; fails the check in words when it is anything else."""
    expect(
        isinstance(value, (tuple, list)) and len(value) == 2,
        f"{what} must be a pair, but it is a {type(value).__name__}"
        + (f" of {len(value)}." if isinstance(value, (tuple, list)) else "."),
    )
    return value[0], value[1]


def largest_difference(actual: Tensor, expected: Tensor) -> float:
    """The largest absolute difference of two tensors of one shape; inf where NaN is involved."""
    if actual.numel() == 0:
        return 0.0
    difference = (actual.detach().double() - expected.detach().double()).abs()
    # Infinities of the same sign agree; any NaN is as wrong as can be.
    difference = torch.where(actual.double() == expected.double(), 0.0, difference)
    return float(difference.nan_to_num(nan=float("inf")).max())


def close(actual: Tensor, expected: Tensor, tolerance: float = 1e-4) -> bool:
    """Whether two tensors agree in shape and to ``tolerance`` × max(1, |expected|)."""
    if actual.shape != expected.shape:
        return False
    scale = expected.detach().double().abs().nan_to_num(posinf=1.0, neginf=1.0).clamp(min=1.0)
    return largest_difference(actual.double() / scale, expected.double() / scale) <= tolerance

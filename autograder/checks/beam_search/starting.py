"""Hidden checks of init_beams."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.checks.beam_search.common import INIT, suite
from course.checks import live
from course.checks.base import Draw, as_pair, as_tensor, expect


def parts(student: Any, prompt: Tensor, beams: int) -> tuple[Tensor, Tensor]:
    """ids and scores of init_beams."""
    ids, scores = as_pair(student(prompt.clone(), beams), "The result of init_beams")
    return as_tensor(ids, "ids"), as_tensor(scores, "scores")


@suite.check(INIT)
def any_width_and_length(student: Any, draw: Draw) -> None:
    """Prompts of any length and any number of beams, one too, are served."""
    for length, beams in ((1, 1), (1, 4), (6, 1), (2, 7)):
        prompt = draw.integers(0, 90, 1, length)
        ids, scores = parts(student, prompt, beams)
        expect(
            ids.shape == (beams, length) and torch.equal(ids, prompt.expand(beams, length)),
            f"For a prompt of {length} tokens and {beams} beams ids have the shape "
            f"{tuple(ids.shape)} or hold other tokens.",
        )
        expect(
            scores.numel() == beams and float(scores.flatten()[0]) == 0.0,
            f"For {beams} beams there are {scores.numel()} scores, the first one "
            f"{scores.flatten()[:1].tolist()}; it must be 0.",
        )


@suite.check(INIT)
def types_fit(student: Any, draw: Draw) -> None:
    """ids are int64, scores floating point."""
    ids, scores = parts(student, draw.integers(1, 90, 1, 4), 3)
    expect(ids.dtype == torch.int64, f"ids are {ids.dtype}: token numbers are int64.")
    expect(ids.any(), "ids hold nothing but zeros: each beam begins with the prompt.")
    expect(
        scores.is_floating_point(),
        f"scores are {scores.dtype}: log-probabilities are added to them, so make them floating "
        "point.",
    )


@suite.check(INIT)
def prompt_stays_as_it_is(student: Any, draw: Draw) -> None:
    """The prompt is not changed, and one call does not depend on another."""
    first, second = draw.integers(0, 90, 1, 4), draw.integers(0, 90, 1, 4)
    _, args, _ = live.call_and_keep(student, [first.clone(), 3], {})
    expect(torch.equal(args[0], first), "The prompt itself was changed.")
    ids, scores = parts(student, second, 3)
    expect(
        torch.equal(ids, second.expand(3, 4)) and float(scores.flatten()[0]) == 0.0,
        "A second call does not give its own prompt with fresh scores: keep nothing between calls.",
    )

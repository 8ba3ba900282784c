"""Visible checks of init_beams."""

from __future__ import annotations

from typing import Any

import torch

from course.checks.base import Draw, as_pair, as_tensor, expect
from course.checks.beam_search.common import INIT, suite


@suite.check(INIT)
def beams_are_copies_of_the_prompt(student: Any, draw: Draw) -> None:
    """ids are (num_beams, length): one copy of the prompt a beam."""
    prompt = draw.integers(0, 90, 1, 5)
    ids = as_tensor(as_pair(student(prompt.clone(), 3), "The result of init_beams")[0], "ids")
    expect(
        tuple(ids.shape) == (3, 5),
        f"A prompt of 5 tokens and 3 beams give ids of shape {tuple(ids.shape)}, not (3, 5): "
        "repeat along the batch axis.",
    )
    expect(torch.equal(ids, prompt.expand(3, 5)), "A beam does not hold the prompt as it is.")


@suite.check(INIT, points=2)
def only_the_first_beam_counts(student: Any, draw: Draw) -> None:
    """The first beam's score is 0, that of all others -1e9."""
    beams = draw.integer(3, 6)
    result = as_pair(student(draw.integers(0, 90, 1, 4), beams), "The result of init_beams")
    scores = as_tensor(result[1], "scores")
    expect(
        tuple(scores.shape) == (beams,),
        f"For {beams} beams the scores have the shape {tuple(scores.shape)}, not ({beams},): one "
        "number a beam.",
    )
    expect(
        not (scores == 0).all(),
        "All beams score 0. They are copies of one prompt: the first round would keep the same "
        "token once for every beam.",
    )
    expect(float(scores[0]) == 0.0, f"The first beam scores {float(scores[0]):g}, not 0.")
    expect(
        bool((scores[1:].double() == -1e9).all()),
        f"The other beams score {float(scores[1]):g}, not -1e9: low enough never to win, and "
        "finite, so that no NaN can arise.",
    )

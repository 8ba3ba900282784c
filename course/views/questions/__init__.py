"""Questions that only playing with a view answers, each with its check.

    check_play("attention", "previous word", view)

Each module holds the questions of one lesson. A question is a function of the view: it looks at the
state that the player left, or at what that state shows, and returns a hint, or nothing when the
player is there; its docstring is what the player then reads. No answer is a number in the notebook:
each is computed from what the view shows.
"""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Callable
from typing import Any

Question = Callable[[Any], str]
_QUESTIONS: dict[str, dict[str, Question]] = {}


def question(name: str) -> Callable[[Question], Question]:
    """Register a question of the lesson that its module is named after."""

    def register(asked: Question) -> Question:
        word = asked.__module__.rsplit(".", 1)[-1]
        _QUESTIONS.setdefault(word, {})[name] = asked
        return asked

    return register


def questions(word: str) -> dict[str, Question]:
    """The questions of a lesson by name; raises ValueError for a lesson without any."""
    try:
        importlib.import_module(f"{__name__}.{word}")
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{word}":
            raise
        raise ValueError(f"lesson {word!r} has no questions to play with") from None
    return dict(_QUESTIONS[word])


def check_play(word: str, name: str, view: Any) -> None:
    """Say whether the state of a view answers a question, and if not, which way to go."""
    known = questions(word)
    if name not in known:
        raise ValueError(f"no question {name!r} in lesson {word!r}: there are {list(known)}")
    hint = known[name](view)
    said = f"Not yet. {hint}" if hint else f"Yes. {known[name].__doc__ or ''}"
    print(textwrap.fill(" ".join(said.split()), 88))

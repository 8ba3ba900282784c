"""Visible checks of tune_last_layers, on a tiny BERT."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from course.checks import live
from course.checks import pooling_toys as toys
from course.checks.base import Draw, expect
from course.checks.pooling.common import TUNE, suite


def of_layers(names: Sequence[str], layers: Sequence[int]) -> set[str]:
    """The parameters that belong to the layers of these numbers."""
    numbers = "|".join(str(layer) for layer in layers)
    return {name for name in names if re.search(rf"(^|\.)(layer|h|layers)\.({numbers})\.", name)}


def look(student: Any, family: str, n: int, **options: Any) -> dict[str, Any]:
    """What tune_last_layers does to a tiny model of three layers."""
    return toys.chosen(student, live.make(student, f"{toys.HERE}:tiny", family, **options), n)


def expect_trainable(found: dict[str, Any], last: Sequence[int], what: str) -> None:
    """Fail unless exactly the parameters of those layers require a gradient."""
    due, trainable = of_layers(found["all"], last), set(found["trainable"])
    expect(trainable != set(found["all"]), f"{what}: nothing is frozen.")
    extra, missing = sorted(trainable - due), sorted(due - trainable)
    expect(
        not extra,
        f"{what}: {extra[:1]} is still trainable; freeze all but the last layers, embeddings, "
        "final norm, pooler and head too.",
    )
    expect(
        not missing,
        f"{what}: {missing[:1]} belongs to the last layers but is frozen: set requires_grad to "
        "True for all of their parameters.",
    )


def expect_returned(found: dict[str, Any], last: Sequence[int], what: str) -> None:
    """Fail unless exactly the parameters of those layers are returned, each once."""
    due, returned = of_layers(found["all"], last), found["returned"]
    strange = [name for name in returned if name not in found["all"]]
    expect(
        not strange,
        f"{what}: the result holds {strange[:1]}, which is no parameter of the model: return the "
        "parameters themselves, no names, pairs or copies.",
    )
    extra, missing = sorted(set(returned) - due), sorted(due - set(returned))
    expect(not extra, f"{what}: {extra[:1]} is returned, but it is not of the last layers.")
    expect(not missing, f"{what}: {missing[:1]} is of the last layers, but not returned.")
    expect(len(returned) == len(due), f"{what}: a parameter is returned twice.")


@suite.check(TUNE, points=2)
def all_but_the_last_layers_is_frozen(student: Any, draw: Draw) -> None:
    """In a BERT, only the parameters of the last n layers require a gradient"""
    for n in (1, 2):
        found = look(student, "bert", n)
        expect_trainable(found, range(3 - n, 3), f"BERT with 3 layers, n = {n}")


@suite.check(TUNE, points=2)
def parameters_to_train_are_returned(student: Any, draw: Draw) -> None:
    """It returns the parameters of the last n layers, ready for an optimizer"""
    for n in (1, 2):
        found = look(student, "bert", n)
        expect_returned(found, range(3 - n, 3), f"BERT with 3 layers, n = {n}")

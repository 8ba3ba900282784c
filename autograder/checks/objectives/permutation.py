"""Hidden checks of ``permutation_mask``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from autograder.checks.objectives.base import suite
from course.checks.base import Draw, as_tensor, expect
from course.checks.live import call_and_keep
from course.checks.objectives_toys import mask_for


def oracle(order: Sequence[int]) -> Tensor:
    """Brute force: walk through the order and let each position see all that came so far."""
    mask = torch.zeros(len(order), len(order), dtype=torch.bool)
    seen: list[int] = []
    for position in order:
        seen.append(position)
        for other in seen:
            mask[position, other] = True
    return mask


def as_ranks(order: Sequence[int]) -> Tensor:
    """The mask of one who takes order[i] for the turn of position i."""
    turn = torch.tensor(list(order))
    return turn.unsqueeze(1) >= turn.unsqueeze(0)


def mistake_in(mask: Tensor, order: Sequence[int]) -> str | None:
    """Words for the typical wrong mask that this one is, or None."""
    right, causal = oracle(order), torch.ones(len(order), len(order), dtype=torch.bool).tril()
    turn = torch.tensor(list(order))
    diagonal = torch.eye(len(order), dtype=torch.bool)
    rows, columns = torch.zeros_like(right), torch.zeros_like(right)
    rows[turn], columns[:, turn] = causal, causal
    inverse = "order lists positions, not turns: position order[0] is first. Invert it (argsort)."
    strict = "A position must see itself: the diagonal of the mask is False."
    named = [
        (causal, "The mask is causal whatever the order: rows and columns are positions, and "
         "`order` says which of them come first."),
        (right.T, "The mask is transposed: row i says what position i may look at."),
        (~right, "The mask is inverted: True means that a query may look at a key."),
        (right & ~diagonal, strict),
        (as_ranks(order), inverse),
        (as_ranks(order) & ~diagonal, strict),
        (as_ranks(order).T, "Early positions see late ones: compare turns the other way round, "
         "with the turns from argsort."),
        (rows, "Only the rows follow the order: the columns are positions too."),
        (columns, "Only the columns follow the order: the rows are positions too."),
    ]  # fmt: skip
    return next((words for wrong, words in named if torch.equal(mask, wrong)), None)


def agree(student: Any, order: Sequence[int]) -> None:
    """Fail the check unless the student's mask is the brute-force one."""
    expected, length = oracle(order), len(order)
    mask = as_tensor(mask_for(student, order, expected), "The mask", (length, length)).bool()
    if torch.equal(mask, expected):
        return
    words = mistake_in(mask, order)
    place = (mask != expected).nonzero()[0].tolist()
    verb = "must not look" if mask[tuple(place)] else "must be able to look"
    where = f"In the order {list(order)} position {place[0]} {verb} at position {place[1]}."
    expect(False, f"{where} {words}" if words else where)


def irregular(draw: Draw, length: int) -> list[int]:
    """A random order that is neither its own inverse nor the natural or the reverse one."""
    while True:
        order = draw.permutation(length)
        if not torch.equal(order, order.argsort()) and not torch.equal(
            length - 1 - order, (length - 1 - order).argsort()
        ):
            return order.tolist()


@suite.check("permutation_mask")
def every_position_sees_itself(student: Any, draw: Draw) -> None:
    """Every position may look at itself."""
    order = irregular(draw, 7)
    mask = as_tensor(mask_for(student, order, oracle(order)), "The mask", (7, 7)).bool()
    blind = (~mask.diagonal()).nonzero().flatten().tolist()
    expect(not blind, f"Position(s) {blind} cannot see themselves: the diagonal must be True.")


@suite.check("permutation_mask")
def the_first_sees_least(student: Any, draw: Draw) -> None:
    """Along the order each position sees exactly one more than the one before it."""
    order = irregular(draw, 6)
    mask = as_tensor(mask_for(student, order, oracle(order)), "The mask", (6, 6)).bool()
    counts = mask.sum(dim=1)[torch.tensor(order)].tolist()
    if counts == [6, 5, 4, 3, 2, 1]:
        expect(
            False, "The first in the order sees all and the last one: it is the other way round."
        )
    if counts == [0, 1, 2, 3, 4, 5]:
        expect(False, "The first in the order sees nothing: a position must see itself.")
    expect(
        counts == [1, 2, 3, 4, 5, 6],
        f"Along the order {order} the positions see {counts} keys; it must be 1, 2, 3, 4, 5, 6. "
        "order[0] is the position that comes first.",
    )


@suite.check("permutation_mask", points=2)
def the_mask_is_in_position_space(student: Any, draw: Draw) -> None:
    """Rows and columns are positions, and `order` is inverted rightly."""
    # A cycle of three is the shortest order that is not its own inverse.
    agree(student, [1, 2, 0])
    agree(student, [2, 0, 1])
    agree(student, irregular(draw, 8))


@suite.check("permutation_mask")
def the_reverse_order_sees_the_right(student: Any, draw: Draw) -> None:
    """In the reverse order each position sees itself and what stands to its right."""
    agree(student, [4, 3, 2, 1, 0])


@suite.check("permutation_mask", points=2)
def any_order_of_any_length(student: Any, draw: Draw) -> None:
    """The mask is right for random orders of many lengths, one position included."""
    for length in (1, 2, 3, 5, 11, 17):
        agree(student, draw.permutation(length).tolist())
    agree(student, [2, 0, 1])


@suite.check("permutation_mask")
def true_means_may_look(student: Any, draw: Draw) -> None:
    """The mask is boolean, and True where looking is allowed."""
    order = irregular(draw, 9)
    mask = as_tensor(mask_for(student, order, oracle(order)), "The mask", (9, 9))
    expect(
        mask.dtype == torch.bool,
        f"The mask's dtype is {mask.dtype}: return booleans, not 0 and 1 or 0 and -inf.",
    )
    # 45 of 81 entries are True in any order.
    expect(
        int(mask.sum()) != 36,
        "36 of 81 entries are True instead of 45: True means 'may look', and a position sees "
        "itself.",
    )


@suite.check("permutation_mask")
def the_order_is_not_changed(student: Any, draw: Draw) -> None:
    """`order` is not changed, and a second call gives the same mask."""
    order = irregular(draw, 6)
    first = mask_for(student, order, oracle(order))
    again = mask_for(student, order, oracle(order))
    expect(
        torch.equal(as_tensor(first, "The mask", (6, 6)), as_tensor(again, "The mask", (6, 6))),
        "Two calls with one order gave two masks: keep nothing between calls, draw nothing.",
    )
    for form in (torch.tensor(order), list(order)):
        try:
            _, args, _ = call_and_keep(student, [form], {})
        except Exception:  # only one of the two forms need be served
            continue
        kept = args[0].tolist() if isinstance(args[0], Tensor) else list(args[0])
        expect(kept == order, f"order {order} became {kept}: work on a copy.")

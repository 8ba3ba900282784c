"""Hidden checks of ``span_corruption``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autograder.checks.objectives.base import suite
from course.checks.base import Draw, expect
from course.checks.live import call_and_keep
from course.checks.objectives_toys import as_ids, corrupted, span_forms

Spans = Sequence[tuple[int, int]]


def oracle(ids: Sequence[int], spans: Spans, sentinels: Sequence[int]) -> tuple[list, list]:
    """Token by token: which span does it belong to, and is it that span's first?"""
    inputs, targets = [], []
    for position, token in enumerate(ids):
        inside = [k for k, (start, end) in enumerate(spans) if start <= position < end]
        if not inside:
            inputs.append(token)
            continue
        if spans[inside[0]][0] == position:
            inputs.append(sentinels[inside[0]])
            targets.append(sentinels[inside[0]])
        targets.append(token)
    return inputs, [*targets, sentinels[len(spans)]]


def run(student: Any, ids: Sequence[int], spans: Spans, sentinels: Sequence[int]) -> tuple:
    """The student's inputs and targets, then the right ones."""
    right = oracle(ids, spans, sentinels)
    return *corrupted(student, ids, spans, sentinels, right), *right


def agree(student: Any, ids: Sequence[int], spans: Spans, sentinels: Sequence[int]) -> None:
    """Fail the check unless inputs and targets are right; say which is wrong and how."""
    inputs, targets, right_inputs, right_targets = run(student, ids, spans, sentinels)
    case = f"ids {list(ids)}, spans {list(spans)}, sentinels {list(sentinels)}"
    if (targets, inputs) == (right_inputs, right_targets):
        expect(False, "Inputs and targets are swapped: return (inputs, targets).")
    expect(inputs == right_inputs, f"{case}: the inputs are {right_inputs}, not {inputs}.")
    expect(targets == right_targets, f"{case}: the targets are {right_targets}, not {targets}.")


def some_ids(draw: Draw, length: int) -> list[int]:
    """Token ids with repetitions and a zero among them."""
    return [*draw.integers(0, 9, length - 1).tolist(), 0]


@suite.check("span_corruption")
def one_sentinel_a_span_in_the_inputs(student: Any, draw: Draw) -> None:
    """A span of several tokens becomes one sentinel, and all other tokens stay in order."""
    ids, spans, sentinels = list(range(10, 22)), [(1, 4), (6, 10)], [70, 71, 72]
    inputs, _, right, _ = run(student, ids, spans, sentinels)
    used = [token for token in inputs if token in sentinels]
    expect(
        len(used) == 2,
        f"2 spans, but the inputs {inputs} hold {len(used)} sentinels: one a span, not one a "
        "token, and none at the end.",
    )
    rest = [token for token in inputs if token not in sentinels]
    expect(
        rest == [10, 14, 15, 20, 21],
        f"Outside the spans (1, 4) and (6, 10) stand [10, 14, 15, 20, 21]; yours keeps {rest}. "
        "The end of a span is excluded.",
    )
    expect(inputs == right, f"Each sentinel stands where its span stood: {right}, not {inputs}.")


@suite.check("span_corruption")
def targets_hold_the_spans(student: Any, draw: Draw) -> None:
    """The targets hold the tokens of the spans and no others."""
    ids, spans, sentinels = list(range(10, 22)), [(1, 4), (6, 10)], [70, 71, 72]
    _, targets, _, _ = run(student, ids, spans, sentinels)
    tokens = [token for token in targets if token not in sentinels]
    expect(
        tokens == [11, 12, 13, 16, 17, 18, 19],
        f"The spans hold [11, 12, 13] and [16, 17, 18, 19]; the tokens of your targets are "
        f"{tokens}. The end of a span is excluded.",
    )


@suite.check("span_corruption")
def each_span_is_announced(student: Any, draw: Draw) -> None:
    """In the targets each span follows its own sentinel, in the order of the spans."""
    ids, spans, sentinels = list(range(10, 22)), [(1, 4), (6, 10)], [70, 71, 72]
    _, targets, _, _ = run(student, ids, spans, sentinels)
    body = targets[:-1] if targets[-1:] and targets[-1] in sentinels else targets
    expect(
        body == [70, 11, 12, 13, 71, 16, 17, 18, 19],
        "Before the last sentinel the targets are [70, 11, 12, 13, 71, 16, 17, 18, 19]: a "
        f"sentinel, then what it replaced. Yours are {targets}.",
    )


@suite.check("span_corruption", points=2)
def targets_end_with_the_next_sentinel(student: Any, draw: Draw) -> None:
    """The targets end with the next unused sentinel, and nothing follows it."""
    ids, sentinels = list(range(10, 20)), [73, 40, 91, 55, 62]
    for spans in ([(2, 4)], [(0, 1), (5, 8)], [(1, 2), (3, 4), (8, 10)]):
        _, targets, _, _ = run(student, ids, spans, sentinels)
        last, wanted = (targets or [None])[-1], sentinels[len(spans)]
        if last == sentinels[-1]:
            expect(
                False, "The targets end with the last sentinel of the list, not the next unused."
            )
        if last == sentinels[len(spans) - 1]:
            expect(False, "The targets end with a sentinel that is in use: take the next one.")
        expect(
            last == wanted,
            f"After {len(spans)} span(s) the targets end with sentinel {wanted}, not {last}.",
        )


@suite.check("span_corruption")
def sentinels_are_taken_as_given(student: Any, draw: Draw) -> None:
    """The sentinels are those of `sentinel_ids`, in that order."""
    sentinels = [s + 50 for s in draw.permutation(9).tolist()][:4]
    ids, spans = list(range(10, 20)), [(1, 2), (4, 6), (8, 9)]
    inputs, targets, _, _ = run(student, ids, spans, sentinels)
    for what, sequence, count in (("inputs", inputs, 3), ("targets", targets, 4)):
        used = [token for token in sequence if token >= 50 or token < 10]
        expect(
            used[:3] == sentinels[:3] and used[:count] == sentinels[:count],
            f"sentinel_ids is {sentinels}, but the {what} hold {used}: take them one after "
            "the other from the list.",
        )


@suite.check("span_corruption")
def spans_at_both_ends(student: Any, draw: Draw) -> None:
    """A span may start at the first token, end with the last, or be the whole text."""
    ids = some_ids(draw, 7)
    for spans in ([(0, 2)], [(5, 7)], [(0, 1), (6, 7)], [(0, 7)]):
        agree(student, ids, spans, [90, 89, 88])


@suite.check("span_corruption")
def neighbouring_spans_stay_two(student: Any, draw: Draw) -> None:
    """Spans that touch each other stay two spans with two sentinels."""
    ids = some_ids(draw, 9)
    agree(student, ids, [(2, 4), (4, 7)], [90, 89, 88])
    agree(student, ids, [(0, 1), (1, 2), (2, 3)], [90, 89, 88, 87])


@suite.check("span_corruption")
def without_spans_nothing_happens(student: Any, draw: Draw) -> None:
    """Without spans the inputs are the ids, and the targets the first sentinel alone."""
    agree(student, some_ids(draw, 5), [], [90, 89])


@suite.check("span_corruption", points=2)
def the_text_can_be_rebuilt(student: Any, draw: Draw) -> None:
    """Random texts with repeated words and id 0 are corrupted rightly."""
    for length, number in ((8, 1), (15, 3), (30, 6)):
        cuts = sorted(draw.permutation(length + 1)[: 2 * number].tolist())
        spans = [(cuts[2 * k], cuts[2 * k + 1]) for k in range(number)]
        sentinels = [99 - k for k in range(number + 1 + draw.integer(0, 2))]
        agree(student, some_ids(draw, length), spans, sentinels)


@suite.check("span_corruption")
def arguments_are_not_changed(student: Any, draw: Draw) -> None:
    """Ids, spans and sentinels are the same after the call, and a second call gives the same."""
    ids, spans, sentinels = list(range(10, 18)), [(1, 3), (5, 6)], [90, 89, 88]
    right = oracle(ids, spans, sentinels)
    for form in span_forms(ids, spans, sentinels):
        try:
            value, args, _ = call_and_keep(student, list(form), {})
        except Exception:  # only one of the forms need be served
            continue
        if (as_ids(value[0]), as_ids(value[1])) != right:
            continue
        kept = [as_ids(args[0]), [tuple(span) for span in args[1]], as_ids(args[2])]
        for name, now, before in zip(
            ("input_ids", "spans", "sentinel_ids"), kept, (ids, spans, sentinels), strict=True
        ):
            expect(now == before, f"{name} was {before} and is {now} after the call: copy it.")
        return
    agree(student, ids, spans, sentinels)

"""Hidden checks of sinusoidal_positions and PositionalEncoding."""

from __future__ import annotations

from typing import Any

import torch

from autograder.checks.encoder.suite import suite
from course.checks import live
from course.checks.base import Draw, as_tensor, close, expect, largest_difference
from course.checks.encoder.positions import require_rows
from course.checks.encoder.suite import ENCODING, TABLE
from course.checks.encoder_toys import DIM, build, follows_device, positions, working


@suite.check(TABLE)
def a_shift_is_a_linear_map(student: Any, draw: Draw) -> None:
    """PE(pos + k) is one linear function of PE(pos), the same for every pos."""
    shift = draw.integer(1, 9)
    table = as_tensor(student(60, DIM), "The table", (60, DIM)).double()
    require_rows(table)
    old, new = table[:-shift], table[shift:]
    linear = torch.linalg.lstsq(old, new).solution
    wrong = largest_difference(old @ linear, new)
    expect(
        wrong < 1e-3,
        f"No linear map turns row pos into row pos + {shift} for all pos (off by {wrong:.2f}): "
        "each frequency needs its sine and its cosine.",
    )


@suite.check(TABLE)
def wide_tables_are_right(student: Any, draw: Draw) -> None:
    """Many frequencies and positions agree with the formula."""
    dim = draw.choice([30, 33, 64])
    table = as_tensor(student(100, dim), "The table", (100, dim))
    wrong = largest_difference(table, positions(100, dim))
    expect(
        wrong < 1e-3,
        f"sinusoidal_positions(100, {dim}) differs from the formula by up to {wrong:.3f}: the "
        "angle at columns 2i and 2i + 1 is pos / 10000^(2i/d).",
    )


@suite.check(TABLE, hint="The smallest sizes count too: one column is one sine.")
def one_or_two_dimensions(student: Any, draw: Draw) -> None:
    """embed_dim 1 gives sin(pos), embed_dim 2 adds cos(pos)."""
    for dim in (1, 2):
        table = as_tensor(student(5, dim), f"sinusoidal_positions(5, {dim})", (5, dim))
        expect(
            close(table, positions(5, dim)),
            f"With embed_dim={dim} the columns must be sin(pos)" + ", cos(pos)." * (dim - 1),
        )


@suite.check(TABLE)
def one_position(student: Any, draw: Draw) -> None:
    """A table of one row is position 0: zeros and ones in turn."""
    table = as_tensor(student(1, 6), "sinusoidal_positions(1, 6)", (1, 6))
    expect(
        close(table, positions(1, 6)),
        f"Position 0 is {[round(v, 2) for v in table[0].tolist()]}: sines of 0 are 0, cosines 1.",
    )


@suite.check(TABLE)
def rows_do_not_depend_on_the_length(student: Any, draw: Draw) -> None:
    """A position's row is the same in short and long tables, whatever was asked before."""
    short = as_tensor(student(5, DIM), "The table of 5", (5, DIM))
    long = as_tensor(student(40, DIM), "The table of 40", (40, DIM))
    again = as_tensor(student(5, DIM), "The table of 5", (5, DIM))
    require_rows(short)
    expect(close(short, again), "A second call gives another table: keep nothing between calls.")
    expect(
        close(short, long[:5]),
        "Row 4 of a table of 5 differs from row 4 of a table of 40: positions are not divided by "
        "the length.",
    )


@suite.check(TABLE)
def far_positions_are_accurate(student: Any, draw: Draw) -> None:
    """Position 4999 still has the right phase."""
    table = as_tensor(student(5000, 6), "The table", (5000, 6))
    # A float32 angle near 5000 is rounded by 2.4e-4, a few roundings in a row stay below 4e-3.
    wrong = largest_difference(table, positions(5000, 6))
    expect(
        wrong < 4e-3,
        f"Far positions are off by {wrong:.3f}: compute the angles in float32 or float64.",
    )


def rows_of(module: Any, length: int, dim: int = DIM) -> torch.Tensor:
    """The rows that a module adds; that they are the right ones is a visible check."""
    zeros = torch.zeros(1, length, dim)
    return as_tensor(module(zeros), "The output", (1, length, dim))[0].double()


@suite.check(ENCODING)
def rows_go_along_the_length(student: Any, draw: Draw) -> None:
    """With as many sequences as tokens, rows still follow the tokens."""
    module = build(student, draw, DIM)
    x = draw.normal(4, 4, DIM)
    added = as_tensor(module(x), "The output", (4, 4, DIM)).double() - x
    right = rows_of(module, 4)
    expect(
        not close(added, right[:, None].expand(4, 4, DIM)),
        "Row b of the table is added to sequence b: row t belongs to token t of every sequence.",
    )
    expect(close(added, right.expand(4, 4, DIM)), "With batch == length other numbers are added.")


@suite.check(ENCODING, hint="An odd embed_dim has one sine more than cosines.")
def odd_widths_are_encoded(student: Any, draw: Draw) -> None:
    """Odd embed_dim works here too, and so does a single token."""
    for length, dim in ((4, 7), (1, 5)):
        module = working(student, draw, dim)
        x = draw.normal(2, length, dim)
        y = as_tensor(module(x), "The output", (2, length, dim))
        wrong = largest_difference(y.double() - x, rows_of(module, length, dim).expand_as(x))
        expect(wrong < 1e-3, f"With embed_dim={dim} the sum is off by {wrong:.2f}.")


@suite.check(ENCODING, points=2)
def dropout_comes_after_adding(student: Any, draw: Draw) -> None:
    """In training the sum is dropped out: entries are 0 or sum / (1 - dropout)."""
    rate = draw.choice([0.3, 0.4])
    module = build(student, draw, DIM, rate)
    rows = rows_of(module, 5)
    live.set_mode(module, True)
    x = (draw.normal(100, 5, DIM).abs() + 2).float()  # no sum with a table's row is 0
    y = as_tensor(module(x), "The output", (100, 5, DIM)).double()
    whole = (x + rows) / (1 - rate)
    dropped = y.abs() < 1e-6
    expect(not close(y, x + rows), "In training nothing is dropped: apply nn.Dropout to the sum.")
    only_x = (close_to(y, rows) | close_to(y, x / (1 - rate) + rows)).all()
    only_table = (close_to(y, x) | close_to(y, x + rows / (1 - rate))).all()
    expect(not only_x, "Dropout acts on x before the table is added: add first, then drop out.")
    expect(not only_table, "Dropout acts on the table alone: add it to x first, then drop out.")
    expect(
        bool((dropped | close_to(y, whole)).all()),
        "In training an entry is neither 0 nor (x + table) / (1 - dropout): drop out the sum once.",
    )
    share = float(dropped.double().mean())
    allowed = 6 * (rate * (1 - rate) / dropped.numel()) ** 0.5  # six sigma: 2e-9
    expect(
        abs(share - rate) < allowed,
        f"With dropout={rate} a share of {share:.2f} is dropped: hand the rate to nn.Dropout.",
    )


def close_to(actual: torch.Tensor, expected: torch.Tensor) -> torch.Tensor:
    """Where two tensors agree but for rounding."""
    return (actual - expected).abs() < 1e-4


@suite.check(ENCODING)
def no_dropout_when_evaluating(student: Any, draw: Draw) -> None:
    """In evaluation mode, and by default in training too, nothing is dropped."""
    x = draw.normal(3, 5, DIM)
    evaluating = working(student, draw, DIM, dropout=0.5)
    right = x + rows_of(working(student, draw, DIM), 5)
    expect(
        close(evaluating(x).double(), right),
        "Dropout is active in evaluation mode: use nn.Dropout, or F.dropout with self.training.",
    )
    default = working(student, draw, DIM, training=True)
    expect(close(default(x).double(), right), "Without dropout=… entries are dropped in training.")


@suite.check(ENCODING)
def table_follows_the_module(student: Any, draw: Draw) -> None:
    """The table moves with the module to another device."""
    expect(
        follows_device(build(student, draw, DIM), 2, 3, DIM),
        "After module.to(another device) the table is left behind: a plain attribute does not "
        "move. Keep it with self.register_buffer.",
    )


@suite.check(ENCODING)
def dtype_is_kept(student: Any, draw: Draw) -> None:
    """float32 in gives float32 out, and a float64 module float64."""
    module = working(student, draw, DIM)
    x = draw.normal(2, 3, DIM)
    found = as_tensor(module(x), "The output").dtype
    expect(
        found == torch.float32,
        f"A float32 input gives {found}: keep the table in float32, or convert it to x's dtype.",
    )
    live.convert(module, torch.float64)
    found = as_tensor(module(x.double()), "The output").dtype
    expect(found == torch.float64, f"After module.double() a float64 input gives {found}.")


@suite.check(ENCODING)
def gradient_passes_through(student: Any, draw: Draw) -> None:
    """The gradient reaches the embeddings unchanged, and x is not overwritten."""
    module = working(student, draw, DIM)
    x = draw.normal(2, 3, DIM)
    _, args, _ = live.call_and_keep(module, [x.clone()], {})
    expect(close(args[0], x, 0.0), "x itself is changed: write x + table, not x += table.")
    cotangent = draw.normal(2, 3, DIM)
    gradient = live.gradients(module, [x], cotangents=[cotangent])[0]
    expect(
        gradient is not None,
        "No gradient reaches x: do not detach it, nor compute the sum under no_grad.",
    )
    expect(close(gradient, cotangent), "The gradient of x must equal that of the output: only add.")


@suite.check(ENCODING, hint="max_length is 5000 by default.")
def default_length_is_5000(student: Any, draw: Draw) -> None:
    """By default 5000 positions fit, and 5001 are refused."""
    module = build(student, draw, 2)
    as_tensor(module(torch.zeros(1, 5000, 2)), "The output", (1, 5000, 2))
    try:
        module(torch.zeros(1, 5001, 2))
    except ValueError:
        return
    expect(False, "5001 positions are accepted: max_length is 5000 by default.")


@suite.check(ENCODING, hint="Slice the table anew in each call: table[: x.shape[1]].")
def lengths_may_vary(student: Any, draw: Draw) -> None:
    """Short and long batches may follow each other."""
    module = working(student, draw, DIM, 0.0, 20)
    rows = rows_of(working(student, draw, DIM, 0.0, 20), 20)
    for length in (6, 20, 2, 6):
        x = draw.normal(1, length, DIM)
        y = as_tensor(module(x), f"The output for {length} tokens", (1, length, DIM))
        wrong = largest_difference(y.double() - x, rows[None, :length])
        expect(wrong < 1e-3, f"A batch of {length} tokens, after others, is off by {wrong:.2f}.")

"""Visible checks of sinusoidal_positions and PositionalEncoding."""

from __future__ import annotations

from typing import Any

import torch

from course.checks import live
from course.checks.base import Draw, as_tensor, close, expect, largest_difference
from course.checks.encoder.suite import ENCODING, MODULE, TABLE, suite
from course.checks.encoder_toys import DIM, build, positions


@suite.check(TABLE)
def one_row_a_position(student: Any, draw: Draw) -> None:
    """It returns floating-point numbers of shape (length, embed_dim)."""
    table = as_tensor(student(7, 6), "sinusoidal_positions(7, 6)", (7, 6))
    expect(
        table.dtype in (torch.float32, torch.float64),
        f"The table has dtype {table.dtype}: compute and return it in torch.float32.",
    )
    named = student(length=7, embed_dim=6)
    expect(close(named, table), "A second call with the same sizes gives another table.")
    require_rows(table)


def require_rows(table: torch.Tensor) -> None:
    """Fail where every position has the same row: that tells nobody where a token stands."""
    expect(
        not close(table[0], table[1], 1e-6),
        "Positions 0 and 1 have the same row: each position needs its own sines and cosines.",
    )


def wrong_tables(length: int, dim: int) -> dict[str, torch.Tensor]:
    """Tables that typical mistakes give, by the words that tell them."""
    right = positions(length, dim)
    column = torch.arange(dim).double()
    rate = 10000.0 ** -(2 * (column // 2) / dim)
    turn = positions(length, dim, 10000.0**0.5)  # exponent i/d in the place of 2i/d
    row = torch.arange(length).double()[:, None]
    own = row * 10000.0 ** -(column / dim)
    double = positions(length, dim, 10000.0**2)
    even = column % 2 == 0
    tight = row * 10000.0 ** -(2 * (column // 2) / max(dim - 2, 1))
    return {
        "All sines stand before all cosines: alternate them, sin at 2i and cos at 2i + 1.": (
            torch.cat([right[:, 0::2], right[:, 1::2]], dim=1)
        ),
        "Sine and cosine are swapped: sines belong at even columns.": torch.where(
            even, (row * rate).cos(), (row * rate).sin()
        ),
        "The first row is position 1: count positions from 0.": positions(length + 1, dim)[1:],
        "The exponent is i/d: it must be 2i/d, where 2i is the even column.": turn,
        "Each column has a frequency of its own: columns 2i and 2i + 1 share the exponent 2i/d.": (
            torch.where(even, own.sin(), own.cos())
        ),
        "The exponent grows twice too fast: in 2i/d, 2i is itself the number of the even column.": (
            double
        ),
        "The last frequency is 1/10000: divide 2i by d, not by d - 2.": torch.where(
            even, tight.sin(), tight.cos()
        ),
        "The base of the frequencies is 1000: it must be 10000.": positions(length, dim, 1000.0),
        "The base of the frequencies is 100: it must be 10000.": positions(length, dim, 100.0),
        "Positions are multiplied by 10000^(2i/d): divide by it.": torch.where(
            even, (row / rate).sin(), (row / rate).cos()
        ),
        "All columns are sines: columns 2i + 1 must hold cosines.": (row * rate).sin(),
        "All columns are cosines: columns 2i must hold sines.": (row * rate).cos(),
    }


@suite.check(TABLE, points=2)
def sines_and_cosines_alternate(student: Any, draw: Draw) -> None:
    """Column 2i is sin(pos / 10000^(2i/d)), column 2i + 1 the cosine of the same angle."""
    length, dim = draw.integer(6, 12), draw.choice([8, 10, 12])
    table = as_tensor(student(length, dim), "The table", (length, dim))
    if close(table, positions(length, dim)):
        return
    for words, wrong in wrong_tables(length, dim).items():
        expect(not close(table, wrong), words)
    far = (table.double() - positions(length, dim)).abs()
    row, column = divmod(int(far.argmax()), dim)
    expect(
        False,
        f"At position {row}, column {column} the table has {float(table[row, column]):.4f}; "
        f"it must be {float(positions(length, dim)[row, column]):.4f}.",
    )


@suite.check(TABLE, hint="With an odd embed_dim there is one sine more than there are cosines.")
def odd_dimensions_work(student: Any, draw: Draw) -> None:
    """An odd embed_dim ends with a sine."""
    dim = draw.choice([5, 7, 9])
    table = as_tensor(student(6, dim), f"sinusoidal_positions(6, {dim})", (6, dim))
    right = positions(6, dim)
    for d in (dim + 1, dim - 1):
        expect(
            not close(table[:, :-1], positions(6, d)[:, : dim - 1]),
            f"With embed_dim={dim} the exponents are divided by {d}: d is embed_dim itself.",
        )
    expect(
        float(table[:, -1].abs().max()) > 0,
        f"With embed_dim={dim} the last column is all zeros: it must hold a sine.",
    )
    expect(
        close(table, right),
        f"With embed_dim={dim} the table is off by {largest_difference(table, right):.2f}: "
        f"use d={dim} in 2i/d, and end with a sine.",
    )


@suite.check(ENCODING, points=2, hint=MODULE)
def adds_one_row_a_position(student: Any, draw: Draw) -> None:
    """Row t of the table is added to token t of every sequence."""
    module = build(student, draw, DIM)
    x = draw.normal(2, 5, DIM)
    y = as_tensor(module(x), "The output", (2, 5, DIM))
    right = positions(5, DIM).expand(2, 5, DIM)
    shifted = positions(6, DIM)[1:].expand(2, 5, DIM)
    by_batch = positions(2, DIM)[:, None].expand(2, 5, DIM)
    added = y.double() - x
    expect(not close(y, x), "The output equals the input: add the table's rows.")
    expect(not close(y.double(), right), "The output is the table alone: add it to x.")
    expect(
        not close(y.double(), x * right),
        "The table multiplies x: add it.",
    )
    expect(
        not close(y.double(), DIM**0.5 * x + right),
        "x is scaled by √embed_dim: PositionalEncoding only adds the table.",
    )
    expect(not close(added, shifted), "Token t gets row t + 1: start with row 0.")
    expect(
        not close(added, by_batch),
        "The rows go along the batch: token t of every sequence gets row t.",
    )
    wrong = largest_difference(added, right)
    expect(
        close(added, right),
        f"What is added to x differs from sinusoidal_positions(5, {DIM}) by up to {wrong:.2f}.",
    )


@suite.check(ENCODING, hint=MODULE)
def longer_than_the_table_is_refused(student: Any, draw: Draw) -> None:
    """More than max_length positions raise a ValueError; exactly max_length are fine."""
    module = build(student, draw, DIM, 0.0, 6)
    as_tensor(module(draw.normal(2, 6, DIM)), "The output for max_length positions", (2, 6, DIM))
    try:
        result = module(draw.normal(2, 7, DIM))
    except ValueError:
        return
    except NotImplementedError:
        raise
    except Exception as error:
        expect(
            False,
            f"7 positions with max_length=6 raise {type(error).__name__}: compare x.shape[1] with "
            "max_length first, and raise a ValueError that names both.",
        )
    expect(
        False,
        f"7 positions with max_length=6 give a tensor of shape {tuple(result.shape)}: raise a "
        "ValueError when x.shape[1] > max_length.",
    )


@suite.check(ENCODING, hint=MODULE)
def table_is_not_trained(student: Any, draw: Draw) -> None:
    """The table is a buffer: the module has no parameter."""
    module = build(student, draw, DIM)
    as_tensor(module(draw.normal(1, 2, DIM)), "The output", (1, 2, DIM))
    found = {n: tuple(v.shape) for n, v in live.parameters(module).items()}
    expect(
        not found,
        f"The module has parameters, {found}: an optimizer would change the table. Keep it with "
        "self.register_buffer.",
    )

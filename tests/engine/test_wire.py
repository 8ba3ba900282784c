"""The wire format: everything that is data comes back the same, and nothing else is believed."""

from __future__ import annotations

import collections
import contextlib
import datetime
import decimal
import enum
import fractions
import json
import math
import pathlib
import random
import time
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder import wire
from autograder.wire import format as form


def carried(value: Any, keep: Any = None, resolve: Any = None) -> Any:
    """``value`` after one trip over the wire."""
    data = b"".join(bytes(part) for part in wire.pack(value, keep))
    header, buffers = wire.sizes(data[: wire.PREFIX.size])
    body = memoryview(data)[wire.PREFIX.size :]
    assert len(body) == header + buffers
    return wire.unpack(body[:header], body[header:], resolve)


class Point(NamedTuple):
    x: float
    y: float


class Colour(enum.IntEnum):
    RED = 3


class Words(str):
    pass


class Numbers(list):
    pass


PLAIN = [
    None,
    True,
    False,
    0,
    -1,
    2**53,
    -(2**70),
    10**400,
    0.1,
    -0.0,
    1e-320,
    math.inf,
    -math.inf,
    "",
    "ünï\ud800code\0",
    b"",
    b"\x00\xff" * 10,
    1 + 2j,
    [],
    (),
    {},
    [[1, (2, [3])], {"a": {1: (None,)}}],
    {1, 2},
    frozenset({"a"}),
    {(1, 2): [3]},
    slice(1, None, 2),
    range(3, 10, 2),
    ...,
    fractions.Fraction(1, 3),
    decimal.Decimal("1.10"),
    datetime.datetime(2024, 1, 2, 3, 4, 5, 6, datetime.UTC),
    datetime.date(2024, 1, 2),
    datetime.time(1, 2),
    datetime.timedelta(1, 2, 3),
    torch.float16,
    torch.device("cpu"),
    np.dtype("float32"),
    pathlib.PurePosixPath("a/b"),
]


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_come_back_equal_and_of_the_same_type(value: Any) -> None:
    back = carried(value)
    assert type(back) is type(value)
    assert back == value
    assert repr(back) == repr(value)


def test_not_a_number_comes_back() -> None:
    assert math.isnan(carried(math.nan))
    assert math.isnan(carried([1, math.nan])[1])


def test_subclasses_cross_as_their_base() -> None:
    assert type(carried(Words("a"))) is str
    assert type(carried(Numbers([1]))) is list
    assert type(carried(Colour.RED)) is int
    assert type(carried(collections.OrderedDict(a=1))) is dict
    assert type(carried(collections.Counter("aab"))) is dict
    assert type(carried(torch.Size([2, 3]))) is tuple
    assert type(carried(np.str_("a"))) is str


def test_named_tuples_keep_their_fields() -> None:
    back = carried(Point(1.0, 2.0))
    assert back == (1.0, 2.0) and back.y == 2.0 and isinstance(back, tuple)


def test_model_outputs_keep_attributes_and_order() -> None:
    from transformers.modeling_outputs import BaseModelOutput

    back = carried(BaseModelOutput(last_hidden_state=torch.ones(2), hidden_states=None))
    assert torch.equal(back.last_hidden_state, torch.ones(2))
    assert torch.equal(back[0], back["last_hidden_state"])
    with pytest.raises(AttributeError):
        _ = back.logits


@pytest.mark.parametrize("name", list(wire.TORCH_DTYPES))
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)])
def test_tensors_of_every_dtype_and_shape(name: str, shape: tuple[int, ...]) -> None:
    dtype = wire.TORCH_DTYPES[name]
    size = math.prod(shape) * dtype.itemsize
    raw = torch.randint(0, 2, (size,), dtype=torch.uint8)
    tensor = (raw != 0).reshape(shape) if dtype is torch.bool else raw.view(dtype).reshape(shape)
    back = carried(tensor)
    assert back.dtype == dtype and back.shape == tensor.shape
    if size:
        assert torch.equal(back.reshape(-1).view(torch.uint8), tensor.reshape(-1).view(torch.uint8))


def test_tensors_that_are_views_parameters_or_need_gradients() -> None:
    turned = torch.arange(6.0).reshape(2, 3).T
    assert torch.equal(carried(turned), turned)
    assert torch.equal(carried(turned[::2, 1:]), turned[::2, 1:])
    parameter = torch.nn.Parameter(torch.ones(2))
    back = carried(parameter)
    assert type(back) is torch.Tensor and back.requires_grad and back.is_leaf
    assert not carried(torch.ones(2)).requires_grad
    result = carried(parameter * 2)
    assert result.requires_grad and torch.equal(result, torch.full((2,), 2.0))
    conjugate = torch.ones(2, dtype=torch.complex64).conj()
    assert torch.equal(carried(conjugate), torch.ones(2, dtype=torch.complex64))


@pytest.mark.parametrize(
    "array",
    [
        np.float32(1.5),
        np.bool_(True),
        np.int64(-3),
        np.datetime64("2024-01-02"),
        np.array(3.0),
        np.zeros((2, 0)),
        np.arange(6).reshape(2, 3).T,
        np.array([True, False]),
        np.array([1, 2], dtype=">i4"),
        np.array(["ab", "c"]),
        np.array([1 + 2j]),
        np.array(["2024-01-02"], dtype="datetime64[D]"),
        np.float16([1, 2]),
    ],
    ids=repr,
)
def test_arrays_and_numpy_numbers(array: Any) -> None:
    back = carried(array)
    assert type(back) is type(array)
    assert np.array_equal(back, array)
    assert back.dtype == array.dtype.newbyteorder("=") and np.shape(back) == np.shape(array)


def test_a_generator_goes_on_where_it_was() -> None:
    generator = torch.Generator().manual_seed(5)
    torch.rand(3, generator=generator)
    back = carried(generator)
    assert torch.equal(torch.rand(5, generator=back), torch.rand(5, generator=generator))


@pytest.mark.parametrize("value", [object(), len, torch.nn.Linear(1, 1), [lambda: 1], type])
def test_what_is_no_data_is_refused(value: Any) -> None:
    with pytest.raises(wire.Unsendable):
        wire.pack(value)


def test_what_is_no_data_can_be_kept() -> None:
    back = carried([1, len], lambda v: ["h", v.__name__], lambda tag, parts: (tag, parts))
    assert back == [1, ("h", ["len"])]


def test_limits_on_depth_parts_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    deep: Any = []
    for _ in range(form.MAX_DEPTH + 2):
        deep = [deep]
    loop: list[Any] = []
    loop.append(loop)
    monkeypatch.setattr(form, "MAX_NODES", 1000)
    monkeypatch.setattr(form, "MAX_BUFFERS", 1000)
    for value in (deep, loop, [[] for _ in range(1001)], bytes(1001), torch.zeros(251)):
        with pytest.raises(wire.WireError):
            wire.pack(value)


HOSTILE = [
    "",
    "[",
    "7",
    "[]",
    "[1, 2]",
    "[NaN]",
    "[Infinity]",
    "[{}]",
    "[[]]",
    "[[1]]",
    '[["T"]]',
    '[["T", "float32", [2], false, 9]]',
    '[["T", "float32", [-1], false, 8]]',
    '[["T", "float32", [true, true], false, 8]]',
    '[["T", "float32", [2], false, -8]]',
    '[["T", "nn", [2], false, 8]]',
    '[["T", ["float32"], [2], false, 8]]',
    '[["T", "float32", [0, 99999999999999], false, 0]]',
    '[["T", "float32", 2, false, 8]]',
    '[["A", "O", [1], 8]]',
    '[["A", "|O8", [1], 8]]',
    '[["A", "<f8", [9], 8]]',
    '[["A", "<V8", [1], 8]]',
    '[["A", "<f8,<f8", [1], 8]]',
    '[["AU", [3], ["a"]]]',
    '[["g", 5]]',
    '[["G", 8]]',
    '[["b", 1e3]]',
    '[["b", 4294967296]]',
    '[["i", "zz"]]',
    '[["i", 7]]',
    '[["f", "1"]]',
    '[["c", "a", 1]]',
    '[["d", [[["l", []], 1]]]]',
    '[["d", [1]]]',
    '[["d", 7]]',
    '[["s", [["l", []]]]]',
    '[["r", [1, 2, 0]]]',
    '[["r", [1, 2]]]',
    '[["r", ["a", 2, 1]]]',
    '[["q", [1, 0]]]',
    '[["q", [0.5, 1]]]',
    '[["D", "x"]]',
    '[["D", 1]]',
    '[["da", "os", "x"]]',
    '[["da", "date", "2024-13-01"]]',
    '[["td", 1e300, 0, 0]]',
    '[["dt", "load"]]',
    '[["dt", "__name__"]]',
    '[["dv", "hello"]]',
    '[["nd", "O"]]',
    '[["h", 1, "class", []]]',
    '[["unknown"]]',
    '[["__class__", 1]]',
    "[" * 200_000,
    '[["l", ' * 5000 + "1" + "]]" * 5000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda t: t[:40])
def test_malformed_messages_are_refused(text: str) -> None:
    with pytest.raises(wire.WireError):
        wire.unpack(text.encode(), memoryview(bytes(8)), None)


def test_a_named_tuple_with_hostile_fields_is_a_plain_tuple() -> None:
    for fields in (["_x"], ["__class__"], [7], "x", ["a" * 999]):
        text = json.dumps([["nt", "P", fields, [1]]]).encode()
        assert type(wire.unpack(text, memoryview(b""))) is tuple


def test_prefixes_are_checked() -> None:
    for prefix in (b"\0" * 12, wire.PREFIX.pack(form.MAGIC, 2**32 - 1, 0), b"TbH1" + b"\xff" * 8):
        with pytest.raises(wire.WireError):
            wire.sizes(prefix)


leaf = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
tree = st.recursive(
    leaf | st.sampled_from([*wire.READERS, "h"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.builds(
            lambda tag, rest: [tag, *rest], st.sampled_from([*wire.READERS]), st.lists(inner)
        )
    ),
    max_leaves=20,
)


@settings(max_examples=400, deadline=None, database=None)
@given(tree=tree, data=st.binary(max_size=64))
def test_any_tree_is_a_value_or_a_wire_error(tree: Any, data: bytes) -> None:
    text = json.dumps([tree]).encode()
    with contextlib.suppress(wire.WireError):
        wire.unpack(text, memoryview(data), lambda tag, parts: None)


@settings(max_examples=200, deadline=None, database=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_wire_error(data: bytes) -> None:
    with contextlib.suppress(wire.WireError):
        wire.unpack(data, memoryview(data))


values = st.recursive(
    leaf | st.binary(max_size=20) | st.complex_numbers(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None, database=None)
@given(values)
def test_any_data_comes_back(value: Any) -> None:
    assert repr(carried(value)) == repr(value)


def test_damaged_messages_never_crash() -> None:
    value = [torch.ones(3), np.arange(4), {"a": (1, 2.5, None)}, b"xyz", torch.Generator()]
    message = bytearray(b"".join(bytes(part) for part in wire.pack(value)))
    rng = random.Random(0)
    for _ in range(500):
        damaged = bytearray(message)
        for _ in range(rng.randint(1, 8)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            header, _ = wire.sizes(bytes(damaged[: wire.PREFIX.size]))
            body = memoryview(damaged)[wire.PREFIX.size :]
            wire.unpack(body[:header], body[header:], lambda tag, parts: None)
        except wire.WireError:
            pass


def test_one_element_of_a_slice_crosses() -> None:
    """Such a tensor counts as contiguous, whatever its stride."""
    table = torch.arange(12.0).reshape(2, 6)
    for part in (table[1:, 2], table[:1, 5:], table[1, ::7], table.t()[4:5, 1:]):
        assert torch.equal(carried(part), part)


def test_keys_with_one_hash_do_not_hold_up_the_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form, "MAX_SECONDS", 0.2)
    keys = [(2**61 - 1) * k for k in range(1, 200_000)]
    for tree in (["s", keys], ["z", keys], ["d", [[k, 0] for k in keys]]):
        start = time.monotonic()
        with pytest.raises(wire.WireError, match="too long"):
            wire.unpack(json.dumps([tree]).encode(), memoryview(b""))
        assert time.monotonic() - start < 10


def test_named_tuples_are_few_kinds_and_have_no_name_of_the_student_s() -> None:
    trees = [["nt", f"Leak{k}", [f"x{k}"], [k]] for k in range(500)]
    found = wire.unpack(json.dumps([["l", trees]]).encode(), memoryview(b""))
    assert found == [(k,) for k in range(500)]
    assert {type(item).__name__ for item in found} == {"namedtuple", "tuple"}
    assert len({type(item) for item in found}) <= 101


def test_a_huge_fraction_is_refused() -> None:
    tree = ["q", [["i", "f" * 100_000], ["i", "7" * 99_999]]]
    with pytest.raises(wire.WireError, match="fraction"):
        wire.unpack(json.dumps([tree]).encode(), memoryview(b""))


def test_fields_give_no_special_attributes() -> None:
    assert not hasattr(form.Fields(__array_interface__={}), "__array_interface__")

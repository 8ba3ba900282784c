"""Test cells on the judge's side: points, messages, names and what may cross."""

# ruff: noqa: E501
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from autograder.judge import credit
from tests.engine.conftest import ROOT

Judged = Callable[..., Any]

FIB = "def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)"
STACK = """
class Empty(Exception): pass
class Stack:
    def __init__(self): self.items = []
    def push(self, x): self.items.append(x)
    def pop(self):
        if not self.items: raise Empty('the stack is empty')
        return self.items.pop()
    def __len__(self): return len(self.items)
    def __iter__(self): return iter(self.items)
    def __contains__(self, x): return x in self.items
    def __getitem__(self, i): return self.items[i]
    def __repr__(self): return f"Stack({self.items})"
class Vector:
    def __init__(self, x, y): self.x, self.y = x, y
    def __add__(self, o): return Vector(self.x + o.x, self.y + o.y)
    def __mul__(self, k): return Vector(self.x * k, self.y * k)
    __rmul__ = __mul__
    def __eq__(self, o): return (self.x, self.y) == (o.x, o.y)
    def __lt__(self, o): return self.x < o.x
    def __abs__(self): return (self.x**2 + self.y**2) ** 0.5
    def __enter__(self): return self
    def __exit__(self, *a): self.x = -1
"""
NET = """
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 3)
    def forward(self, x): return self.linear(x)
model = Net()
"""


@pytest.mark.parametrize(
    ("answer", "test"),
    [
        (FIB, "assert fib(10) == 55\nassert [fib(i) for i in range(5)] == [0, 1, 1, 2, 3]"),
        ("x = [1, 2]\ny = {'a': 1.5}", "assert x == [1, 2] and y['a'] == 1.5"),
        ("def f(a, *, b=2): return (a, b)", "assert f(1, b=3) == (1, 3)"),
        ("import numpy as np\nf = np.cumsum", "np.testing.assert_allclose(f([1, 2]), [1, 3])"),
        (
            "def f(x): return x * 2",
            "torch.testing.assert_close(f(torch.ones(2)), torch.full((2,), 2.))",
        ),
        (
            STACK,
            "s = Stack()\ns.push(3)\ns.push(4)\nassert len(s) == 2 and s.pop() == 4 and s[0] == 3",
        ),
        (
            STACK,
            "s = Stack()\ns.push(1)\nassert list(s) == [1] and 1 in s and 2 not in s and s.items == [1]",
        ),
        (STACK, "with pytest.raises(Empty): Stack().pop()"),
        (STACK, "with pytest.raises(Exception, match='is empty'): Stack().pop()"),
        (
            STACK,
            "try:\n    Stack().pop()\nexcept Empty as e:\n    assert 'empty' in str(e)\nelse:\n    assert False",
        ),
        (STACK, "assert str(Stack()) == 'Stack([])' and repr(Stack()) == 'Stack([])'"),
        (
            STACK,
            "assert not Stack() and isinstance(Stack(), Stack) and not isinstance(Vector(1, 2), Stack)",
        ),
        (
            STACK,
            "assert Vector(1, 2) + Vector(1, 1) == Vector(2, 3) and Vector(1, 1) != Vector(1, 2)",
        ),
        (STACK, "assert (Vector(1, 2) * 3).y == 6 and 3 * Vector(1, 2) == Vector(3, 6)"),
        (STACK, "assert abs(Vector(3, 4)) == 5 and Vector(1, 0) < Vector(2, 0)"),
        (STACK, "assert [v.x for v in sorted([Vector(2, 0), Vector(1, 0)])] == [1, 2]"),
        (STACK, "with Vector(1, 2) as v: assert v.x == 1\nassert v.x == -1"),
        (STACK, "a = Stack()\nb = a\nassert a is b and {a: 1}[b] == 1 and a != Stack"),
        (
            NET,
            "assert isinstance(model, nn.Module) and issubclass(Net, nn.Module) and callable(Net)",
        ),
        (NET, "assert not isinstance(model, nn.Linear) and isinstance(model.linear, nn.Linear)"),
        (
            NET,
            "assert model(torch.zeros(1, 2)).shape == (1, 3) and model.linear.weight.shape == (3, 2)",
        ),
        (NET, "assert sum(p.numel() for p in model.parameters()) == 9 and model.training"),
        (NET, "model.eval()\nassert not model.training"),
        (
            "def f(g, x): return g(x)",
            "assert f(math.sqrt, 4) == 2 and f(len, 'ab') == 2 and f(np.sin, 0.) == 0",
        ),
        (
            "def f(g, x): return g(x)",
            "assert f(torch.relu, torch.tensor(-1.)) == 0 and f(nn.ReLU(), 1) if 0 else 1",
        ),
        (
            "def f(t): return t",
            "assert f(torch.float16) is torch.float16 and f(ValueError) is ValueError",
        ),
        (
            "def g():\n    n = 0\n    while True:\n        yield n\n        n += 1",
            "import itertools\nassert list(itertools.islice(g(), 3)) == [0, 1, 2]\nassert next(g()) == 0",
        ),
        (
            "class F:\n    def __next__(self): raise StopIteration",
            "with pytest.raises(StopIteration): next(F())",
        ),
        (
            "def f(): raise KeyError('k')",
            "try:\n    f()\nexcept KeyError as e:\n    assert e.args == ('k',)",
        ),
        ("def sum(x): return 99", "assert sum([1, 2]) == 3"),
        (
            "import pandas as pd\ndf = pd.DataFrame({'a': [1, 2]})",
            "assert df.shape == (2, 1) and list(df.columns) == ['a'] and df['a'].sum() == 3",
        ),
        (
            "print('noise')\nimport warnings\ndef f():\n    print('x')\n    warnings.warn('w')\n    return 1",
            "assert f() == 1",
        ),
        (
            "from fractions import Fraction\nf = Fraction(1, 3)",
            "from fractions import Fraction\nassert f + Fraction(2, 3) == 1",
        ),
    ],
)
def test_right_answers_pass(judged: Judged, answer: str, test: str) -> None:
    verdict = judged(answer, test)
    assert verdict.message is None
    assert verdict.points == 1


@pytest.mark.parametrize(
    ("answer", "test", "message"),
    [
        (FIB, "assert fib(10) == 54", "An assertion of this cell does not hold (line 1)."),
        (FIB, "\nassert fib(3) == 3, f'fib(3) gave {fib(3)}'", "fib(3) gave 2"),
        ("", "fob(3)", "NameError: name 'fob' is not defined"),
        ("def f(): raise ValueError('no')", "f()", "ValueError: no"),
        (STACK, "Stack().pop()", "Empty: the stack is empty"),
        ("_x = 1", "assert _x == 1", "NameError: name '_x' is not defined"),
        ("class A: _x = 1", "A._x", "AttributeError"),
        ("def f(g): return g(1)", "f(lambda x: x)", "hands the function <lambda> of its own"),
        ("def f(m): return m", "f(nn.Linear(1, 1))", "hands a Linear of its own"),
        (NET, "model.training = False", "sets .training of a student's object"),
        ("def f(): raise SystemExit(0)", "f()", "Your code called exit()."),
        ("def f():\n    while True: pass", "f()", "Your code ran longer than 1 s."),
        (
            "def f():\n    while True: pass",
            "try:\n    f()\nexcept Exception:\n    pass",
            "longer than 1 s",
        ),
        ("import os\ndef f(): os._exit(4)", "f()", "Your code ended the process (exit code 4)."),
        ("def f(): return bytearray(1 << 40)", "f()", "Your code used more memory than 2 GB."),
        ("def f(): raise KeyboardInterrupt", "f()", "KeyboardInterrupt"),
        ("", "def f(:", "SyntaxError"),
    ],
)
def test_wrong_answers_get_nothing_and_a_reason(
    judged: Judged, answer: str, test: str, message: str
) -> None:
    verdict = judged(answer, test)
    assert verdict.points == 0
    assert verdict.message is not None and message in verdict.message


@pytest.mark.parametrize(
    ("test", "points"),
    [
        ("2", 2),
        ("1.5", 1.5),
        ("-1", 0),
        ("99", 4),
        ("float('nan')", 0),
        ("float('inf')", 4),
        ("True", 4),
        ("False", 4),
        ("None", 4),
        ("'words'", 4),
        ("x = 1", 4),
        ("", 4),
        ("np.float64(2.5)", 2.5),
        ("score = 0\nscore += 2 * (fib(3) == 2)\nscore += 1 * (fib(3) == 3)\nscore", 2),
        ("fib(3)", 4),
        ("answer", 4),
        ("things[0]", 4),
    ],
)
def test_credit_is_the_judges_own_number(judged: Judged, test: str, points: float) -> None:
    verdict = judged(FIB + "\nanswer = 1\nthings = [2]", test, 4)
    assert (verdict.points, verdict.max_points) == (points, 4)


def test_points_that_are_no_number_are_none(judged: Judged) -> None:
    answer = "import numpy as np\ndef f(x): return np.zeros(3)"
    verdict = judged(answer, "score = 0\nscore += 1 * (f(1) == 1)\nscore", 4)
    assert verdict.points == 0 and "came out as a ndarray" in verdict.message
    assert credit(1j, 3) == 3


def test_suites_give_their_results_and_draw_from_the_seed(judged: Judged) -> None:
    source = (ROOT / "solutions/attention.py").read_text().replace("from __future__", "#")
    test = "from course.checks.attention import suite\nsuite.score('causal_mask', causal_mask)"
    verdict = judged(source, test, 10)
    assert verdict.results and all(result.passed for result in verdict.results)
    assert verdict.points == sum(result.points for result in verdict.results)
    probe = "from course.checks.base import current_seed\nassert current_seed() == 5"
    assert judged("", probe).points == 1


def test_results_gathered_before_an_error_are_kept(judged: Judged) -> None:
    test = (
        "from course.checks.attention import suite\n"
        "suite.score('causal_mask', causal_mask)\nraise ValueError('then')"
    )
    verdict = judged("def causal_mask(n): raise NotImplementedError()", test, 10)
    assert verdict.points == 0 and verdict.results
    assert "not written yet" in str(verdict.results[0].message)


def test_a_hanging_check_costs_itself_alone(judged: Judged) -> None:
    answer = "def double(x):\n    while x == 3: pass\n    return 2 * x"
    test = """
from course.checks.base import Suite, expect
suite = Suite("here")
@suite.check(about="double")
def of_three(double, draw): expect(double(3) == 6, "three")
@suite.check(about="double")
def of_four(double, draw): expect(double(4) == 8, "four")
suite.score("double", double)
"""
    verdict = judged(answer, test, 2)
    assert [result.passed for result in verdict.results] == [False, True]
    assert "ran longer than 1 s" in verdict.results[0].message
    assert verdict.points == 1


def test_a_cell_has_a_deadline_of_its_own(judged: Judged) -> None:
    judged.judge.cell_seconds = 1.0  # type: ignore[attr-defined]
    answer = "import time\ndef f(n):\n    time.sleep(0.4)\n    return n"
    verdict = judged(answer, "for i in range(100): f(i)")
    assert verdict.points == 0 and verdict.message is not None


def test_what_a_cell_prints_is_shown_and_a_students_print_is_not(judged: Judged) -> None:
    verdict = judged("def f(x): print('secret', x)", "f(7)\nprint('by the instructor')")
    assert verdict.outputs[0].text == "by the instructor\n"


def test_locked_helpers_are_the_judges_and_students_cannot_replace_them(judged: Judged) -> None:
    helper = "LIMIT = 3\ndef near(a, b): return abs(a - b) < 1e-6\ndef twice(): return 2 * fib(5)"
    judged.judge.bind(helper)  # type: ignore[attr-defined]
    cheat = FIB + "\ndef near(a, b): return True\nLIMIT = 9\ndef twice(): return 1\nnp = None"
    assert judged(cheat, "assert near(1, 2)").points == 0
    assert judged("", "assert LIMIT == 3 and twice() == 10 and np.pi > 3").points == 1


def test_a_locked_helper_can_be_handed_to_the_student(judged: Judged) -> None:
    helper = "def square(x): return x * x"
    judged.judge.bind(helper)  # type: ignore[attr-defined]
    assert judged(helper + "\ndef use(f, x): return f(x)", "assert use(square, 3) == 9").points == 1


def test_bind_takes_what_needs_no_student(judged: Judged) -> None:
    judge = judged.judge  # type: ignore[attr-defined]
    judge.bind("A = 1\nB = A + 1\nC = student_value + 1\nclass D: pass\nclass E(StudentBase): pass")
    judge.bind("%matplotlib inline\nimport json\n!ls\nF = 2")
    judge.bind("import no_such_module_anywhere\nG = 3")
    assert {"A", "B", "D", "F", "G"} <= judge.bound
    assert not {"C", "E"} & judge.bound
    judge.bind("import os\nH = 1\ndef later(): pass", imports_only=True)
    assert "os" in judge.bound and "H" not in judge.bound and "later" not in judge.bound


def test_a_student_may_be_asked_for_a_name_of_a_builtin(judged: Judged) -> None:
    judged.judge.bind("def sum(values): ...", imports_only=True)  # type: ignore[attr-defined]
    assert judged("def sum(values): return 0", "assert sum([1, 2]) == 3").points == 0


def test_later_cells_of_the_student_replace_what_a_test_cell_set(judged: Judged) -> None:
    assert judged("", "x = 1\nassert x == 1").points == 1
    assert judged("", "assert x == 1").points == 1
    assert judged("x = 2", "assert x == 2").points == 1


def test_proxies_come_back_after_a_restart(judged: Judged) -> None:
    answer = NET + "import os\ndef die(): os._exit(1)\nbox = {'net': model}"
    test = "try: die()\nexcept SystemExit: pass\nassert {}(torch.ones(1, 2)).shape == (1, 3)"
    assert judged(answer, "m = model\nlinear = model.linear\n" + test.format("m")).points == 1
    assert judged("", test.format("linear")).points == 1
    assert "lost" in str(judged("", "n = Net()\n" + test.format("n")).message)

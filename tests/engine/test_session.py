"""A student's worker: outputs, errors, figures, and what happens when it dies."""

from __future__ import annotations

import builtins
import time
from pathlib import Path

import pytest
import torch

from autograder.errors import MemoryLimit, ProcessEnded, TimeLimit
from autograder.proxies import Proxy
from autograder.session import Session, definitions
from tests.warm import zygote


def test_text_results_and_displays_come_in_order(session: Session) -> None:
    done = session.execute("print('a')\nprint('b')\ndisplay({'k': 1})\nprint('c')\n6 * 7")
    kinds = [output.output_type for output in done.outputs]
    assert kinds == ["stream", "display_data", "stream", "execute_result"]
    assert done.outputs[0].text == "a\nb\n"
    assert done.outputs[3].data["text/plain"] == "42"
    assert done.outputs[3].execution_count == 1
    assert done.error is None and done.seconds >= 0


def test_standard_error_is_a_stream_of_its_own(session: Session) -> None:
    done = session.execute(
        "import sys, warnings\nwarnings.warn('w')\nsys.stderr.buffer.write(b'x')"
    )
    assert {output.name for output in done.outputs if "name" in output} == {"stderr"}
    assert done.error is None


def test_errors_have_a_traceback_that_names_the_cell(session: Session) -> None:
    done = session.execute("def f():\n    return 1 / 0\nf()")
    assert done.error == "ZeroDivisionError: division by zero"
    (shown,) = done.outputs
    assert shown.output_type == "error" and shown.ename == "ZeroDivisionError"
    assert "Cell In[1]" in "\n".join(shown.traceback)
    assert session.execute("2").error is None


def test_a_syntax_error_is_an_error_like_others(session: Session) -> None:
    done = session.execute("def f(:")
    assert done.error is not None and done.error.startswith("SyntaxError")


def test_figures_are_pictures(session: Session) -> None:
    done = session.execute("%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]);")
    (shown,) = done.outputs
    assert shown.output_type == "display_data"
    assert shown.data["image/png"].startswith("iVBOR")


@pytest.mark.parametrize(
    ("source", "said"),
    [("!ls", "do not run"), ("x = !ls", "do not run"), ("input('?')", "input()")],
)
def test_what_a_grader_cannot_do_is_said(session: Session, source: str, said: str) -> None:
    done = session.execute(source)
    assert said in str(done.outputs)
    assert session.execute("1").error is None


def test_magics_top_level_await_and_exit(session: Session) -> None:
    assert session.execute("%timeit -n1 -r1 1").error is None
    assert session.execute("import asyncio\nawait asyncio.sleep(0)\n5").outputs[0].data
    assert session.execute("exit()").error is None
    assert session.execute("%load_ext autoreload\n%autoreload 2\n%pip install x").error is None
    assert session.execute("import sys\nsys.exit(3)").error == "SystemExit: 3"
    assert session.execute("1 + 1").error is None


def test_long_output_is_cut(session: Session) -> None:
    done = session.execute("print('x' * 10_000_000)\nfor _ in range(1000): print('y' * 1000)")
    assert len(str(done.outputs)) < 2 * session.limits.output
    assert "cut here" in done.outputs[0].text


def test_progress_bars_and_threads_print(session: Session) -> None:
    source = "from tqdm.auto import tqdm\nfor _ in tqdm(range(3)): pass"
    assert session.execute(source).error is None
    threads = (
        "import threading\nt = threading.Thread(target=print, args=('t',)); t.start(); t.join()"
    )
    assert "t" in session.execute(threads).outputs[0].text


def test_get_gives_data_proxies_and_key_errors(session: Session) -> None:
    session.execute("import torch\nx = torch.arange(3)\ndef f(a): return a + 1")
    assert torch.equal(session.get("x"), torch.arange(3))
    assert type(session.get("f")) is Proxy
    assert session.get("f")(1) == 2
    for name in ("nothing", "get_ipython", "In", "exit"):
        with pytest.raises(KeyError):
            session.get(name)


def test_each_worker_has_its_own_random_numbers(session: Session) -> None:
    source = "import torch, numpy, random\nr = (torch.rand(1).item(), random.random())"
    source += "\nr += (numpy.random.rand(),)"
    session.execute(source)
    with Session(zygote(), session.folder) as other:
        other.execute(source)
        first, second = session.get("r"), other.get("r")
    assert all(a != b for a, b in zip(first, second, strict=True))


def test_one_thread_and_an_empty_environment(session: Session) -> None:
    session.execute("import os, torch\nn = torch.get_num_threads()\ne = dict(os.environ)")
    assert session.get("n") == 1
    assert not {"USER", "VIRTUAL_ENV", "PYTEST_CURRENT_TEST"} & session.get("e").keys()


def test_the_folder_is_the_current_one_and_shadows_nothing(tmp_path: Path) -> None:
    for name in ("numpy", "torch", "json", "ipykernel_launcher", "course"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('shadowed')")
    (tmp_path / "helper.py").write_text("answer = 42")
    (tmp_path / "data.txt").write_text("given")
    with Session(zygote(), tmp_path) as session:
        done = session.execute(
            "import numpy, torch, json, helper\nread = open('data.txt').read()\n"
            "open('data.txt', 'a').write('more')\nagain = open('data.txt').read()"
        )
        assert done.error is None
        assert session.get("helper").answer == 42
        assert (session.get("read"), session.get("again")) == ("given", "givenmore")
    if any("private disk" in words for words in session.sandbox):
        assert (tmp_path / "data.txt").read_text() == "given"


def test_only_the_modules_that_were_handed_over_can_be_imported(tmp_path: Path) -> None:
    package = tmp_path / "answers"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "first.py").write_text("word = 'first'")
    (package / "second.py").write_text("word = 'second'")
    folder = tmp_path / "student"
    folder.mkdir()
    with Session(zygote(), folder, readable=[package / "first.py"]) as session:
        assert session.execute("from answers.first import word").error is None
        assert session.get("word") == "first"
        assert "ModuleNotFoundError" in str(session.execute("import answers.second").error)
        assert "ModuleNotFoundError" in str(session.execute("import autograder").error)


def test_an_endless_loop_is_interrupted_and_its_state_stays(session: Session) -> None:
    session.execute("x = 1")
    start = time.monotonic()
    done = session.execute("x = 2\nwhile True: pass", seconds=0.3)
    assert done.error == "Your code ran longer than 0 s." or "longer" in str(done.error)
    assert time.monotonic() - start < 5
    assert session.get("x") == 2 and session.generation == 1


STUBBORN = """
import signal, time
def stubborn():
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
    while True: time.sleep(1)
"""


def test_an_uninterruptible_loop_costs_a_restart_and_earlier_cells_run_again(
    session: Session,
) -> None:
    session.execute("import os\nx = os.getpid()\ny = 7" + STUBBORN)
    with pytest.raises(TimeLimit, match="longer than 1 s"):
        session.get("stubborn")()
    assert session.get("y") == 7 and session.generation == 2


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("import os; os._exit(3)", "exit code 3"),
        ("import ctypes; ctypes.string_at(0)", "segmentation fault"),
        ("import os; os.abort()", "ended the process"),
    ],
)
def test_a_dead_process_is_explained_and_replaced(session: Session, body: str, words: str) -> None:
    session.execute(f"def f(): {body}\nx = 5")
    held = session.get("f")
    with pytest.raises(ProcessEnded, match=words):
        held()
    assert session.get("x") == 5
    with pytest.raises(ProcessEnded, match=words):
        held()  # the proxy finds the function of the new process
    assert session.get("x") == 5


def test_a_fatal_cell_still_gives_its_definitions(session: Session) -> None:
    session.execute("a = 1")
    done = session.execute("def f(): return 2\nimport os\nos._exit(0)\ndef g(): return 3")
    assert done.error == "Your code ended the process." and done.outputs[0].output_type == "error"
    session.execute("b = 4")
    assert (session.get("a"), session.get("f")(), session.get("g")(), session.get("b")) == (
        1,
        2,
        3,
        4,
    )


def test_a_cell_that_dies_of_its_imports_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "deadly.py").write_text("import os\nos._exit(1)")
    with Session(zygote(), tmp_path) as session:
        session.execute("import deadly\ndef f(): return 1")
        session.execute("x = 2")
        assert session.get("x") == 2


def test_too_much_memory_is_said(session: Session) -> None:
    session.execute(
        "import torch\ndef f(): return bytearray(1 << 40)\ndef g(): return torch.ones(1 << 38)"
    )
    for name in "fg":
        with pytest.raises(MemoryLimit, match="more memory than 2 GB"):
            session.get(name)()


def test_deep_recursion_is_an_error_and_a_broken_stack_a_death(session: Session) -> None:
    session.execute("def f(): return f()")
    with pytest.raises(RecursionError):
        session.get("f")()
    session.execute(
        "import sys\ndef g():\n    sys.setrecursionlimit(10**9)\n    x = []\n"
        "    for _ in range(10**6): x = [x]\n    return repr(x)"
    )
    with pytest.raises((ProcessEnded, TimeLimit, MemoryLimit)):
        session.get("g")()
    assert session.get("f") is not None


def test_objects_without_a_name_are_lost_with_their_process(session: Session) -> None:
    session.execute("class A: pass\ndef die():\n    import os\n    os._exit(1)")
    thing = session.get("A")()
    with pytest.raises(ProcessEnded):
        session.get("die")()
    with pytest.raises(ProcessEnded, match="lost"):
        _ = thing.x


def test_a_name_that_keeps_hanging_is_not_tried_for_ever(session: Session) -> None:
    session.ask_seconds = 0.2
    session.execute("def f():\n    while True: pass")
    start = time.monotonic()
    for _ in range(50):
        with pytest.raises(TimeLimit):
            session.get("f")()
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("name", ["ConnectionError", "EOFError", "TimeoutError", "OSError"])
def test_an_error_of_the_student_is_no_lost_connection(session: Session, name: str) -> None:
    session.execute(f"def f():\n    raise {name}('gone')")
    generation, f = session.generation, session.get("f")
    with pytest.raises(getattr(builtins, name), match="gone"):
        f()
    assert session.generation == generation


def test_closing_does_not_wait(session: Session) -> None:
    session.execute(STUBBORN)
    start = time.monotonic()
    session.close()
    assert time.monotonic() - start < 0.5


def test_definitions_of_a_cell() -> None:
    source = "import os\nx = 1\ndef f(): pass\nos._exit(0)\nclass A: pass"
    assert definitions(source).split("\n\n") == [
        "import os",
        "def f():\n    pass",
        "class A:\n    pass",
    ]
    assert definitions("def f(:") == ""

"""``grade --scheduler``: a real scheduler and two real workers, one of them killed on the way."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.cluster import Parcel
from tests.any_course.course import command, environment, hand_in, make_course, scores, solved

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(*words: str) -> subprocess.Popen[bytes]:
    """A Dask program on loopback."""
    dask = Path(sys.executable).parent / "dask"
    quiet = subprocess.DEVNULL
    options = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "60s"}
    return subprocess.Popen(
        [dask, *words], env=environment() | options, stdout=quiet, stderr=quiet, cwd="/"
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end; kill it where it does not: how Dask takes leave is not what is tested.

    A worker says goodbye to its scheduler, and waits the whole connect timeout for one that
    has gone, so workers are ended before their scheduler.
    """
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(20)


@pytest.fixture
def cluster() -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers; yields the address and the workers."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    where = ("--host", "127.0.0.1")
    scheduler = start("scheduler", *where, "--port", str(port), "--no-dashboard")
    worker = ("worker", address, *where, "--nworkers", "1", "--nthreads", "1", "--no-dashboard")
    workers = [start(*worker, "--no-nanny") for _ in range(2)]
    yield address, workers
    for process in [*workers, scheduler]:
        end(process)


def test_a_worker_of_the_cluster_dies(
    tmp_path: Path, cluster: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    address, workers = cluster
    root = make_course(tmp_path / "course")
    command(root, "nbgrader", "generate_assignment", "week1")
    for number in range(8):
        wrong = {"mean": "def mean_price(prices):\n    return 6"} if number % 2 else {}
        hand_in(root, f"student{number}", numbers=solved("numbers", **wrong))
    thief = hand_in(root, "thief", numbers=None)
    (thief / "numbers.ipynb").symlink_to(root / "submitted/student0/week1/numbers.ipynb")
    graded = root / "autograded"

    def kill_one() -> None:
        until = time.monotonic() + 150
        while time.monotonic() < until and len(list(graded.glob("student*/week1"))) < 2:
            time.sleep(0.05)
        workers[0].send_signal(signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    program = ("python", "-m", "autograder", "grade", "week1", "--quiet", "--scheduler", address)
    done = command(root, *program)
    killer.join()
    assert workers[0].wait(10) == -signal.SIGKILL
    assert "graded 9 of 9" in done.stdout
    found = scores(root)
    assert all(found[f"student{n}"]["mean-test"] == (0 if n % 2 else 3) for n in range(8))
    assert all(found[f"student{n}"]["stack-test"] == 5 for n in range(8))
    assert found["thief"]["mean-test"] == 0
    assert (graded / "student0" / "week1" / "data" / "prices.csv").exists()


def test_no_scheduler_is_said_in_words(tmp_path: Path) -> None:
    root = make_course(tmp_path / "course")
    command(root, "nbgrader", "generate_assignment", "week1")
    hand_in(root, "ada")
    address = f"tcp://127.0.0.1:{free_port()}"
    program = ("python", "-m", "autograder", "grade", "week1", "--scheduler", address)
    done = command(root, *program, check=False)
    assert done.returncode == 2
    assert "no Dask scheduler answers" in done.stderr


def test_a_parcel_keeps_names_and_follows_no_link(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "a.csv").write_bytes(b"1,2")
    (folder / "secret.txt").symlink_to("/etc/passwd")
    parcel = Parcel.pack("ada", folder)
    assert parcel.files == {"data/a.csv": b"1,2"}
    out = tmp_path / "out"
    out.mkdir()
    parcel.unpack(out)
    assert (out / "data" / "a.csv").read_bytes() == b"1,2"
    assert (out / "secret.txt").is_symlink() and not (out / "secret.txt").exists()

"""Grade on a Dask cluster: notebooks go out, graded notebooks come back, one writer keeps them.

Every Dask worker process keeps one warm process of its own and judges in it. A worker that dies
costs nothing but time: Dask gives its submissions to another.
"""

from __future__ import annotations

import atexit
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from autograder.course_folder import CourseError
from autograder.pool import Item, Pool
from autograder.preload import preload_of
from autograder.spec import Outcome, Spec
from autograder.submission import walk

MAX_PART = 300 << 20  # bytes of one submission that are sent


@dataclass
class Parcel:
    """A folder on its way: files as bytes, links and other things by their name alone."""

    student: str
    files: dict[str, bytes] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)

    @classmethod
    def pack(cls, student: str, folder: Path) -> Parcel:
        """A submission folder as it is; links are not followed."""
        made = cls(student)
        left = MAX_PART
        for name, path, found in walk(folder):
            if path.is_symlink() or not path.is_file():
                made.links.append(name)
                continue
            left -= found.st_size
            if left >= 0:
                made.files[name] = path.read_bytes()
        return made

    def unpack(self, folder: Path) -> None:
        """The folder again; a link points nowhere, so that it is treated as a link."""
        for name, data in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        for name in self.links:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to("/nowhere")


def shipped(spec: Spec) -> tuple[dict[str, Any], dict[str, bytes]]:
    """A spec without this machine's paths, and the data files that it names."""
    told = asdict(spec)
    return told, {name: Path(path).read_bytes() for name, path in spec.files.items()}


_pools: dict[tuple[int, str], tuple[Pool, tempfile.TemporaryDirectory[str]]] = {}
_lock = threading.Lock()


@atexit.register
def _close() -> None:
    while _pools:
        pool, place = _pools.popitem()[1]
        pool.close()
        place.cleanup()


def _pool(told: dict[str, Any], data: dict[str, bytes]) -> Pool:
    """This thread's warm pool for an assignment, in a worker of the cluster."""
    key = (threading.get_ident(), f"{told['assignment']} {told['seed']}")
    with _lock:
        if key not in _pools:
            place = tempfile.TemporaryDirectory(prefix="cluster-")
            root = Path(place.name)
            files = {}
            for number, (name, content) in enumerate(data.items()):
                (root / str(number)).write_bytes(content)
                files[name] = str(root / str(number))
            paths = []
            for name, text in told["notebooks"].items():
                paths.append(root / f"{name}.ipynb")
                paths[-1].write_text(text, "utf-8")
            spec = Spec(**{**told, "files": files})
            pool = Pool(spec, preload=preload_of(paths, root))
            _pools[key] = (pool, place)
        return _pools[key][0]


def grade_parcel(told: dict[str, Any], data: dict[str, bytes], parcel: Parcel) -> dict[str, Any]:
    """Runs on the cluster: grade one submission and send it back."""
    pool = _pool(told, data)
    with tempfile.TemporaryDirectory(prefix="parcel-") as folder:
        parcel.unpack(Path(folder))
        return asdict(pool.grade(parcel.student, Path(folder)))


class Cluster:
    """The Dask cluster behind a scheduler, for one assignment."""

    def __init__(self, scheduler: str, spec: Spec) -> None:
        from distributed import Client

        try:
            self.client = Client(scheduler, timeout=20)
        except (OSError, ValueError) as error:
            raise CourseError(f"no Dask scheduler answers at {scheduler}: {error}") from None
        self.spec = spec

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *problem: object) -> None:
        self.client.close()

    def run(self, items: list[Item]) -> Iterator[Outcome]:
        """Grade the submissions; outcomes come as they get ready."""
        from distributed import as_completed

        told, data = shipped(self.spec)
        students: dict[Any, str] = {}
        for student, folder in items:
            parcel = Parcel.pack(student, folder)
            future = self.client.submit(grade_parcel, told, data, parcel, pure=False, retries=2)
            students[future] = student
        for future in as_completed(list(students)):
            yield self._outcome(students[future], future)

    def _outcome(self, student: str, future: Any) -> Outcome:
        error = future.exception()
        if error is not None:
            return Outcome(student, error=f"{type(error).__name__}: {error}")
        return Outcome(**future.result())

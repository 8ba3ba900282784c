"""What is shown by running: released stubs earn nothing, and every lesson runs."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

import nbformat

from autograder.course_folder import CourseFolder
from autograder.pool import Pool
from autograder.preload import preload_of
from autograder.release.gate import Leak
from autograder.release.plan import Plan
from course.syllabus import Exercise

LESSON_SECONDS = 900


def stubs(plan: Plan, folder: Path, chosen: Exercise) -> Iterator[Leak]:
    """Hand in a released assignment as it is: no graded cell may give a point for it."""
    from autograder.spec import Spec

    course = CourseFolder(plan.root)
    path = folder / "assignments" / chosen.folder / chosen.assignment.name
    where = path.relative_to(folder).as_posix()
    spec = Spec.of(course, chosen.folder, {})
    with Pool(spec, preload=preload_of([chosen.assignment], plan.root)) as pool:
        outcome = pool.grade("nobody", path.parent, path.stem)
    if outcome.error:
        yield Leak(where, f"it cannot be graded: {outcome.error}")
        return
    graded = 0
    for cell in nbformat.reads(outcome.notebooks[path.stem], as_version=4).cells:
        record = cell.metadata.get("autograder", {})
        graded += "max_points" in record
        if record.get("points", 0) > 0:
            cell_id = cell.metadata.nbgrader.grade_id
            yield Leak(
                where, f"cell {cell_id} gives {record['points']:g} points to an empty answer"
            )
    if not graded:
        yield Leak(where, "no cell of it is graded")


def environment(place: Path, folder: Path, fresh: bool) -> Path:
    """A python that finds the bundle's packages and not this repository's.

    With ``fresh`` everything is installed anew by the bundle's own installer, which takes minutes;
    otherwise the installed libraries are shared, but no package that is installed for editing.
    """
    target = place / "environment"
    bin_folder = target / ("Scripts" if os.name == "nt" else "bin")
    if fresh:
        command = [sys.executable, str(folder / "scripts" / "install.py"), str(target)]
        subprocess.run(command, check=True)
        return bin_folder / "python"
    venv.create(target, with_pip=False, symlinks=os.name != "nt")
    python = bin_folder / "python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True)
    # A path file within a folder that comes from a path file is not read: an editable install of
    # this repository stays out of sight.
    Path(site.stdout.strip(), "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def lesson(python: Path, folder: Path, chosen: Exercise) -> Iterator[Leak]:
    """Run a lesson of the bundle from its first cell to its last."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    path = folder / "course" / chosen.lesson.name
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as runtime:
        manager = AsyncKernelManager(connection_file=str(Path(runtime) / "kernel.json"))
        argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        manager._kernel_spec = KernelSpec(argv=argv, display_name="bundle", language="python")
        client = NotebookClient(
            notebook,
            km=manager,
            timeout=LESSON_SECONDS,
            resources={"metadata": {"path": path.parent}},
        )
        hidden = {"PYTHONPATH", "VIRTUAL_ENV"}
        clean = {key: value for key, value in os.environ.items() if key not in hidden}
        try:
            client.execute(env=clean)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            reason = str(error).strip().splitlines()[-1] if str(error).strip() else repr(error)
            yield Leak(path.relative_to(folder).as_posix(), f"it does not run: {reason}")

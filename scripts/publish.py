"""Execute the lessons and save them so that every viewer shows a picture.

    python scripts/publish.py             all lessons
    python scripts/publish.py gpt 11      some of them, by word or number
    python scripts/publish.py --check     execute nothing, say what is not fit to be published

A saved lesson holds the picture of each view and its line of text; the live widget is left out, for
without a kernel it would be a dead one. A notebook that stops is not saved: the one on disk stays.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parent.parent))
from course import views
from course.syllabus import ROOT, exercises
from course.views.base import LIVE

MOST_OUTPUT = 500_000  # characters of all outputs of a lesson
SECONDS_A_CELL = 900
HERE = (f"{ROOT}{os.sep}", f"site-packages{os.sep}")


def published(notebook: NotebookNode) -> NotebookNode:
    """The notebook as it is saved: no live widgets, no widget state, no times, no versions."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = NotebookNode(name="python")
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        for output in cell.outputs:
            output.get("data", {}).pop(LIVE, None)
        cell.outputs = [o for o in cell.outputs if o.get("data") != {}]
    return notebook


def unfit(notebook: NotebookNode) -> Iterator[str]:
    """What stands against publishing an executed notebook, a line each."""
    if "widgets" in notebook.metadata:
        yield "metadata.widgets: the state of widgets is saved"
    total = 0
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            said = json.dumps(output, ensure_ascii=False)
            total += len(said)
            if any(place in said for place in HERE):
                yield f"cell {cell.id}: an output names a folder of this machine: a warning?"
            if LIVE in data:
                yield f"cell {cell.id}: a live widget is saved, dead without its kernel"
            if output.output_type == "error":
                yield f"cell {cell.id}: {output.ename}: {output.evalue}"
            if _is_view(data.get("text/plain", "")) and "image/png" not in data:
                yield f"cell {cell.id}: {data['text/plain']} has no picture"
    if total > MOST_OUTPUT:
        yield f"outputs of {total:,} characters, but {MOST_OUTPUT:,} at most"


def _is_view(text: str) -> bool:
    """Whether a line of text output is that of a view: it begins with the name of its class."""
    found = getattr(views, text.split("(")[0], None)
    return isinstance(found, type) and issubclass(found, views.View)


def execute(path: Path) -> NotebookNode:
    """Run a lesson from top to bottom in its folder, with a progress bar over its cells."""
    notebook = nbformat.read(path, as_version=4)
    code = sum(cell.cell_type == "code" for cell in notebook.cells)
    with tqdm(total=code, desc=path.name, unit="cell") as bar:
        NotebookClient(
            notebook,
            timeout=SECONDS_A_CELL,
            kernel_name="python3",
            store_widget_state=False,
            resources={"metadata": {"path": str(path.parent)}},
            on_cell_executed=lambda **_: bar.update(),
        ).execute()
    return notebook


def chosen(words: Sequence[str]) -> list[Path]:
    """The lessons that are meant; ValueError for a word or number that is none."""
    known = {e.word: e.lesson for e in exercises().values()}
    numbers = {f"{e.number:02}": e.word for e in exercises().values()}
    wanted = [numbers.get(word.zfill(2), word) for word in words] or list(known)
    if strange := [word for word in wanted if word not in known]:
        raise ValueError(f"no lesson {', '.join(strange)}: there are {', '.join(known)}")
    return [known[word] for word in wanted]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("lessons", nargs="*", metavar="LESSON", help="word or number; else all")
    parser.add_argument("--check", action="store_true", help="execute nothing, only look")
    options = parser.parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        paths = chosen(options.lessons)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    failed = False
    for path in paths:
        try:
            notebook = (
                nbformat.read(path, as_version=4) if options.check else published(execute(path))
            )
        except CellExecutionError as error:
            print(
                f"{path.relative_to(ROOT)} stopped and was left as it is:\n{error}", file=sys.stderr
            )
            failed = True
            continue
        for line in unfit(notebook):
            print(f"{path.relative_to(ROOT)}: {line}", file=sys.stderr)
            failed = True
        if not options.check:
            nbformat.write(notebook, path)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

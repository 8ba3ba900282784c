"""Write docs/checks/<word>.md: which check catches which wrong specimen, and what it says.

python scripts/kill_matrix.py                  all exercises
python scripts/kill_matrix.py attention        one
python scripts/kill_matrix.py --check          change nothing, exit 1 where a table is out of date
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from course.checks import Result
from course.syllabus import Exercise, exercise, exercises
from tests.harness import caught_by, failed, grade_in_process, specimens

ROOT = Path(__file__).resolve().parent.parent
SEED = 1
OTHERS = 4  # names of further checks in one row
LENGTH = 160  # of a message, in characters


def graded(word: str, path: Path) -> list[Result]:
    """The results of one file, in this process, quiet, whatever the files before it have done."""
    random.seed(SEED), torch.manual_seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002 - the state that specimens draw from
    torch.set_grad_enabled(True)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        return grade_in_process(word, path, SEED)


def cell(text: str, length: int = LENGTH) -> str:
    """A text as one cell of a table, cut at a word."""
    text = re.sub(r"0x[0-9a-f]+", "0x…", " ".join(text.split()))
    if len(text) > length:
        text = text[:length].rpartition(" ")[0] + " …"
    return re.sub(r"([|<>*_\[\]`])", r"\\\1", text)


def wrong_row(word: str, path: Path) -> str:
    """A row of the table of wrong specimens."""
    messages, check = failed(graded(word, path)), caught_by(path)
    others = [f"`{name}`" for name in messages if name != check]
    shown = ", ".join(others[:OTHERS])
    more = f" and {len(others) - OTHERS} more" if len(others) > OTHERS else ""
    said = cell(messages[check]) if check in messages else "**survives**"
    return f"| {path.stem.replace('_', ' ')} | `{check}` | {said} | {shown}{more} |"


def right_row(word: str, path: Path, what: str) -> str:
    """A row of the table of right answers."""
    results = graded(word, path)
    got, most = (sum(getattr(r, key) for r in results) for key in ("points", "max_points"))
    lost = ", ".join(f"`{name}`" for name in failed(results))
    return f"| {path.stem.replace('_', ' ')} | {cell(what)} | {got:g} of {most:g} | {lost} |"


def form(path: Path) -> str:
    """What is different about a right specimen, from its first line."""
    return path.read_text("utf-8").splitlines()[0].removeprefix("# right:").strip("# ").strip()


def page(chosen: Exercise) -> str:
    """The page of one exercise."""
    word = chosen.word
    wrong, right = specimens(word, "wrong"), specimens(word, "right")
    bar = tqdm(wrong, desc=word, leave=False, disable=None)
    lines = [
        f"# Kill matrix: {chosen.title}",
        "",
        "```",
        f"python scripts/kill_matrix.py {word}",
        "```",
        "",
        f"{len(wrong)} wrong answers, each with one mistake, and {len(right) + 1} right ones of "
        f"different form. Each wrong one must lose the points of the check that is about its "
        f"mistake, with a message that names it; each right one must get full marks. Inputs are "
        f"drawn with seed {SEED}.",
        "",
        "| wrong answer | caught by | what the student reads | also fails |",
        "|---|---|---|---|",
        *(wrong_row(word, path) for path in bar),
        "",
        "| right answer | form | points | lost |",
        "|---|---|---|---|",
        right_row(word, ROOT / "solutions" / f"{word}.py", "the reference"),
        *(right_row(word, path, form(path)) for path in right),
    ]
    return "\n".join(lines) + "\n"


def same(old: str, new: str) -> bool:
    """Whether two pages agree but for numbers: processors round differently."""
    pages = (re.sub(r"[-+]?\d[\d.,e-]*", "#", text) for text in (old, new))
    return next(pages) == next(pages)


def main(argv: list[str] | None = None) -> int:
    """Write or check the pages; 1 when a specimen is graded wrongly or a page is out of date."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("word", nargs="*", help="exercises; all that have specimens by default")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    faults = 0
    for word in options.word or [w for w in exercises() if specimens(w, "wrong")]:
        text, path = page(exercise(word)), ROOT / "docs" / "checks" / f"{word}.md"
        stale = not path.exists() or not same(path.read_text("utf-8"), text)
        survivors = text.count("**survives**")
        refused = len(re.findall(r"\d of \d[\d.]* \| `", text))
        faults += survivors + refused + (stale and options.check)
        if stale and not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        state = ("out of date" if options.check else "written") if stale else "as it was"
        print(f"{word}: {survivors} survive, {refused} right ones refused; page {state}")
    return int(faults > 0)


if __name__ == "__main__":
    raise SystemExit(main())

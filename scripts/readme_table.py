"""Write the syllabus into README.md; with ``--check`` only say whether it is up to date."""

from __future__ import annotations

import argparse
import sys

import nbformat

from course.syllabus import ROOT, Exercise, exercises

BEGIN = "<!-- syllabus: made by scripts/readme_table.py -->"
END = "<!-- end of syllabus -->"


def points(chosen: Exercise) -> tuple[float, float]:
    """Points of an assignment's graded code cells and of its written questions."""
    code = written = 0.0
    for cell in nbformat.read(chosen.assignment, as_version=4).cells:
        graded = cell.metadata.get("nbgrader", {})
        if graded.get("grade"):
            if cell.cell_type == "code":
                code += graded["points"]
            else:
                written += graded["points"]
    return code, written


def table() -> str:
    """The exercises as a Markdown table, one row each."""
    rows = [
        "| | lesson | you write | minutes | difficulty | points |",
        "|---|---|---|---|---|---|",
    ]
    for chosen in exercises().values():
        code, written = points(chosen)
        names = ", ".join(f"`{name}`" for name in chosen.names)
        lesson = f"[{chosen.title}](course/{chosen.lesson.name})"
        stars = "●" * chosen.difficulty + "○" * (5 - chosen.difficulty)
        rows.append(
            f"| {chosen.number:02d} | {lesson} | {names} | {chosen.minutes} | {stars} "
            f"| {code:g} + {written:g} written |"
        )
    return "\n".join(rows)


def main() -> int:
    """Returns 1 when README.md differs and only a check was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing")
    options = parser.parse_args()
    path = ROOT / "README.md"
    text = path.read_text("utf-8")
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    wanted = f"{before}{BEGIN}\n{table()}\n{END}{after}"
    if wanted == text:
        return 0
    if options.check:
        print("README.md's syllabus is out of date: run python scripts/readme_table.py")
        return 1
    path.write_text(wanted, "utf-8")
    print("README.md's syllabus rewritten")
    return 0


if __name__ == "__main__":
    sys.exit(main())

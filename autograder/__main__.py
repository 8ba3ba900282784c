"""The instructor's command line: ``python -m autograder COMMAND``."""

from __future__ import annotations

import importlib
import sys

# Each command is imported when it is called: `--help` need not wait for torch.
COMMANDS = {
    "grade": ("autograder.grade", "grade an assignment's submissions, many at once"),
    "regrade": ("autograder.regrade", "grade again after a test was mended: who gains, who loses"),
    "try": ("autograder.answers", "grade answer files against one exercise, check by check"),
    "check": ("autograder.release_check", "say which cells of an assignment cannot be graded"),
    "doctor": ("autograder.doctor", "try every escape and print what the sandbox holds"),
    "release": ("autograder.release", "build what students get in week N, and prove it safe"),
    "report": ("autograder.instructor", "write a page on how a class did"),
    "sync": ("autograder.sync", "rewrite the assignments' solution regions from solutions/"),
}

USAGE = "usage: python -m autograder COMMAND [--help | OPTIONS]\n\ncommands:\n" + "\n".join(
    f"  {name:<8} {what}" for name, (_, what) in COMMANDS.items()
)


def main(argv: list[str]) -> int:
    """Run one command; returns its exit code, 2 for a command that does not exist."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(USAGE)
        return 0 if argv else 2
    if argv[0] not in COMMANDS:
        print(f"there is no command {argv[0]!r}\n\n{USAGE}", file=sys.stderr)
        return 2
    module, _ = COMMANDS[argv[0]]
    return int(importlib.import_module(module).main(argv[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

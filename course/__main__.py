"""`python -m course models|data|setup|colab`: what the course has here, and how to get it."""

from __future__ import annotations

import argparse
import sys

from course.cache import CourseError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 when it went well, 1 with one line on stderr when not."""
    parser = argparse.ArgumentParser(prog="python -m course", description=__doc__)
    parser.add_argument("command", choices=("models", "data", "setup", "colab"))
    command = parser.parse_args(arguments).command
    try:
        if command == "setup":
            from course.prepare import setup

            return setup()
        if command == "colab":
            from course.colab import prepare

            return prepare()
        if command == "models":
            from course.models.table import table
        else:
            from course.data.table import table
        print(table())
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

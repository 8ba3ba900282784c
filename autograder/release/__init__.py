"""``python -m autograder release``: what students get in week N, and the proof that it is safe.

The bundle holds lessons and assignments 1 to N, the ``course`` package with their visible checks,
and the ``solutions`` modules of exercises that are due. It is built beside its target, and takes
its place only when the gate has found no hidden test, no solution and no mark scheme in it.
"""

from autograder.release.command import main

__all__ = ["main"]

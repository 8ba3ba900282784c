"""Import nbformat without compiling a grammar of web addresses, which nothing here needs.

jsonschema, which nbformat imports, takes ``rfc3987_syntax`` along when that is installed, and does
without when it is not. Its import alone costs a second, more than all the rest together.
"""

from __future__ import annotations

import sys

GRAMMAR = "rfc3987_syntax"

if "nbformat" not in sys.modules and GRAMMAR not in sys.modules:
    sys.modules[GRAMMAR] = None  # type: ignore[assignment]  # jsonschema finds it missing
    try:
        import nbformat
    finally:
        del sys.modules[GRAMMAR]
else:
    import nbformat

__all__ = ["nbformat"]

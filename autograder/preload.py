"""What the warm process should import for an assignment: all that its notebooks will import.

Modules of the course itself are looked into, not imported: no test is ever loaded there.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

ALWAYS = ("autograder.light_nbformat", "numpy", "torch")
OWN = ("course", "autograder", "solutions")
# Parts that packages import at first use: no worker should pay for them.
USUAL = {
    "torch": ("torch.nn.functional", "torch.utils.data"),
    "matplotlib": (
        "matplotlib.pyplot",
        "matplotlib.backends.backend_agg",
        "matplotlib_inline.backend_inline",
    ),
    "transformers": ("torch._dynamo",),
    "tqdm": ("tqdm.auto",),
}


def preload_of(notebooks: Iterable[Path], root: Path) -> list[str]:
    """The modules to import for some source notebooks, as ``Zygote.start`` takes them."""
    reader = Reader(root)
    wanted = dict.fromkeys(ALWAYS)
    for path in notebooks:
        for cell in json.loads(path.read_text("utf-8")).get("cells", []):
            if cell.get("cell_type") == "code":
                wanted.update(dict.fromkeys(reader.imports("".join(cell["source"]))))
    packages = {name.split(".")[0].split(":")[0] for name in wanted}
    for package in sorted(packages & USUAL.keys()):
        wanted.update(dict.fromkeys(USUAL[package]))
    if reader.trains:
        wanted["torch._dynamo"] = None  # the first step of an optimizer imports it
    return list(wanted)


class Reader:
    """Finds what code imports, and what the course's own modules import in turn."""

    def __init__(self, root: Path) -> None:
        self.folders = (root, Path(__file__).resolve().parent.parent)
        self.seen: set[str] = set()
        self.trains = False

    def imports(self, text: str) -> Iterator[str]:
        """The modules that a text imports; "transformers:Name" for a name of that package."""
        self.trains = self.trains or re.search(r"\boptim\b", text) is not None
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError):
            return
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield from self._module(alias.name)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield from self._module(node.module)
                if node.module.split(".")[0] in OWN:  # a name may be a module of the package
                    for alias in node.names:
                        yield from self._module(f"{node.module}.{alias.name}")
                if node.module == "transformers":
                    yield from (f"transformers:{alias.name}" for alias in node.names)

    def _module(self, name: str) -> Iterator[str]:
        """A module to import; or, for one of the course's own, what it imports."""
        if name in self.seen:
            return
        self.seen.add(name)
        for folder in self.folders:
            base = folder.joinpath(*name.split("."))
            for path in (base.with_suffix(".py"), base / "__init__.py"):
                if path.exists():
                    yield from self.imports(path.read_text("utf-8"))
                    return
        top = name.split(".")[0]
        if top not in OWN and importlib.util.find_spec(top) is not None:
            yield name

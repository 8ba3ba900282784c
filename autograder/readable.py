"""Imports of the few modules that the instructor shows to a student, and of nothing beside them.

A worker may read ``/repo/solutions/attention.py`` but not list ``/repo/solutions``, so Python's
own path search would find nothing there. This finder knows the files by name.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Readable:
    """Finds the modules and packages among some readable paths, before anything else is asked."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.files: dict[str, Path] = {}
        self.folders: dict[str, Path] = {}
        for path in map(Path, paths):
            if path.suffix == ".py" and path.stem != "__init__":
                self._add_file(path)
            elif (path / "__init__.py").is_file():
                self.files[module_name(path)] = path / "__init__.py"
                self.folders[module_name(path)] = path

    def _add_file(self, path: Path) -> None:
        name = module_name(path.with_suffix(""))
        self.files[name] = path
        while "." in name:
            path, name = path.parent, name.rpartition(".")[0]
            self.folders.setdefault(name, path)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Called by the import system."""
        folder = self.folders.get(name)
        found = self.files.get(name)
        if found is not None:
            places = None if folder is None else [str(folder)]
            return importlib.util.spec_from_file_location(
                name, found, submodule_search_locations=places
            )
        if folder is None:
            return None
        # A package of which only some modules may be read: its __init__ is not run.
        spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(folder)]
        return spec


def module_name(path: Path) -> str:
    """The dotted name of a module: as many parents as are packages."""
    parts = [path.name]
    while (path.parent / "__init__.py").is_file():
        path = path.parent
        parts.append(path.name)
    return ".".join(reversed(parts))

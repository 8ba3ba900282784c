"""Outputs of cells as a worker sends them: only what nbformat knows is let through."""

from __future__ import annotations

import json
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


def is_text(value: Any) -> bool:
    """Whether a value is text as notebooks hold it: a string or a list of strings."""
    return type(value) is str or (type(value) is list and all(type(v) is str for v in value))


def _output(value: Any) -> dict[str, Any]:
    kind = value.get("output_type") if isinstance(value, dict) else None
    fields = FIELDS.get(kind) if isinstance(kind, str) else None
    if fields is None:
        raise WireError("an output of no known kind")
    if any(type(value.get(name)) is not wanted for name, wanted in fields.items()):
        raise WireError(f"a malformed output of kind {kind}")
    whole = {"output_type": kind} | {name: value[name] for name in fields}
    if kind == "error" and not is_text(value["traceback"]):
        raise WireError("a malformed traceback")
    if "data" in whole:
        whole["data"] = {k: v for k, v in value["data"].items() if is_text(v) or "json" in str(k)}
    try:
        return dict(json.loads(json.dumps(whole, allow_nan=False)))
    except (TypeError, ValueError, RecursionError) as error:  # a tensor, say
        raise WireError(f"an output that no notebook can hold: {error}") from error

"""The class that ``benchmarks/grading.py`` grades: torch and transformers, four tests by assert.

Every second copy is right; the others have one of three mistakes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ASSIGNMENT = "week1"
NOTEBOOK = "encoders"
IMPORTS = """import torch
from torch import nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel"""
ANSWERS = {
    "mean": '''def masked_mean(hidden, attention_mask):
    """The mean over real tokens: (batch, length, dim), (batch, length) -> (batch, dim)."""
    ### BEGIN SOLUTION
    mask = attention_mask[..., None].to(hidden.dtype)
    return (hidden * mask).sum(1) / mask.sum(1)
    ### END SOLUTION''',
    "causal": '''def causal_mask(length):
    """Boolean, (length, length), True where a query may look at a key."""
    ### BEGIN SOLUTION
    return torch.ones(length, length, dtype=torch.bool).tril()
    ### END SOLUTION''',
    "encoder": '''def make_encoder(width):
    """A BERT of two layers, two heads and 100 words, in evaluation mode."""
    ### BEGIN SOLUTION
    sizes = dict(num_hidden_layers=2, num_attention_heads=2, intermediate_size=2 * width)
    return BertModel(BertConfig(vocab_size=100, hidden_size=width, **sizes)).eval()
    ### END SOLUTION''',
    "vectors": '''def sentence_vectors(model, input_ids, attention_mask):
    """One vector a sentence: the mean of the last layer over real tokens."""
    ### BEGIN SOLUTION
    with torch.no_grad():
        hidden = model(input_ids, attention_mask=attention_mask).last_hidden_state
    return masked_mean(hidden, attention_mask)
    ### END SOLUTION''',
}
TESTS = {
    "mean": """hidden = torch.arange(12.0).reshape(1, 3, 4)
assert torch.allclose(masked_mean(hidden, torch.tensor([[1, 1, 0]])), hidden[:, :2].mean(1))""",
    "causal": """assert causal_mask(3).tolist() == [
    [True, False, False], [True, True, False], [True, True, True]]""",
    "encoder": """ids = torch.tensor([[1, 2, 3]])
assert tuple(make_encoder(16)(ids).last_hidden_state.shape) == (1, 3, 16)""",
    "vectors": """ids = torch.tensor([[5, 6, 7, 0], [8, 9, 10, 11]])
mask = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])
vectors = sentence_vectors(make_encoder(16), ids, mask)
assert tuple(vectors.shape) == (2, 16)
assert bool(torch.isfinite(vectors).all())""",
}
MISTAKES = (
    ("mean", "mask.sum(1)", "hidden.shape[1]"),
    ("causal", ".tril()", ".triu()"),
    ("vectors", "masked_mean(hidden, attention_mask)", "hidden"),
)


def marks(grade_id: str, kind: str) -> dict[str, Any]:
    """nbgrader's metadata for a cell."""
    made = {"grade_id": grade_id, "schema_version": 3, "task": False, "cell_type": "code"}
    made |= {"grade": kind == "test", "solution": kind == "answer", "locked": kind != "answer"}
    return {"nbgrader": made | ({"points": 2} if kind == "test" else {})}


def source() -> NotebookNode:
    """The instructor's notebook."""
    cells = [
        new_markdown_cell("# Sentence encoders", id="title"),
        new_code_cell(IMPORTS, id="imports", metadata=marks("imports", "locked")),
    ]
    for name, text in ANSWERS.items():
        cells.append(new_code_cell(text, id=name, metadata=marks(name, "answer")))
        test = new_code_cell(TESTS[name], id=f"{name}-test", metadata=marks(f"{name}-test", "test"))
        cells.append(test)
    made: NotebookNode = new_notebook(cells=cells)
    made.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    return made


def submission(number: int) -> NotebookNode:
    """What student ``number`` hands in."""
    made = source()
    wrong = MISTAKES[number // 2 % len(MISTAKES)] if number % 2 else None
    for cell in made.cells:
        lines = [line for line in cell.source.split("\n") if "SOLUTION" not in line]
        cell.source = "\n".join(lines)
        if wrong and cell.id == wrong[0]:
            cell.source = cell.source.replace(wrong[1], wrong[2])
    return made


def expected(number: int) -> float:
    """The points that student ``number`` deserves, of 8."""
    if number % 2 == 0:
        return 8.0
    # A wrong mean is not seen by the test of the vectors, which looks at their shape.
    return 6.0


def make_class(folder: Path, size: int, config: str) -> None:
    """A course folder with the source notebook and ``size`` submissions."""
    for place, notebook in [(folder / "source" / ASSIGNMENT, source())] + [
        (folder / "submitted" / f"student{n:03d}" / ASSIGNMENT, submission(n)) for n in range(size)
    ]:
        place.mkdir(parents=True)
        (place / f"{NOTEBOOK}.ipynb").write_text(json.dumps(notebook))
    (folder / "nbgrader_config.py").write_text(config)

"""Which submitted cell is which cell of the source notebook.

By grade id, then cell id, then text, then the names that it defines, then likeness, then place.
Each step leaves alone what an earlier one decided.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field

from autograder.authority import Authority, SourceCell, bound_names
from autograder.reading import RawCell

LIKE = 0.85  # ratio of difflib from which two texts of one kind count as one
COMPARED = 4_000  # characters of a text that are compared
COMPARISONS = 1_000  # of two texts that hold the same characters: some milliseconds each


@dataclass
class Matching:
    """``claims[j]`` is the source cell that submitted cell j stands for, by index, or None."""

    claims: list[int | None]
    answers: dict[int, list[int]] = field(default_factory=dict)
    merged: dict[int, int] = field(default_factory=dict)
    marks_lost: bool = False

    def standing_for(self, index: int) -> list[int]:
        """The submitted cells that stand for one source cell, in their order."""
        return [j for j, claim in enumerate(self.claims) if claim == index]


def unfenced(text: str) -> str:
    """A text without the ``` fence around it, as code pasted into a text cell often has."""
    lines = text.strip().split("\n")
    if len(lines) > 2 and lines[0].startswith("```") and lines[-1].startswith("```"):
        return "\n".join(lines[1:-1])
    return text


def same(one: str, other: str) -> bool:
    """Whether two texts are one but for white space at line ends and around."""
    return [line.rstrip() for line in one.strip().split("\n")] == [
        line.rstrip() for line in other.strip().split("\n")
    ]


def is_stub(cell: RawCell, source: SourceCell) -> bool:
    """Whether a submitted cell says nothing: empty, or just as it was released."""
    return not cell.text.strip() or same(cell.text, source.released)


class Matcher:
    """One submission against the authority."""

    def __init__(self, authority: Authority, cells: list[RawCell]) -> None:
        self.authority = authority
        self.cells = cells
        self.found = Matching([None] * len(cells))
        self.names = [bound_names(unfenced(cell.text)) for cell in cells]

    def run(self) -> Matching:
        """All steps in order."""
        self._by_grade_id()
        self.found.marks_lost = not any(claim is not None for claim in self.found.claims)
        self._by_cell_id()
        self._by_text()
        self._answers()
        self._by_likeness()
        self._written_by_place()
        return self.found

    def _free(self) -> list[int]:
        return [j for j, claim in enumerate(self.found.claims) if claim is None]

    def _unmatched(self) -> list[SourceCell]:
        taken = set(self.found.claims)
        return [cell for cell in self.authority.cells if cell.index not in taken]

    def _by_grade_id(self) -> None:
        for j, cell in enumerate(self.cells):
            grade_id = cell.marks.get("grade_id")
            source = self.authority.by_grade_id.get(grade_id) if isinstance(grade_id, str) else None
            if source is not None:
                self.found.claims[j] = source.index

    def _by_cell_id(self) -> None:
        ids = {source.cell_id: source for source in self._unmatched()}
        for j in self._free():
            source = ids.pop(self.cells[j].cell_id, None)
            if source is not None:
                self.found.claims[j] = source.index

    def _by_text(self) -> None:
        for j in self._free():
            text = self.cells[j].text
            if not text.strip():
                continue
            for source in self._unmatched():
                if same(text, source.released):
                    self.found.claims[j] = source.index
                    break

    def _answers(self) -> None:
        """Each answer's candidates: cells with its id, or others that define its names."""
        for source in self.authority.cells:
            if source.kind == "answer":
                self._answer(source)

    def _answer(self, source: SourceCell) -> None:
        own = self.found.standing_for(source.index)
        written = [j for j in own if not is_stub(self.cells[j], source)]
        right = [j for j in written if not source.names or self.names[j] & source.names]
        if not right:
            right = self._definers(source) or written
        for j in right:
            claim = self.found.claims[j]
            other = None if claim is None else self.authority.cells[claim]
            if other is None or other.kind in ("test", "locked", "task", "written", "free"):
                self.found.claims[j] = source.index
            elif other.index < source.index and self.names[j] & other.names:
                self.found.merged[source.index] = j  # one cell holds both: it runs as the first
                return
            else:
                self.found.claims[j] = source.index  # its grade id was another's, or a later one
        self.found.answers[source.index] = [
            j for j in right if self.found.claims[j] == source.index
        ] or own

    def _definers(self, source: SourceCell) -> list[int]:
        """Cells elsewhere that define most of the answer's names, and are not as released."""
        if not source.names:
            return []
        count = {}
        for j, names in enumerate(self.names):
            claim = self.found.claims[j]
            other = None if claim is None else self.authority.cells[claim]
            if other is not None and same(self.cells[j].text, other.released):
                continue
            if names & source.names:
                count[j] = len(names & source.names)
        return [j for j in count if count[j] == max(count.values())]

    def _by_likeness(self) -> None:
        """Edited locked cells, tests and texts that lost their marks."""
        sources = [s for s in self._unmatched() if s.kind != "answer" and len(s.released) > 30]
        left = COMPARISONS
        for j in self._free():
            text = self.cells[j].text[:COMPARED]
            for source in sources:
                matcher = difflib.SequenceMatcher(None, text, source.released[:COMPARED])
                # Cheap bounds first.
                if matcher.real_quick_ratio() <= LIKE or matcher.quick_ratio() <= LIKE:
                    continue
                left -= 1
                if left < 0:
                    return
                if matcher.ratio() > LIKE:
                    self.found.claims[j] = source.index
                    sources.remove(source)
                    break

    def _written_by_place(self) -> None:
        """A written answer without marks is the text between its question and what follows."""
        for source in self._unmatched():
            if source.kind != "written":
                continue
            before = self._last_before(source.index)
            after = self._first_after(source.index)
            between = [j for j in self._free() if before < j < after and self.cells[j].text.strip()]
            between = [j for j in between if self.cells[j].cell_type != "code"] or between
            for j in between:
                self.found.claims[j] = source.index

    def _last_before(self, index: int) -> int:
        """The submitted place of the nearest source cell before ``index`` that was handed in."""
        for earlier in range(index - 1, -1, -1):
            places = self.found.standing_for(earlier)
            if places:
                return places[-1]
        return -1

    def _first_after(self, index: int) -> int:
        for later in range(index + 1, len(self.authority.cells)):
            places = self.found.standing_for(later)
            if places:
                return places[0]
        return len(self.cells)

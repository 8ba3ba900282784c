"""Take a submission in: the source notebook with the student's answers and extra cells.

Tests, points, locked cells and their order come from the source. A student's own cells keep their
place relative to their neighbours. Whatever was put right is said in plain words.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from nbformat import NotebookNode

from autograder.authority import Authority, SourceCell, checksum
from autograder.matching import Matcher, Matching, is_stub, same, unfenced
from autograder.reading import RawCell, Reading

RUN_TAGS = ("skip-execution", "raises-exception")


@dataclass
class Planned:
    """One cell of the notebook to grade; ``source`` is None for a student's own cell."""

    node: NotebookNode
    source: SourceCell | None
    answered: bool = True


@dataclass
class Intake:
    """The notebook to grade, in order, and what to tell the student."""

    cells: list[Planned]
    notes: list[str] = field(default_factory=list)


def take_in(authority: Authority, reading: Reading) -> Intake:
    """Merge what was handed in with the source notebook. Never raises on a submission."""
    cells = reading.cells or []
    found = Matcher(authority, cells).run()
    merger = Merger(authority, cells, found)
    planned = merger.plan()
    notes = list(reading.notes)
    if reading.cells is not None:
        notes += merger.notes()
    return Intake(planned, notes)


class Merger:
    """Builds the notebook to grade from a matching."""

    def __init__(self, authority: Authority, cells: list[RawCell], found: Matching) -> None:
        self.authority = authority
        self.cells = cells
        self.found = found
        self.holders: dict[int, int] = {}
        self.said: list[str] = []

    def plan(self) -> list[Planned]:
        """Source order; after each cell the student's own cells that followed it."""
        for source in self.authority.cells:
            holder = self._holder(source)
            if holder is not None:
                self.holders[source.index] = holder
        following = self._extras()
        planned = following[-1]
        for source in self.authority.cells:
            own = self._planned(source)
            if own is not None:
                planned.append(own)
            planned += following[source.index]
        return planned

    def _holder(self, source: SourceCell) -> int | None:
        """The submitted cell that gives a source cell its text, if the student may give it."""
        own = self.found.standing_for(source.index)
        if source.kind == "answer":
            own = self.found.answers.get(source.index, [])
            written = [j for j in own if not is_stub(self.cells[j], source)] or own
            tested = self._place_of_test(source)
            before = [j for j in written if j < tested]
            # Cells run in order: the last definition before the tests is the one they would see.
            return before[-1] if before else (written[0] if written else None)
        if source.kind in ("written", "free"):
            changed = [j for j in own if not is_stub(self.cells[j], source)]
            kept = changed or own
            return kept[0] if kept else None
        return None

    def _place_of_test(self, source: SourceCell) -> int:
        for later in self.authority.cells[source.index + 1 :]:
            if later.kind == "test":
                places = self.found.standing_for(later.index)
                places = [j for j in places if not self._moved(j, later)]
                return places[0] if places else len(self.cells)
        return len(self.cells)

    def _moved(self, j: int, source: SourceCell) -> bool:
        return any(j == holder and index != source.index for index, holder in self.holders.items())

    def _extras(self) -> dict[int, list[Planned]]:
        """The student's own cells by the source cell that they follow; -1 is the very start."""
        following: dict[int, list[Planned]] = defaultdict(list)
        anchor, used, number = -1, set(self.holders.values()), 0
        for j, cell in enumerate(self.cells):
            claim = self.found.claims[j]
            if claim is not None:
                # An earlier copy of an answer stays before the copy that is graded.
                anchor = claim - 1 if j < self.holders.get(claim, -1) else claim
            if j in used or not cell.text.strip():
                continue
            source = None if claim is None else self.authority.cells[claim]
            if source is not None and not self._own_text(cell, source):
                continue
            number += 1
            following[anchor].append(Planned(self._extra(cell, number), None))
        return following

    def _own_text(self, cell: RawCell, source: SourceCell) -> bool:
        """Whether a second cell for a source cell holds something of the student's own."""
        if source.kind in ("test", "locked", "task"):
            return False
        return not is_stub(cell, source)

    def _extra(self, cell: RawCell, number: int) -> NotebookNode:
        made = NotebookNode(id=f"own-{number}", cell_type=cell.cell_type, metadata=NotebookNode())
        made.source = cell.text
        made.metadata["autograder"] = NotebookNode(own=True)
        if cell.cell_type == "code":
            made.outputs, made.execution_count = [], None
        attach(made, cell)
        return made

    def _planned(self, source: SourceCell) -> Planned | None:
        holder = self.holders.get(source.index)
        if source.kind not in ("answer", "written", "free"):
            return Planned(self.authority.node(source), source)
        if holder is None:
            # A plain cell that its author threw away stays away; an answer's place stays.
            if source.kind == "free" and self.cells and source.runs:
                return None
            text = "" if source.index in self.found.merged else source.released
            return Planned(self.authority.node(source, text), source, answered=False)
        cell = self.cells[holder]
        text = unfenced(cell.text) if source.runs and cell.cell_type != "code" else cell.text
        answered = source.kind == "free" or not is_stub(cell, source)
        node = self.authority.node(source, text)
        attach(node, cell)
        return Planned(node, source, answered)

    def notes(self) -> list[str]:
        """What was put right, in plain words, the general first."""
        said = []
        if self.found.marks_lost and self.cells:
            said.append(
                "The notebook had lost the marks by which nbgrader knows its cells (some editors "
                "drop them). Your answers were found by their names and places."
            )
        order = [i for i in (self._first_claim(s) for s in self.authority.cells) if i is not None]
        if order != sorted(order):
            said.append("Cells had changed places. They were graded in the assignment's own order.")
        if any(tag in RUN_TAGS for cell in self.cells for tag in cell.tags):
            said.append("Tags that keep a cell from running have no effect on grading.")
        for source in self.authority.cells:
            if source.grade_id is not None:
                said += self._about(source)
        if any(self._marks_changed(j) for j in range(len(self.cells))):
            said.append(
                "Points, ids, checksums or other marks of cells had been changed. "
                "The assignment's own were used."
            )
        return said

    def _first_claim(self, source: SourceCell) -> int | None:
        own = self.found.standing_for(source.index)
        return own[0] if own else None

    def _about(self, source: SourceCell) -> list[str]:
        own = self.found.standing_for(source.index)
        name = f"`{source.grade_id}`"
        if source.index in self.found.merged:
            return [f"The answer {name} was found in another cell, together with a second answer."]
        if not own:
            return [f"The {words(source)} {name} was missing." + put_back(source)]
        said = []
        types = {self.cells[j].cell_type for j in own}
        if types != {source.cell_type}:
            other = next(iter(types - {source.cell_type}))
            said.append(
                f"The {words(source)} {name} had been turned into a {other} cell. "
                f"It was graded as {'code' if source.runs else 'text'}."
            )
        if len(own) > 1:
            said.append(f"The {words(source)} {name} was there {len(own)} times.{one_of(source)}")
        if source.kind in ("test", "locked", "task") and not self.found.marks_lost:
            texts = (self.cells[j].text for j in own)
            if not all(same(t, source.released) or same(t, source.text) for t in texts):
                said.append(f"The cell {name} cannot be changed; its original text was used.")
        return said

    def _marks_changed(self, j: int) -> bool:
        """Whether a cell's marks differ from those that it was released with."""
        marks, claim = self.cells[j].marks, self.found.claims[j]
        grade_id = marks.get("grade_id")
        if not marks:
            return False
        if claim is None or self.authority.cells[claim].grade_id != grade_id:
            return bool(grade_id)
        source = self.authority.cells[claim]
        for key in ("grade", "solution", "locked", "points", "task"):
            if key in marks and marks[key] != source.marks.get(key, marks[key]):
                return True
        given = marks.get("checksum")
        valid = {
            checksum(source.cell_type, text, source.marks)
            for text in (source.released, source.text, source.released.strip("\n"))
        }
        return isinstance(given, str) and given not in valid


def attach(node: NotebookNode, cell: RawCell) -> None:
    """Keep the pictures attached to a text cell, when they are pictures."""
    if node.cell_type == "markdown" and cell.attachments:
        from autograder.sanitise import safe_attachments

        node.attachments = NotebookNode(safe_attachments({"attachments": cell.attachments}))


def words(source: SourceCell) -> str:
    """What a student calls a cell of that kind."""
    return {
        "test": "test cell",
        "answer": "answer cell",
        "written": "written answer",
        "task": "task cell",
    }.get(source.kind, "cell")


def put_back(source: SourceCell) -> str:
    return "" if source.kind in ("answer", "written") else " It was put back and graded."


def one_of(source: SourceCell) -> str:
    if source.kind == "answer":
        return " All were run in their order, and the last one before the tests was graded."
    return " The first was graded." if source.kind == "written" else " One is enough."

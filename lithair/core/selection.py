"""Selections: the items that a list was asked for, all of them, in the order asked for.

Law: a selection is what a scan would find now, or it is not given. It is found by its question:
tests and order, for whoever and whichever page. What was written since in its section (see
`section`) is tested again and put in its place, so a list costs its page only. Only what columns
tell all about is kept here, so no item is decoded or read.
"""

import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from lithair.core.choice import section_of
from lithair.core.event import Slot
from lithair.core.query import Query, bytes_of_tests
from lithair.core.section import SECTION_BYTES, Columns, Section
from lithair.core.tables import Tables
from lithair.core.values import Sortable

BYTES_MAX: Final = 8 << 20  # of one model; 800 selections of 1,000 items
SELECTED_MAX: Final = 1 << 13  # items of one; a scan does not put more in order in one go either
ITEM_BYTES: Final = 8  # of a slot in an array of them
SELECTION_BYTES: Final = 1024 + SECTION_BYTES  # of an empty one: its question, its section
# What taking a write in costs: about this many items passed over, and the half of those selected.
WRITE_WORK: Final = 4096
WORK_MAX: Final = 1 << 20  # 2 to 3 ms in one go; past it a scan in slices is better
SCAN_WORK_MIN: Final = 4 * WRITE_WORK  # what beginning anew costs, by whatever is looked at
SCAN_WORK: Final = 128  # and of each item that is

Column = Sequence[Sortable | None]
Sort = tuple[tuple[str, bool], ...]  # (field, is descending)


class Question(NamedTuple):
    """What two lists have in common that look at the same items in the same order.

    Values of fields that have a column can be hashed; of others they may not.
    """

    tests: tuple[tuple[str, str, tuple[Sortable | None, ...]], ...]
    sort: Sort


def question_of(query: Query) -> Question:
    return Question(
        tuple((test.path.text, test.operator, test.operands) for test in query.tests),
        _sort_of(query),
    )


def _sort_of(query: Query) -> Sort:
    return tuple((path.text, descending) for path, descending in query.sort)


def _is_before(a: Slot, b: Slot, by: list[tuple[Column, bool]]) -> bool:
    """Compare as a scan sorts: null is last in both directions, equals are in creation order."""
    for column, descending in by:
        one, other = column[a], column[b]
        if one is None or other is None:
            if one is not other:
                return other is None
        elif one != other:
            return other < one if descending else one < other
    return a < b


class Selection:
    """The slots of one question in order, as of a count of its section's writes."""

    def __init__(
        self, query: Query, section: Section, slots: Iterable[Slot], looked_at: int
    ) -> None:
        self.section = section
        self.slots = array("Q", slots)
        tests = query.tests
        self._tests = [(test.path.text, test.matches) for test in tests]
        self._sort = _sort_of(query)
        self._work_max = min(WORK_MAX, SCAN_WORK_MIN + SCAN_WORK * looked_at)
        self._writes = section.writes
        self._words_bytes = bytes_of_tests(tests)

    @property
    def bytes(self) -> int:
        return SELECTION_BYTES + self._words_bytes + sys.getsizeof(self.slots)

    def refresh(self, tables: Tables) -> bool:
        """Take in what was written; tells whether it did: not when to begin anew costs less."""
        recent = self.section.since(self._writes)
        if recent is None:
            return False
        if recent:
            written = set(recent)
            if len(written) * (WRITE_WORK + len(self.slots)) > self._work_max:
                return False
            self._writes = self.section.writes
            self._place(written, tables)
        return True

    def _place(self, written: set[Slot], tables: Tables) -> None:
        slots, cells, columns = self.slots, tables.projection.cells, tables.columns
        for slot in written:
            at = _index(slots, slot)
            if at >= 0:
                del slots[at]
        for slot in written:
            if cells[slot] is not None and all(
                matches(columns[wire][slot]) for wire, matches in self._tests
            ):
                slots.insert(self._place_of(slot, columns), slot)

    def _place_of(self, slot: Slot, columns: Columns) -> int:
        """Say how many stand before an item, whether or not it is selected itself."""
        slots, by = self.slots, [(columns[wire], descending) for wire, descending in self._sort]
        low, high = 0, len(slots)
        while low < high:
            middle = (low + high) // 2
            if _is_before(Slot(slots[middle]), slot, by):
                low = middle + 1
            else:
                high = middle
        return low

    def behind(self, slot: Slot, columns: Columns) -> int:
        """Say where the list goes on behind an item."""
        at = self._place_of(slot, columns)
        return at + (at < len(self.slots) and self.slots[at] == slot)


def _index(slots: "array[int]", slot: Slot) -> int:
    """Find a slot, at a quarter of what `array.index` costs; -1 when it is not there."""
    data, wanted = slots.tobytes(), slot.to_bytes(ITEM_BYTES, sys.byteorder)
    at = data.find(wanted)
    while at % ITEM_BYTES and at >= 0:
        at = data.find(wanted, at + 1)
    return at // ITEM_BYTES


class Selections:
    """The selections of one model, the longest unasked first."""

    def __init__(self, tables: Tables) -> None:
        self.bytes = 0
        self._tables = tables
        self._kept: dict[Question, Selection] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Selection]:
        return iter(self._kept.values())

    def find(self, query: Query) -> Selection | None:
        """Give what a query selects now, where that is kept."""
        columns = self._tables.columns
        if not self._kept or not all(test.path.text in columns for test in query.tests):
            return None
        question = question_of(query)
        selection = self._kept.pop(question, None)
        if selection is None:
            return None
        self.bytes -= selection.bytes
        if not selection.refresh(self._tables):
            self._tables.sections.release(selection.section)
            return None
        self._add(question, selection)
        return selection

    def keep(self, query: Query, slots: list[Slot], looked_at: int) -> None:
        """Take in all that a query selects now, in order; the columns tell all it asks about.

        A scan had to look at `looked_at` items for it.
        """
        if len(slots) > SELECTED_MAX:
            return
        question = question_of(query)
        if (held := self._kept.pop(question, None)) is not None:
            self._let_go(held)
        section = section_of(self._tables, query.tests)
        self._add(question, Selection(query, section, slots, looked_at))

    def _add(self, question: Question, selection: Selection) -> None:
        self._kept[question] = selection
        self.bytes += selection.bytes
        while self.bytes > BYTES_MAX:
            self._let_go(self._kept.pop(next(iter(self._kept))))

    def _let_go(self, selection: Selection) -> None:
        self.bytes -= selection.bytes
        self._tables.sections.release(selection.section)

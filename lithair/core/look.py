"""Looks: which of some items pass a query's tests, and what they are to be sorted by.

Law: nothing is decoded that a column of an index tells, and no evicted item is read that its kept
fields can tell about: those that have to be are put into `cold`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from lithair.core.event import Slot
from lithair.core.kept import HOT
from lithair.core.query import Filter, Query, Test
from lithair.core.shape import Path
from lithair.core.tables import Tables
from lithair.core.values import Sortable

ValueOf = Callable[[Slot], Sortable | None]
Columns = Sequence[Sequence[Sortable | None]]  # of some items, by path


class Look:
    """Looks at items for one query, as long as the tables are not rebuilt."""

    def __init__(self, tables: Tables, query: Query) -> None:
        self.cold: deque[Slot] = deque()  # evicted items that have to be read
        self._projection = tables.projection
        columns = {path.text: tables.columns.get(path.text) for path in _paths_of(query)}
        self._told = [
            (test, column)
            for test in query.tests
            if (column := columns[test.path.text]) is not None
        ]
        self._paths = paths = [path for path in _paths_of(query) if columns[path.text] is None]
        texts = [path.text for path in paths]
        untold = [test for test in query.tests if test.path.text in texts]
        self._tests = _placed(untold, texts)
        self._reader = tables.readers.of(paths) if paths else None
        # What the kept fields of an evicted item tell.
        warm = [path for path in paths if tables.kept.covers([path.field.wire])]
        self._warm_tests = _placed(untold, [path.text for path in warm])
        self._warm_reader = tables.kept.reader(warm) if warm else None
        self._warm_tells_all = len(warm) == len(paths)
        # By path to sort by: its values of the items that passed, where no column has them.
        ranks = {p.text: dict[Slot, Sortable | None]() for p, _ in query.sort if p.text in texts}
        self._ranks = [(texts.index(text), values) for text, values in ranks.items()]
        self.order: list[tuple[ValueOf, bool]] = []  # (what gives a value, is descending)
        for path, descending in query.sort:
            column = columns[path.text]
            values = ranks[path.text].__getitem__ if column is None else column.__getitem__
            self.order.append((values, descending))

    @property
    def decodes(self) -> bool:
        return self._reader is not None

    def passing(self, slots: Iterable[Slot], known: Filter | None = None) -> list[Slot]:
        """Give those that pass; an index told of them that they were there and passed `known`.

        One that is gone meanwhile may be among them. Cold ones are left out: read them, and ask
        `passes`.
        """
        cells = self._projection.cells
        left = list(slots) if known else [slot for slot in slots if cells[slot] is not None]
        for test, column in self._told:
            if test is not known:
                matches = test.matches
                left = [slot for slot in left if matches(column[slot])]
        if self._reader is None:
            return left
        hot: list[Slot] = []
        hot_cells: list[bytes] = []
        warm: list[Slot] = []
        for slot in left:
            cell = cells[slot]
            if cell is None:
                continue
            if cell[0] == HOT:
                hot.append(slot)
                hot_cells.append(cell)
            else:
                warm.append(slot)
        found = self._chosen(hot, self._reader.read_columns(hot_cells)) if hot else []
        return found + self._passing_warm(warm) if warm else found

    def _passing_warm(self, slots: list[Slot]) -> list[Slot]:
        columns: Columns = []
        if self._warm_reader is not None:
            keys, cell = self._projection.keys, self._projection.cell
            columns = self._warm_reader.read_columns(
                list(map(cell, slots)), [key for slot in slots if (key := keys[slot]) is not None]
            )
        if self._warm_tells_all:
            return self._chosen(slots, columns)
        self.cold.extend(slots[row] for row in _rows(len(slots), columns, self._warm_tests))
        return []

    def passes(self, slot: Slot, payload: bytes) -> bool:
        """Tell whether a cold item passes, once it was read."""
        return bool(self._chosen([slot], self._values(payload)))

    def rank(self, slot: Slot, payload: bytes) -> None:
        """Have an item sorted with the others, whether or not it passes."""
        self._note([slot], [0], self._values(payload))

    def _values(self, payload: bytes) -> Columns:
        return [] if self._reader is None else [[value] for value in self._reader.read(payload)]

    def _chosen(self, slots: list[Slot], columns: Columns) -> list[Slot]:
        rows = _rows(len(slots), columns, self._tests)
        self._note(slots, rows, columns)
        return [slots[row] for row in rows]

    def _note(self, slots: list[Slot], rows: Iterable[int], columns: Columns) -> None:
        for place, values in self._ranks:
            column = columns[place]
            values.update((slots[row], column[row]) for row in rows)


def _rows(count: int, columns: Columns, tests: list[tuple[Test, int]]) -> list[int]:
    """Give the numbers of the rows that pass."""
    rows = list(range(count))
    for matches, place in tests:
        column = columns[place]
        rows = [row for row in rows if matches(column[row])]
    return rows


def _placed(tests: Iterable[Filter], texts: list[str]) -> list[tuple[Test, int]]:
    return [
        (test.matches, texts.index(test.path.text)) for test in tests if test.path.text in texts
    ]


def _paths_of(query: Query) -> list[Path]:
    """Give each field that a query asks about once, however often it does."""
    paths = [test.path for test in query.tests] + [path for path, _ in query.sort]
    return list({path.text: path for path in paths}.values())

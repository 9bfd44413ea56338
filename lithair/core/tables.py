"""The committed state of a model: the projection and every index over it, changed together.

Law: after each change, every index agrees with the projection; a scan that is under way is told of
each slot that changed, so that its answer is exact at the seq it ends on.
"""

from collections.abc import Collection, Iterable, Sequence
from operator import itemgetter
from typing import Final, Protocol, cast

from lithair.core.event import EventKind, Slot
from lithair.core.eviction import EvictionQueue
from lithair.core.index import SortedIndex, UniqueIndex
from lithair.core.kept import HOT, Kept, is_hot
from lithair.core.nan import NAN
from lithair.core.projection import Projection
from lithair.core.schema import FieldInfo, Schema
from lithair.core.section import Sections
from lithair.core.shape import Path, Reader, Readers
from lithair.core.values import Sortable, sortable
from lithair.retention import Retention

_first_byte = itemgetter(0)
FILLED_AT_ONCE: Final = 256  # items whose values are decoded by one call: a few 100 kB of JSON


class Watcher(Protocol):
    """Something that reads over several turns of the loop, and must see what changed meanwhile."""

    touched: set[Slot]


class BrokenUnique(Exception):
    """Items of the log share a value of a field that is now `Unique`."""

    def __init__(self, field: str, first: str, second: str) -> None:
        super().__init__(f"items {first!r} and {second!r} have the same value of {field!r}")
        self.field = field


def path_of(field: FieldInfo) -> Path:
    return Path(field.wire, field, (), field.base, sortable(field))


class Tables:
    """Owns the projection and the indexes of one model."""

    def __init__(self, schema: Schema) -> None:
        self.projection = Projection()
        self.kept = Kept(schema)
        self.eviction: EvictionQueue | None = None  # without retention nothing is ever evicted
        self.uniques = {f.wire: UniqueIndex() for f in schema.fields if f.unique}
        self.sorted = {f.wire: SortedIndex() for f in schema.fields if f.indexed}
        self.watchers: list[Watcher] = []
        self.sections = Sections()
        self.readers = Readers()  # for looks at items
        fields = [f for f in schema.fields if f.unique or f.indexed]
        self._wires = [f.wire for f in fields]
        # Their values by slot, None where it is dead: the same objects that the indexes hold.
        self.columns: dict[str, list[Sortable | None]] = {wire: [] for wire in self._wires}
        self._reader = Reader(path_of(f) for f in fields) if fields else None
        self._warm_reader = self.kept.reader(path_of(f) for f in fields)

    def set_retention(self, retention: Retention) -> None:
        """Keep only part of the items whole; before anything is taken in."""
        if retention != Retention():
            self.eviction = EvictionQueue(retention, self.projection)

    def leave_out_indexes(self) -> None:
        """Have no index, for a state that is looked through once; before anything is taken in."""
        self.uniques, self.sorted, self.columns = {}, {}, {}
        self._wires, self._reader = [], None

    def index_values(self, payload: bytes) -> dict[str, Sortable | None]:
        """Read the values of the unique and indexed fields out of an item's JSON."""
        if self._reader is None:
            return {}
        return dict(zip(self._wires, self._reader.read(payload), strict=True))

    def _columns_of(self, cells: list[bytes], keys: list[str]) -> list[list[Sortable | None]]:
        """Give the same of many items, field by field: a run of equally hot ones at C speed."""
        assert self._reader is not None, "asked for only where there are indexes"
        heads = set(map(_first_byte, cells))
        if heads == {HOT}:
            return self._reader.read_columns(cells)
        if HOT not in heads:
            return self._warm_reader.read_columns(cells, keys)
        read, read_warm = self._reader.read, self._warm_reader.read
        rows = [
            read(cell) if is_hot(cell) else read_warm(cell, key)
            for cell, key in zip(cells, keys, strict=True)
        ]
        return [list(column) for column in zip(*rows, strict=True)]

    def apply(self, kind: int, key: str, payload: bytes, seq: int, time_ms: int) -> Slot:
        """Take one committed event in; gives the slot it changed."""
        projection, sections = self.projection, self.sections
        slot = projection.slots.get(key)
        left = sections.of(self.columns, slot) if sections and slot is not None else []
        if kind == EventKind.DELETE:
            assert slot is not None, f"event {seq} deletes {key!r}, which is not there"
            self._unindex(slot)
            projection.remove(slot)
        elif slot is None:
            slot = projection.insert(key, payload, seq, time_ms)
            self._index(payload, slot)
        else:
            self._reindex(payload, slot)
            projection.update(slot, payload, seq, time_ms)
        if self.eviction is not None and kind != EventKind.DELETE:
            self.eviction.written(seq, slot)
        for watcher in self.watchers:
            watcher.touched.add(slot)
        if sections:
            sections.written(slot, left, sections.of(self.columns, slot))
        return slot

    def insert(
        self, keys: list[str], payloads: list[bytes], columns: Sequence[Iterable[int]]
    ) -> None:
        """Take new items in that follow each other; the columns are in the order of `COLUMNS`."""
        projection, sections = self.projection, self.sections
        first = len(projection.keys)
        projection.insert_hot(keys, payloads, columns)
        slots = [Slot(slot) for slot in range(first, first + len(keys))]
        if self._reader is not None:
            self._index_all(self._columns_of(payloads, keys), slots)
        if self.eviction is not None:
            for seq, slot in zip(columns[0], slots, strict=True):
                self.eviction.written(seq, slot)
        for watcher in self.watchers:
            watcher.touched.update(slots)
        if sections:
            for slot in slots:
                sections.written(slot, [], sections.of(self.columns, slot))

    def evict(self, now_ms: int, at_most: int) -> bool:
        """Evict items that are over a bound; tells whether there may be more of them."""
        if self.eviction is None:
            return False
        projection = self.projection
        for _ in range(at_most):
            slot = self.eviction.next(now_ms)
            if slot is None:
                return False
            projection.evict(slot, self.kept.cell(projection.cell(slot)))
        return True

    def tidy(self) -> bool:
        """Rebuild the table when a quarter is dead and nobody is reading over it."""
        if self.watchers or not self.projection.wants_rebuild:
            return False
        moved = self.projection.rebuild()
        for unique in self.uniques.values():
            unique.move(moved)
        for ordered in self.sorted.values():
            ordered.move(moved)
        for wire, column in self.columns.items():
            self.columns[wire] = [column[slot] for slot in moved]
        if self.eviction is not None:
            self.eviction.refill()
        self.sections.lose_track()
        return True

    def fill_indexes(self) -> None:
        """Build every index in one pass, after a replay; raises `BrokenUnique`."""
        if self._reader is None:
            return
        projection = self.projection
        slots, keys, cells = projection.slots.values(), projection.keys, projection.cells
        if len(slots) < len(keys):  # not copied where none is dead: 8 MB of RAM a million each
            keys = [key for key in keys if key is not None]
            cells = [cell for cell in cells if cell is not None]
        columns: list[list[Sortable | None]] = [[] for _ in self._wires]
        for at in range(0, len(slots), FILLED_AT_ONCE):
            stop = at + FILLED_AT_ONCE
            run = cast(list[bytes], cells[at:stop]), cast(list[str], keys[at:stop])
            found = self._columns_of(*run)
            for column, values in zip(columns, found, strict=True):
                column.extend(values)
        for wire, column in zip(self._wires, columns, strict=True):
            self.columns[wire] = self._by_slot(column, slots)
            if wire in self.sorted:
                self.sorted[wire].add_run(column, slots)
            if wire in self.uniques:
                self._fill_unique(wire, zip(column, slots, strict=True))

    def _fill_unique(self, wire: str, pairs: Iterable[tuple[Sortable | None, Slot]]) -> None:
        index, keys = self.uniques[wire], self.projection.keys
        for value, slot in pairs:
            other = None if value is None else index.find(value)
            if other is not None and value is not NAN:  # old logs may hold several of it
                raise BrokenUnique(wire, str(keys[other]), str(keys[slot]))
            index.add(value, slot)

    def _by_slot(
        self, values: list[Sortable | None], slots: Collection[Slot]
    ) -> list[Sortable | None]:
        """Give the values of live slots with a place for each dead one between them."""
        if len(self.projection.keys) == len(slots):
            return values
        column: list[Sortable | None] = [None] * len(self.projection.keys)
        for value, slot in zip(values, slots, strict=True):
            column[slot] = value
        return column

    def _index(self, payload: bytes, slot: Slot) -> None:
        if self._reader is None:
            return
        for wire, value in zip(self._wires, self._reader.read(payload), strict=True):
            column = self.columns[wire]
            assert len(column) == slot, f"slot {slot} is not the next of {len(column)}"
            column.append(value)
            if wire in self.uniques:
                self.uniques[wire].add(value, slot)
            if wire in self.sorted:
                self.sorted[wire].add(value, slot)

    def _index_all(self, columns: list[list[Sortable | None]], slots: list[Slot]) -> None:
        for wire, values in zip(self._wires, columns, strict=True):
            column = self.columns[wire]
            assert len(column) == slots[0], f"slot {slots[0]} is not the next of {len(column)}"
            column += values
            if wire in self.uniques:
                unique = self.uniques[wire]
                for value, slot in zip(values, slots, strict=True):
                    unique.add(value, slot)
            if wire in self.sorted:
                self.sorted[wire].add_run(values, slots)

    def _unindex(self, slot: Slot) -> None:
        for wire, column in self.columns.items():
            value, column[slot] = column[slot], None
            if wire in self.uniques:
                self.uniques[wire].remove(value, slot)
            if wire in self.sorted:
                self.sorted[wire].remove(value, slot)

    def _reindex(self, after: bytes, slot: Slot) -> None:
        if self._reader is None:
            return
        for wire, now in zip(self._wires, self._reader.read(after), strict=True):
            column = self.columns[wire]
            was = column[slot]
            if was == now:
                continue
            column[slot] = now
            if wire in self.uniques:
                self.uniques[wire].remove(was, slot)
                self.uniques[wire].add(now, slot)
            if wire in self.sorted:
                self.sorted[wire].remove(was, slot)
                self.sorted[wire].add(now, slot)

"""The projection: every live item in a struct of arrays, one row a slot.

    slots     key -> slot
    keys      slot -> key, None when the slot is dead
    cells     slot -> the item as JSON (hot), or its kept fields (warm, see `kept`), None when dead
    seqs, times              of the item's last event
    segments, offsets        its home: where that event's record was written in the log
    places                   where else it is to be read: 0, or an address in a snapshot
    lengths                  of the record, where it is to be read

    place := parity:1 offset:63       which of the two snapshots that there can be, and where in it

Law: a slot is hot, warm or dead, never two of them; slots are in creation order and a dead one is
not used again (that would break the order). The table is rebuilt when a quarter of it is dead.
Homes never change: they are what records say of an item's previous one.
"""

from array import array
from collections.abc import Iterable
from typing import Final, cast

from lithair.core.event import Position, Slot
from lithair.core.kept import is_hot

# What an item costs beside its cell, for the exact sum `ram_bytes`: key (a 36-character id), dict
# entry, slot number, cell and bytes overhead, six columns. Above what bench/opening.py measures.
ITEM_OVERHEAD_BYTES: Final = 278
DEAD_SLOTS_MIN: Final = 1024  # below this a rebuild gains nothing worth a pause

COLUMNS: Final = ("seqs", "times", "segments", "offsets", "places", "lengths")


class Projection:
    """Holds the present state of each item and where its last record lies."""

    def __init__(self) -> None:
        self.slots: dict[str, Slot] = {}
        self.keys: list[str | None] = []
        self.cells: list[bytes | None] = []
        self.seqs = array("Q")
        self.times = array("q")
        self.segments = array("Q")
        self.offsets = array("I")
        self.places = array("Q")
        self.lengths = array("I")
        self.hot_count = 0
        self.hot_bytes = 0  # of the hot cells, which are whole items
        self.warm_bytes = 0  # of the others

    def __len__(self) -> int:
        return len(self.slots)

    @property
    def warm_count(self) -> int:
        return len(self.slots) - self.hot_count

    @property
    def ram_bytes(self) -> int:
        return self.hot_bytes + self.warm_bytes + ITEM_OVERHEAD_BYTES * len(self.slots)

    def insert(self, key: str, payload: bytes, seq: int, time_ms: int) -> Slot:
        """Add a new item at the end, hot; `place` says where its record lies."""
        slot = Slot(len(self.keys))
        self.slots[key] = slot
        self.keys.append(key)
        self.cells.append(payload)
        self.seqs.append(seq)
        self.times.append(time_ms)
        self.segments.append(0)
        self.offsets.append(0)
        self.places.append(0)
        self.lengths.append(0)
        self.hot_count += 1
        self.hot_bytes += len(payload)
        return slot

    def insert_warm(
        self, keys: list[str], cells: list[bytes], columns: Iterable[Iterable[int]]
    ) -> None:
        """Add many evicted items at the end; the columns are in the order of `COLUMNS`."""
        self._insert_all(keys, cells, columns)
        self.warm_bytes += sum(map(len, cells))

    def insert_hot(
        self, keys: list[str], payloads: list[bytes], columns: Iterable[Iterable[int]]
    ) -> None:
        """Add many new items at the end, whole; the columns are in the order of `COLUMNS`."""
        self._insert_all(keys, payloads, columns)
        self.hot_count += len(keys)
        self.hot_bytes += sum(map(len, payloads))

    def _insert_all(
        self, keys: list[str], cells: list[bytes], columns: Iterable[Iterable[int]]
    ) -> None:
        first, held = len(self.keys), len(self.slots)
        self.keys += keys
        self.cells += cells
        for name, column in zip(COLUMNS, columns, strict=True):
            getattr(self, name).extend(column)
        slots = cast(Iterable[Slot], range(first, len(self.keys)))
        self.slots.update(zip(keys, slots, strict=True))
        assert len(self.slots) - held == len(keys), "a key came twice"

    def update(self, slot: Slot, payload: bytes, seq: int, time_ms: int) -> None:
        """Take in an item's next state: it is hot from now on."""
        self.warm_up(slot, payload)
        self.seqs[slot] = seq
        self.times[slot] = time_ms

    def warm_up(self, slot: Slot, payload: bytes) -> None:
        """Hold the item whole."""
        self._let_go(slot)
        self.cells[slot] = payload
        self.hot_count += 1
        self.hot_bytes += len(payload)

    def warm_up_run(self, first: Slot, payloads: list[bytes]) -> None:
        """Hold many items whole that follow each other from `first` on, and were evicted."""
        stop = first + len(payloads)
        self.warm_bytes -= sum(map(len, filter(None, self.cells[first:stop])))
        self.cells[first:stop] = payloads
        self.hot_count += len(payloads)
        self.hot_bytes += sum(map(len, payloads))

    def evict(self, slot: Slot, cell: bytes) -> None:
        """Hold only the kept fields of an item."""
        self._let_go(slot)
        self.cells[slot] = cell
        self.warm_bytes += len(cell)

    def remove(self, slot: Slot) -> None:
        key = self.keys[slot]
        assert key is not None, f"slot {slot} is dead"
        self._let_go(slot)
        del self.slots[key]
        self.keys[slot] = None
        self.cells[slot] = None

    def _let_go(self, slot: Slot) -> None:
        cell = self.cells[slot]
        assert cell is not None, f"slot {slot} is dead"
        if is_hot(cell):
            self.hot_count -= 1
            self.hot_bytes -= len(cell)
        else:
            self.warm_bytes -= len(cell)

    def place(self, slot: Slot, position: Position, length: int) -> None:
        """Say where the item's last record was written; it is read from there."""
        self.segments[slot] = position.segment
        self.offsets[slot] = position.offset
        self.places[slot] = 0
        self.lengths[slot] = length

    def position(self, slot: Slot) -> Position:
        """Give the home of the item's last record."""
        return Position(self.segments[slot], self.offsets[slot])

    def where(self, slot: Slot) -> tuple[int, int, int]:
        """Give what sorts slots by where their records are read, for reading in that order."""
        return self.places[slot], self.segments[slot], self.offsets[slot]

    def cell(self, slot: Slot) -> bytes:
        cell = self.cells[slot]
        assert cell is not None, f"slot {slot} is dead"
        return cell

    @property
    def wants_rebuild(self) -> bool:
        dead = len(self.keys) - len(self.slots)
        return dead >= DEAD_SLOTS_MIN and dead * 4 >= len(self.keys)

    def rebuild(self) -> dict[Slot, Slot]:
        """Close the gaps of dead slots; gives the new slot of each live one."""
        live = [Slot(slot) for slot, key in enumerate(self.keys) if key is not None]
        moved = {old: Slot(new) for new, old in enumerate(live)}
        self.keys = [self.keys[slot] for slot in live]
        self.cells = [self.cells[slot] for slot in live]
        for name in COLUMNS:
            column: array[int] = getattr(self, name)
            setattr(self, name, array(column.typecode, (column[slot] for slot in live)))
        self.slots = {key: Slot(new) for new, key in enumerate(self.keys) if key is not None}
        return moved

"""The projection: every live item in a struct of arrays, one row a slot.

    slots     key -> slot
    keys      slot -> key, None when the slot is dead
    cells     slot -> the item as JSON (hot)
    seqs, times, segments, offsets, lengths      of the item's last record

Law: a slot is live or dead, never both; slots are in creation order and a dead one is not used
again (that would break the order). The table is rebuilt when a quarter of it is dead.
"""

from array import array

from lithair.core.event import Position, Slot

# What an item costs beside its payload, for the exact sum `ram_bytes`: key (a 36-character id),
# dict entry, slot number, cell and bytes overhead, five columns. Measured in bench/opening.py.
ITEM_OVERHEAD_BYTES = 270
DEAD_SLOTS_MIN = 1024  # below this a rebuild gains nothing worth a pause


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
        self.lengths = array("I")
        self.payload_bytes = 0

    def __len__(self) -> int:
        return len(self.slots)

    @property
    def ram_bytes(self) -> int:
        return self.payload_bytes + ITEM_OVERHEAD_BYTES * len(self.slots)

    def insert(self, key: str, payload: bytes, seq: int, time_ms: int) -> Slot:
        """Add a new item at the end; `place` says where its record lies."""
        slot = Slot(len(self.keys))
        self.slots[key] = slot
        self.keys.append(key)
        self.cells.append(payload)
        self.seqs.append(seq)
        self.times.append(time_ms)
        self.segments.append(0)
        self.offsets.append(0)
        self.lengths.append(0)
        self.payload_bytes += len(payload)
        return slot

    def update(self, slot: Slot, payload: bytes, seq: int, time_ms: int) -> None:
        before = self.cells[slot]
        assert before is not None, f"slot {slot} is dead"
        self.payload_bytes += len(payload) - len(before)
        self.cells[slot] = payload
        self.seqs[slot] = seq
        self.times[slot] = time_ms

    def remove(self, slot: Slot) -> None:
        key, payload = self.keys[slot], self.cells[slot]
        assert key is not None, f"slot {slot} is dead"
        assert payload is not None, f"slot {slot} is dead"
        del self.slots[key]
        self.keys[slot] = None
        self.cells[slot] = None
        self.payload_bytes -= len(payload)

    def place(self, slot: Slot, position: Position, length: int) -> None:
        self.segments[slot] = position.segment
        self.offsets[slot] = position.offset
        self.lengths[slot] = length

    def position(self, slot: Slot) -> Position:
        return Position(self.segments[slot], self.offsets[slot])

    def payload(self, slot: Slot) -> bytes:
        payload = self.cells[slot]
        assert payload is not None, f"slot {slot} is dead"
        return payload

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
        for name in ("seqs", "times", "segments", "offsets", "lengths"):
            column: array[int] = getattr(self, name)
            setattr(self, name, array(column.typecode, (column[slot] for slot in live)))
        self.slots = {key: Slot(new) for new, key in enumerate(self.keys) if key is not None}
        return moved

"""Eviction: which items stay whole in RAM, by when they were last written.

Law: the longest unwritten go first; what is over a bound is found at a cost that does not grow with
the number of items. Entries are (seq, slot) packed into one number: one whose item was written
since, or is gone, means nothing any more and is passed over.
"""

import heapq
from collections import deque
from typing import Final

from lithair.core.event import Slot
from lithair.core.kept import HOT, is_hot
from lithair.core.projection import Projection
from lithair.retention import Retention

SLOT_BITS: Final = 40
SLOT_MASK: Final = (1 << SLOT_BITS) - 1
STALE_MIN: Final = 4096  # entries; below this a sweep gains nothing


class EvictionQueue:
    """The hot items of a model with retention, the longest unwritten first."""

    def __init__(self, retention: Retention, projection: Projection) -> None:
        self._retention = retention
        self._projection = projection
        self._entries: deque[int] = deque()

    def written(self, seq: int, slot: Slot) -> None:
        """Take in that the item in `slot` was written by event `seq`, the newest one."""
        self._entries.append(seq << SLOT_BITS | slot)
        if len(self._entries) > 2 * self._projection.hot_count + STALE_MIN:
            self._entries = deque(filter(self._is_valid, self._entries))

    def _is_valid(self, entry: int) -> bool:
        slot, projection = entry & SLOT_MASK, self._projection
        cell = projection.cells[slot]
        return cell is not None and is_hot(cell) and projection.seqs[slot] == entry >> SLOT_BITS

    def refill(self) -> None:
        """Begin anew from what is hot now: after opening, or when slots have moved."""
        projection = self._projection
        seqs, cells = projection.seqs, projection.cells
        slots = projection.slots.values() if projection.hot_count else ()
        hot = [slot for slot in slots if (cell := cells[slot]) is not None and cell[0] == HOT]
        self._entries = deque(sorted(seqs[slot] << SLOT_BITS | slot for slot in hot))

    def next(self, now_ms: int) -> Slot | None:
        """Give the item to evict now; None when nothing is over a bound."""
        entries, projection, bounds = self._entries, self._projection, self._retention
        while entries:
            if not self._is_valid(entries[0]):
                entries.popleft()
                continue
            slot = Slot(entries[0] & SLOT_MASK)
            is_over = (
                (bounds.count is not None and projection.hot_count > bounds.count)
                or (bounds.max_bytes is not None and projection.hot_bytes > bounds.max_bytes)
                or self.is_too_old(projection.times[slot], now_ms)
            )
            return slot if is_over else None
        return None

    def wanted(self, now_ms: int) -> list[Slot]:
        """Give the evicted items that have room to be whole, after opening: the newest ones."""
        projection, bounds = self._projection, self._retention
        times, seqs = projection.times, projection.seqs
        warm = list(projection.slots.values())
        if projection.hot_count:
            cells = projection.cells
            warm = [slot for slot in warm if (cell := cells[slot]) is not None and cell[0] != HOT]
        if bounds.age_s is not None:
            warm = [slot for slot in warm if not self.is_too_old(times[slot], now_ms)]
        if bounds.count is not None:
            room = max(0, bounds.count - projection.hot_count)
            # From the end: what was created last was mostly written last, and is found first.
            warm = heapq.nlargest(room, reversed(warm), key=seqs.__getitem__)
        if bounds.max_bytes is None:
            return warm
        left = bounds.max_bytes - projection.hot_bytes
        chosen: list[Slot] = []
        for slot in sorted(warm, key=seqs.__getitem__, reverse=True):
            left -= projection.lengths[slot]  # a record is a little longer than its item
            if left < 0:
                break
            chosen.append(slot)
        return chosen

    def is_too_old(self, time_ms: int, now_ms: int) -> bool:
        """Tell whether what was last written at `time_ms` is past its time."""
        age_s = self._retention.age_s
        return age_s is not None and now_ms - time_ms >= age_s * 1000

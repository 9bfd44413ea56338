"""Indexes over slots: one value to one slot, and values in order.

Law: an index names exactly the live slots whose item has the value, evicted or not. Null is no
value for a `UniqueIndex`, and stands last, in creation order, in a `SortedIndex`.
"""

from collections.abc import Collection, Iterator
from operator import itemgetter
from typing import Final

from sortedcontainers import SortedList

from lithair.core.entries import Entries
from lithair.core.event import Slot
from lithair.core.values import Sortable

BEFORE_ALL: Final = Slot(-1)
BEHIND_ALL: Final = Slot(1 << 62)

_value, _slot = itemgetter(0), itemgetter(1)


class UniqueIndex:
    """Which slot holds a value; no two items share one, null is not a value."""

    def __init__(self) -> None:
        self.slots: dict[Sortable, Slot] = {}

    def add(self, value: Sortable | None, slot: Slot) -> None:
        if value is not None:
            self.slots[value] = slot

    def remove(self, value: Sortable | None, slot: Slot) -> None:
        if value is not None and self.slots.get(value) == slot:
            del self.slots[value]

    def find(self, value: Sortable) -> Slot | None:
        return self.slots.get(value)

    def move(self, moved: dict[Slot, Slot]) -> None:
        """Take over new slot numbers after the table was rebuilt."""
        self.slots = {value: moved[slot] for value, slot in self.slots.items()}


class SortedIndex:
    """Slots by value, equals in creation order: equality, ranges, and walks in both directions."""

    def __init__(self) -> None:
        self.entries = Entries()
        self.nulls: SortedList[Slot] = SortedList()

    def add_run(self, values: list[Sortable | None], slots: Collection[Slot]) -> None:
        """Take in many at once, the slots ascending."""
        pairs = zip(values, slots, strict=True)
        entries = [(value, slot) for value, slot in pairs if value is not None]
        if len(entries) < len(slots):
            self.nulls.update(s for v, s in zip(values, slots, strict=True) if v is None)
        # By value alone, which is three times as fast; sorting is stable, so equals stay in order.
        entries.sort(key=_value)
        self.entries.add_run(entries)

    def add(self, value: Sortable | None, slot: Slot) -> None:
        if value is None:
            self.nulls.add(slot)
        else:
            self.entries.add((value, slot))

    def remove(self, value: Sortable | None, slot: Slot) -> None:
        if value is None:
            self.nulls.discard(slot)
        else:
            self.entries.discard((value, slot))

    def move(self, moved: dict[Slot, Slot]) -> None:
        """Take over new slot numbers after the table was rebuilt; the order stays."""
        entries = [(value, moved[slot]) for value, slot in self.entries]
        self.entries = Entries()
        self.entries.update(entries)
        self.nulls = SortedList(moved[slot] for slot in self.nulls)

    def bounds(
        self, low: Sortable | None, high: Sortable | None, *, open_low: bool, open_high: bool
    ) -> tuple[int, int]:
        """Give the index range of values between `low` and `high`; None is no bound.

        A one-element tuple sorts before every pair with the same value, and one that ends in
        infinity behind them: so both ends are found without a slot to compare.
        """
        start, stop = 0, len(self.entries)
        if low is not None:
            start = self._behind(low) if open_low else self._before(low)
        if high is not None:
            stop = self._before(high) if open_high else self._behind(high)
        return start, max(start, stop)

    def _before(self, value: Sortable) -> int:
        return self.entries.bisect_left((value, BEFORE_ALL))

    def _behind(self, value: Sortable) -> int:
        return self.entries.bisect_right((value, BEHIND_ALL))

    def slots_between(self, start: int, stop: int) -> Iterator[Slot]:
        return map(_slot, self.entries.islice(start, stop))

    def null_slots(self, start: int) -> Iterator[Slot]:
        yield from self.nulls.islice(start)

    def pass_over(
        self, start: int, stop: int, count: int, *, descending: bool
    ) -> tuple[int, int, int]:
        """Narrow a range that is to be walked by the first `count` of its slots, at no cost.

        Gives the new range and how many are left to pass over: going down, equals stay together.
        """
        if count >= stop - start:
            return stop, stop, count - (stop - start)
        if not descending:
            return start + count, stop, 0
        group_stop = min(stop, self._behind(self.entries[stop - 1 - count][0]))
        return start, group_stop, count - (stop - group_stop)

    def walk(
        self,
        start: int,
        stop: int,
        *,
        descending: bool,
        behind: tuple[Sortable, Slot] | None = None,
    ) -> Iterator[Slot]:
        """Give slots of the range in order of value, equals in creation order both ways.

        `behind` goes on after that entry, at a cost that doesn't grow with its place.
        """
        entries = self.entries
        if not descending:
            if behind is not None:
                start = max(start, entries.bisect_right(behind))
            for _, slot in entries.islice(start, stop):
                yield slot
            return
        if behind is not None:
            group_stop = min(stop, self._behind(behind[0]))
            for _, slot in entries.islice(max(start, entries.bisect_right(behind)), group_stop):
                yield slot
            stop = min(stop, self._before(behind[0]))
        while stop > start:
            run = entries.islice(start, stop, reverse=True)
            last = next(run)
            for entry in run:
                if entry[0] == last[0]:
                    break
                yield last[1]
                last = entry
                stop -= 1
            else:
                yield last[1]
                return
            # Several have this value: they are in creation order, which a walk up gives.
            group = max(start, self._before(last[0]))
            for _, slot in entries.islice(group, stop):
                yield slot
            stop = group

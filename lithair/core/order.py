"""Orders: what a scan has found, put in the order that was asked for.

Law: what changed while a scan ran counts as it is at the end. Many are put in order some at a
time: of each run only those are kept that the page may need, and `SPARE` more, for each that
changes meanwhile may have taken the place of one that is not kept.
"""

from collections.abc import Callable, Sequence
from typing import Final, cast

from lithair.core.event import Slot
from lithair.core.look import ValueOf
from lithair.core.values import Sortable

NARROW_SLOTS: Final = 4096  # put in order at a time: 1 to 2 ms
SPARE: Final = 1024  # of what may change meanwhile; past it all are put in order in one go


class Order:
    """The slots that a scan found; `wanted` are those from the begin that matter, None is all."""

    def __init__(self, by: Sequence[tuple[ValueOf, bool]], wanted: int | None) -> None:
        self._by = list(reversed(by))
        self._wanted = wanted
        self._found: list[Slot] = []
        self._again: dict[Slot, bool] = {}  # what was looked at again -> whether it passes now
        self._best: list[Slot] = []
        self._narrowed = 0  # how many of those found were considered for `_best`
        self._again_before = 0  # how many had been looked at again when that began

    def add(self, slots: list[Slot]) -> None:
        """Take in what passes, each slot once."""
        self._found += slots

    def look_again(self, slots: list[Slot], passing: list[Slot]) -> None:
        """Take in which of some slots pass now, whatever they did before."""
        self._again.update(dict.fromkeys(slots, False))
        self._again.update(dict.fromkeys(passing, True))

    def passes(self, slot: Slot) -> None:
        """Take in one that passes, looked at for the first time or again."""
        if slot in self._again:
            self._again[slot] = True
        else:
            self._found.append(slot)

    def holds(self, slot: Slot) -> bool:
        """Tell whether it passes."""
        return self._again.get(slot, slot in self._found)

    def narrow(self) -> bool:
        """Put some more in order; tells whether it did: all of few are, when they are asked for."""
        count = len(self._found)
        if self._wanted is None or self._wanted > NARROW_SLOTS or not self._by:
            return False
        if count <= 2 * NARROW_SLOTS or self._narrowed == count:
            return False
        if self._narrowed == 0:
            self._again_before = len(self._again)
        run = self._found[self._narrowed : self._narrowed + NARROW_SLOTS]
        self._narrowed += len(run)
        run = self._best + [slot for slot in run if slot not in self._again]
        self._best = self._sorted(run)[: self._wanted + SPARE]
        return True

    def slots(self, also: Slot | None = None) -> tuple[list[Slot], int]:
        """Give them in order, at least those wanted, and how many they are without `also`."""
        again, found = self._again, self._found
        came = [slot for slot, passes in again.items() if passes]
        total = len(found) - (sum(map(again.__contains__, found)) if again else 0) + len(came)
        is_narrowed = self._narrowed and len(again) - self._again_before <= SPARE
        slots = self._best if is_narrowed else found
        slots = ([slot for slot in slots if slot not in again] if again else slots) + came
        if also is not None and also not in slots:
            slots.append(also)
        return self._sorted(slots), total

    def _sorted(self, slots: list[Slot]) -> list[Slot]:
        order = sorted(slots)
        for value_of, descending in self._by:
            order = _sorted_by(order, value_of, descending=descending)
        return order


def _sorted_by(order: list[Slot], value_of: ValueOf, *, descending: bool) -> list[Slot]:
    """Sort by one value, stably; null comes last in both directions."""
    by_value = cast(Callable[[Slot], Sortable], value_of)
    try:
        return sorted(order, key=by_value, reverse=descending)
    except TypeError:  # a null is among them: with nothing can it be compared
        nulls = [slot for slot in order if value_of(slot) is None]
        others = [slot for slot in order if value_of(slot) is not None]
        return sorted(others, key=by_value, reverse=descending) + nulls

"""A rate: how often each of many keys may do something.

Law: within any `per_ms` no key is let through more than `count` times, and one that is refused and
waits as long as it is told is let through, unless it was let through meanwhile. What is refused
does not count. Time is cut into slices, and a slice counts until all of it is over: so a key may
wait up to a sixteenth of `per_ms` longer than it would have to.

    |<- oldest slice that counts ... newest ->|    17 slices: the window, and what it cuts off
"""

from array import array
from collections import OrderedDict
from typing import Final

SLICES: Final = 16
# About 30 MB. Past it, those that came longest ago are forgotten, and may come more often.
KEYS_MAX: Final = 65_536
FORGOTTEN_AT_ONCE: Final = 2  # of the oldest, for each that is new: so they don't pile up


class _Count:
    """How often a key was let through, by slices."""

    __slots__ = ("newest", "slices", "total")

    def __init__(self, newest: int) -> None:
        self.newest = newest  # the slice's number since the beginning of time
        self.slices = array("I", bytes(4 * (SLICES + 1)))
        self.total = 0

    def advance(self, newest: int) -> None:
        """Forget the slices that count no more."""
        if newest - self.newest > SLICES:
            self.slices = array("I", bytes(4 * (SLICES + 1)))
            self.total = 0
            self.newest = newest
        while self.newest < newest:
            self.newest += 1
            place = self.newest % (SLICES + 1)
            self.total -= self.slices[place]
            self.slices[place] = 0

    def oldest(self) -> int:
        """Give the oldest slice in which it was let through; there has to be one."""
        return next(
            number
            for number in range(self.newest - SLICES, self.newest + 1)
            if self.slices[number % (SLICES + 1)]
        )


class Rate:
    """Counts by key; clocks are told, and go forwards."""

    def __init__(self, count: int, per_ms: int) -> None:
        assert count > 0, count
        assert per_ms >= SLICES, per_ms
        self._count_max = count
        self._per_ms = per_ms
        self._counts: OrderedDict[str, _Count] = OrderedDict()  # by when they were let through

    def __len__(self) -> int:
        return len(self._counts)

    def wait_ms(self, key: str, now_ms: int) -> int:
        """Tell how long a key has to wait; 0: it may do it now."""
        count = self._counts.get(key)
        if count is None:
            return 0
        count.advance(self._slice(now_ms))
        if count.total < self._count_max:
            return 0
        return self._begin_ms(count.oldest() + SLICES + 1) - now_ms

    def add(self, key: str, now_ms: int) -> None:
        """A key was let through."""
        newest = self._slice(now_ms)
        count = self._counts.get(key)
        if count is None:
            self._forget(newest)
            count = self._counts[key] = _Count(newest)
        else:
            count.advance(newest)
            self._counts.move_to_end(key)
        count.slices[newest % (SLICES + 1)] += 1
        count.total += 1

    def _forget(self, newest: int) -> None:
        for _ in range(FORGOTTEN_AT_ONCE):
            oldest = next(iter(self._counts.values()), None)
            if oldest is None:
                return
            is_over = newest - oldest.newest > SLICES
            if not is_over and len(self._counts) < KEYS_MAX:
                return
            self._counts.popitem(last=False)

    def _slice(self, now_ms: int) -> int:
        return now_ms * SLICES // self._per_ms

    def _begin_ms(self, number: int) -> int:
        """Give the first millisecond of a slice."""
        return -(-number * self._per_ms // SLICES)

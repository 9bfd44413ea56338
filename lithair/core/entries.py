"""The entries of a sorted index: pairs of a value and a slot, in order.

Owns what a `SortedList` lacks: adding many that lie side by side, such as times of items that were
written one after the other, by one search. Law: after it, the list is what adding each would have
made it; it keeps to what sortedcontainers' own `add` and `_expand` do to its parts.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable

from sortedcontainers import SortedList

from lithair.core.event import Slot
from lithair.core.values import Sortable

Entry = tuple[Sortable, Slot]


class Entries(SortedList[Entry]):
    """A sorted list that takes in a run of entries."""

    # The list in parts of some 1,000, their last entries, a tree of their lengths once it was asked
    # for, and what splits a part in two: sortedcontainers has these, and its stubs don't tell.
    _lists: list[list[Entry]]
    _maxes: list[Entry]
    _index: list[int]
    _offset: int
    _len: int
    _load: int
    _expand: Callable[[int], None]

    def add_run(self, run: list[Entry]) -> None:
        """Add entries that are in order."""
        if not self._lists:
            self.update(run)
            return
        parts, lasts = self._lists, self._maxes
        start = 0
        while start < len(run):
            first = run[start]
            at = bisect_right(lasts, first)
            if at == len(parts):
                at, stop = at - 1, len(run)
                parts[at] += run[start:]
                lasts[at] = run[-1]
            else:
                part = parts[at]
                place = bisect_right(part, first)
                stop = _end_below(part[place], run, start + 1)
                part[place:place] = run[start:stop]
            self._count(at, stop - start)
            start = stop

    def _count(self, at: int, added: int) -> None:
        """Take in that a part has grown; one that is too long becomes two or more."""
        self._len += added
        if len(self._lists[at]) > 2 * self._load:
            while len(self._lists[at]) > 2 * self._load:
                self._expand(at)  # leaves `_load` of them here; the tree is made anew when needed
                at += 1
        elif self._index:
            node = self._offset + at
            while node:
                self._index[node] += added
                node = (node - 1) >> 1
            self._index[0] += added


def _end_below(bound: Entry, run: list[Entry], start: int) -> int:
    """Give where the entries of a run end that are less than `bound`; mostly none or all are."""
    if start == len(run) or run[start] > bound:
        return start
    return len(run) if run[-1] < bound else bisect_left(run, bound, start + 1)

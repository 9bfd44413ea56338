"""Scans: answering a query from the committed state, in slices.

Law: an answer is exact at the seq at which the scan ends. A slot that changed while it ran is
looked at again at the end. Nothing is decoded that an index can tell, and no evicted item is read
that its kept fields can tell about; the others are read in the order of the log.
"""

from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Final, NamedTuple, cast

from lithair.core.choice import Choice, choose, is_span, span_of
from lithair.core.event import Slot
from lithair.core.index import SortedIndex
from lithair.core.look import Look
from lithair.core.order import Order
from lithair.core.query import Filter, Query, refuse
from lithair.core.selection import SELECTED_MAX, Selections
from lithair.core.tables import Tables
from lithair.core.values import Sortable

SLICE_SLOTS: Final = 256  # slots between two looks at the clock: 0.1 to 0.3 ms of decoding
SLICE_TOLD: Final = 2048  # the same where nothing has to be decoded
SLICE_COLD: Final = 16  # the same of evicted items: 10 us each from the page cache, 100 from a disk
SORTED_COLD: Final = 4096  # evicted items put in the order of the log at a time: 2 ms
LOOKS_MAX: Final = 1 << 16  # at slots that changed meanwhile; past them the rest is done in one go
CANDIDATES_MAX: Final = 1 << 15  # taken out of an index in one go: 3 ms
CANDIDATES_SHARE: Final = 16  # or this part of all, as going through all of them takes that time
WALK_MAX: Final = 4096  # entries of an index that are tried for a page in one go: 1 ms
WALK_GAIN: Final = 4  # how much less that has to cost than to select all, which can be kept


class Found(NamedTuple):
    """The slots of one page in the order asked for, of `total` that match."""

    slots: list[Slot]
    total: int
    has_more: bool


class Scan:
    """One list or count under way: call `advance` until it gives what was found.

    `payload` reads an item whole, from the disk when it is evicted; it may raise DamagedLog.
    What was selected before is asked for in `selections`, and what is selected now kept there.
    """

    def __init__(
        self,
        tables: Tables,
        payload: Callable[[Slot], bytes],
        query: Query,
        selections: Selections | None = None,
    ) -> None:
        self.touched: set[Slot] = set()
        self._tables = tables
        self._payload = payload
        self._query = query
        self._selections = selections
        self._filters = query.tests
        self._look: Look | None = None  # once it has begun
        self._known: Filter | None = None  # what all candidates pass
        self._slice = SLICE_SLOTS
        self._run: list[Slot] = []  # the next of the cold ones, the first one in the log last
        self._looks = 0
        self._looked_at = 0  # how many candidates there were
        self._order = Order((), None)
        self._slots: Iterator[Slot] = iter(())

    def advance(self) -> Found | None:
        """Look at some more slots; gives what was found once all were seen."""
        look = self._look
        if look is None:
            found = self._from_selection() or self._from_index()
            if found is not None:
                return found
            look = self._look = Look(self._tables, self._query)
            self._order = Order(look.order, self._wanted())
            self._slice = SLICE_SLOTS if look.decodes else SLICE_TOLD
            self._slots = self._candidates()
            self._tables.watchers.append(self)
        slots = list(islice(self._slots, self._slice))
        self._looked_at += len(slots)
        self._order.add(look.passing(slots, self._known))
        if len(slots) == self._slice:
            return None
        if self._run or look.cold or (len(self.touched) > SLICE_COLD and self._looks < LOOKS_MAX):
            self._look_further(look)
            return None
        if self._order.narrow():
            return None
        self.close()
        return self._conclude(look)

    def _look_further(self, look: Look) -> None:
        """Read some of the evicted items that have to be read; then see what changed meanwhile."""
        if not self._run and not look.cold:
            again = [self.touched.pop() for _ in range(min(len(self.touched), SLICE_SLOTS))]
            self._looks += len(again)
            self._look_again(look, again)
            return
        if not self._run:
            run = [look.cold.popleft() for _ in range(min(len(look.cold), SORTED_COLD))]
            self._run = sorted(run, key=self._tables.projection.where, reverse=True)
        for _ in range(min(len(self._run), SLICE_COLD)):
            slot = self._run.pop()
            if slot not in self.touched and look.passes(slot, self._payload(slot)):
                self._order.passes(slot)

    def close(self) -> None:
        """Stop watching; to be called when the scan is given up."""
        if self in self._tables.watchers:
            self._tables.watchers.remove(self)

    def _look_again(self, look: Look, slots: list[Slot]) -> None:
        self._order.look_again(slots, look.passing(slots))

    def _wanted(self) -> int | None:
        """Say how many there have to be in order; None is all: `after` may stand anywhere."""
        query = self._query
        return query.skip + query.take + 1 if query.after is None else None

    def _conclude(self, look: Look) -> Found:
        self._look_again(look, list(self.touched))
        for slot in look.cold:
            if self._tables.projection.keys[slot] is None:
                continue
            if look.passes(slot, self._payload(slot)):
                self._order.passes(slot)
        after = None if self._query.after is None else self._slot_of_after()
        if after is not None and look.decodes and not self._order.holds(after):
            # It may not match any more since the page before: its place still tells where to go.
            look.rank(after, self._payload(after))
        order, total = self._order.slots(after)
        if self._selections is not None and len(order) == total and not look.decodes:
            self._selections.keep(self._query, order, self._looked_at)
        start = self._query.skip + (0 if after is None else order.index(after) + 1)
        stop = start + self._query.take
        return Found(order[start:stop], total, len(order) > stop)

    def _slot_of_after(self) -> Slot:
        assert self._query.after is not None
        slot = self._tables.projection.slots.get(self._query.after)
        own = self._query.own
        if slot is not None and own is not None:  # its place would tell about somebody else's item
            owner = self._tables.readers.of([own.path]).read(self._payload(slot))[0]
            slot = slot if own.matches(owner) else None
        if slot is None:
            raise refuse("after", f"there is no item {self._query.after!r}")
        return slot

    def _candidates(self) -> Iterator[Slot]:
        """Choose the index that leaves the fewest slots to look at; else all of them."""
        slots = range(len(self._tables.projection.keys))
        best: Choice | None = None
        for test in self._filters:
            chosen = choose(self._tables, test)
            if chosen is not None and chosen.size < (best.size if best else len(slots)):
                best = chosen
        if best is None or best.size > max(CANDIDATES_MAX, len(slots) // CANDIDATES_SHARE):
            return cast(Iterator[Slot], iter(slots))
        self._known = best.test
        return iter(list(best.slots))

    def _from_selection(self) -> Found | None:
        """Answer at once when what is selected is known."""
        query, selections = self._query, self._selections
        selection = selections.find(query) if selections is not None else None
        if selection is None:
            return None
        start = query.skip
        if query.after is not None:
            start += selection.behind(self._slot_of_after(), self._tables.columns)
        slots, stop = selection.slots, start + query.take
        return Found(cast(list[Slot], slots[start:stop].tolist()), len(slots), len(slots) > stop)

    def _from_index(self) -> Found | None:
        """Answer at once when no item has to be decoded; None when some have."""
        query, tests = self._query, self._filters
        if not query.sort:
            return self._in_creation_order() if not tests else self._of_one_value()
        path, descending = query.sort[0]
        index = self._tables.sorted.get(path.text)
        if index is None or len(query.sort) > 1 or len(tests) > 1:
            return None
        if not tests:
            return self._walk(index, (0, len(index.entries)), descending, with_nulls=True)
        if tests[0].path.text == path.text and is_span(tests[0]):
            return self._walk(index, span_of(index, tests[0]), descending, with_nulls=False)
        return self._walk_trying(index, tests[0])

    def _of_one_value(self) -> Found | None:
        """Count what one filter leaves, or list what has one value: that is in creation order."""
        query, tests = self._query, self._filters
        chosen = choose(self._tables, tests[0]) if len(tests) == 1 else None
        if chosen is None:
            return None
        if not query.take and query.after is None:
            return Found([], chosen.size, query.skip < chosen.size)
        index, value = self._tables.sorted.get(tests[0].path.text), tests[0].operands[0]
        if index is None or tests[0].operator != "=" or value is None:
            return None
        low, high = span_of(index, tests[0])
        behind = None if query.after is None else (value, self._slot_of_after())
        start = low if behind is None else max(low, index.entries.bisect_right(behind))
        start = min(start + query.skip, high)
        page = list(index.slots_between(start, min(start + query.take, high)))
        return Found(page, high - low, start + len(page) < high)

    def _walk(
        self, index: SortedIndex, span: tuple[int, int], descending: bool, *, with_nulls: bool
    ) -> Found:
        low, high = span
        total = high - low + (len(index.nulls) if with_nulls else 0)
        behind, null_from, skip = None, 0, self._query.skip
        if self._query.after is not None:
            low, behind, null_from = self._start_behind(index, low, high)
        else:
            low, high, skip = index.pass_over(low, high, skip, descending=descending)
            if low == high:
                null_from, skip = skip, 0
        walk = index.walk(low, high, descending=descending, behind=behind)
        nulls = index.null_slots(null_from) if with_nulls else iter(())
        page = list(islice(chain(walk, nulls), skip, skip + self._query.take + 1))
        return Found(page[: self._query.take], total, len(page) > self._query.take)

    def _start_behind(
        self, index: SortedIndex, low: int, high: int
    ) -> tuple[int, tuple[Sortable, Slot] | None, int]:
        """Say where a walk goes on behind the item of `after`: where, behind what, which null."""
        slot = self._slot_of_after()
        value = self._tables.columns[self._query.sort[0][0].text][slot]
        if value is None:
            return high, None, index.nulls.bisect_right(slot)
        return low, (value, slot), 0

    def _walk_trying(self, index: SortedIndex, test: Filter) -> Found | None:
        """Try the items in the order asked for until the page is full; None when that is far.

        How many pass has to be known, and whether one does, without decoding.
        """
        query, tables = self._query, self._tables
        chosen, column = choose(tables, test), tables.columns.get(test.path.text)
        wanted = query.skip + query.take + 1
        if chosen is None or column is None:
            return None
        size = chosen.size
        tries_max = min(WALK_MAX, size if size > SELECTED_MAX else size // WALK_GAIN)
        if wanted * len(tables.projection) > tries_max * size:
            return None
        low, high, behind, null_from = 0, len(index.entries), None, 0
        if query.after is not None:
            low, behind, null_from = self._start_behind(index, low, high)
        walk = index.walk(low, high, descending=query.sort[0][1], behind=behind)
        tried = 0
        found: list[Slot] = []
        matches = test.matches
        for slot in islice(chain(walk, index.null_slots(null_from)), WALK_MAX):
            tried += 1
            if matches(column[slot]):
                found.append(slot)
                if len(found) == wanted:
                    break
        if tried == WALK_MAX and len(found) < wanted:
            return None
        page = found[query.skip :]
        return Found(page[: query.take], chosen.size, len(page) > query.take)

    def _in_creation_order(self) -> Found:
        query, projection = self._query, self._tables.projection
        total, keys = len(projection), projection.keys
        first = 0 if query.after is None else self._slot_of_after() + 1
        if len(keys) == total:
            start = min(first + query.skip, total)
            page = [Slot(slot) for slot in range(start, min(start + query.take, total))]
            return Found(page, total, start + len(page) < total)
        live = (Slot(slot) for slot in range(first, len(keys)) if keys[slot] is not None)
        page = list(islice(live, query.skip, query.skip + query.take + 1))
        return Found(page[: query.take], total, len(page) > query.take)

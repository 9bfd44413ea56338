"""Scans: answering a query from the committed state, in slices.

Law: an answer is exact at the seq at which the scan ends. A slot that changed while it ran is
looked at again at the end. Nothing is decoded that an index can tell, and no evicted item is read
that its kept fields can tell about; the others are read in the order of the log.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import NamedTuple

from lithair.core.event import Slot
from lithair.core.index import SortedIndex
from lithair.core.kept import Kept, KeptReader, is_hot
from lithair.core.query import Filter, Query, refuse
from lithair.core.shape import Path, Reader
from lithair.core.tables import Tables
from lithair.core.values import Sortable

SLICE_SLOTS = 256  # slots between two looks at the clock: 0.1 to 0.3 ms of work
SLICE_COLD = 16  # the same of evicted items: 10 us each from the page cache, 100 from a fast disk
SORTED_COLD = 4096  # evicted items put in the order of the log at a time: 2 ms
LOOKS_MAX = 1 << 16  # at slots that changed meanwhile; past them the rest is done in one go


Ranks = tuple[Sortable | None, ...]  # an item's values of the fields to sort by


class Found(NamedTuple):
    """The slots of one page in the order asked for, of `total` that match."""

    slots: list[Slot]
    total: int
    has_more: bool


class Scan:
    """One list or count under way: call `advance` until it gives what was found.

    `payload` reads an item whole, from the disk when it is evicted; it may raise DamagedLog.
    """

    def __init__(self, tables: Tables, payload: Callable[[Slot], bytes], query: Query) -> None:
        self.touched: set[Slot] = set()
        self._tables = tables
        self._payload = payload
        self._query = query
        self._filters = filters = query.tests
        self._paths = _distinct([f.path for f in filters] + [p for p, _ in query.sort])
        texts = [path.text for path in self._paths]
        self._tests = [(f.matches, texts.index(f.path.text)) for f in filters]
        self._order = [(texts.index(p.text), descending) for p, descending in query.sort]
        self._reader = Reader(self._paths) if self._paths else None
        self._warm = _WarmTests(tables.kept, self._paths, filters)
        self._cold: deque[Slot] = deque()  # evicted items that have to be read
        self._run: list[Slot] = []  # the next of them, the first one in the log last
        self._looks = 0
        self._matched: dict[Slot, Ranks] = {}
        self._slots: Iterator[Slot] = iter(())
        self._is_started = False

    def advance(self) -> Found | None:
        """Look at some more slots; gives what was found once all were seen."""
        if not self._is_started:
            self._is_started = True
            found = self._from_index()
            if found is not None:
                return found
            self._slots = self._candidates()
            self._tables.watchers.append(self)
        seen = 0
        for slot in islice(self._slots, SLICE_SLOTS):
            self._look_at(slot)
            seen += 1
        if seen == SLICE_SLOTS:
            return None
        if self._run or self._cold or (len(self.touched) > SLICE_COLD and self._looks < LOOKS_MAX):
            self._look_further()
            return None
        self.close()
        return self._conclude()

    def _look_further(self) -> None:
        """Read some of the evicted items that have to be read; then see what changed meanwhile."""
        if not self._run and not self._cold:
            for _ in range(min(len(self.touched), SLICE_SLOTS)):
                self._look_again(self.touched.pop())
                self._looks += 1
            return
        if not self._run:
            run = [self._cold.popleft() for _ in range(min(len(self._cold), SORTED_COLD))]
            self._run = sorted(run, key=self._tables.projection.where, reverse=True)
        for _ in range(min(len(self._run), SLICE_COLD)):
            slot = self._run.pop()
            if slot not in self.touched:
                self._test(slot, self._payload(slot))

    def close(self) -> None:
        """Stop watching; to be called when the scan is given up."""
        if self in self._tables.watchers:
            self._tables.watchers.remove(self)

    def _look_at(self, slot: Slot) -> None:
        projection = self._tables.projection
        cell = projection.cells[slot]
        if cell is None:
            return
        if is_hot(cell) or self._reader is None:
            self._test(slot, cell)
            return
        key = projection.keys[slot]
        assert key is not None, f"slot {slot} is dead"
        values = self._warm.read(cell, key)
        if values is None:
            return
        if self._warm.covers_all:
            self._matched[slot] = self._ranks(values)
        else:
            self._cold.append(slot)

    def _look_again(self, slot: Slot) -> None:
        self._matched.pop(slot, None)
        self._look_at(slot)

    def _test(self, slot: Slot, payload: bytes) -> None:
        values = self._reader.read(payload) if self._reader else []
        if all(test(values[place]) for test, place in self._tests):
            self._matched[slot] = self._ranks(values)

    def _ranks(self, values: list[Sortable | None]) -> Ranks:
        """Give of an item's values those to sort by: nothing else is held of what was found."""
        return tuple([values[place] for place, _ in self._order])

    def _conclude(self) -> Found:
        for slot in self.touched:
            self._look_again(slot)
        for slot in self._cold:
            if self._tables.projection.keys[slot] is not None:
                self._test(slot, self._payload(slot))
        total = len(self._matched)
        after = None if self._query.after is None else self._slot_of_after()
        if after is not None and after not in self._matched:
            # It may not match any more since the page before: its place still tells where to go.
            payload = self._payload(after)
            self._matched[after] = self._ranks(self._reader.read(payload) if self._reader else [])
        order = sorted(self._matched)
        for rank, (_, descending) in reversed(list(enumerate(self._order))):
            order = _sorted_by(order, self._matched, rank, descending=descending)
        start = 0 if after is None else order.index(after) + 1
        page = order[start + self._query.skip :]
        return Found(page[: self._query.take], total, len(page) > self._query.take)

    def _slot_of_after(self) -> Slot:
        assert self._query.after is not None
        slot = self._tables.projection.slots.get(self._query.after)
        own = self._query.own
        if slot is not None and own is not None:  # its place would tell about somebody else's item
            owner = Reader([own.path]).read(self._payload(slot))[0]
            slot = slot if own.matches(owner) else None
        if slot is None:
            raise refuse("after", f"there is no item {self._query.after!r}")
        return slot

    def _candidates(self) -> Iterator[Slot]:
        """Choose the index that leaves the fewest slots to look at; else all of them."""
        best: list[Slot] | None = None
        fewest = len(self._tables.projection.keys)
        for test in self._filters:
            chosen = _lookup(self._tables, test)
            if chosen is not None and chosen.size < fewest:
                fewest, best = chosen.size, list(chosen.slots)
        if best is not None:
            return iter(best)
        return (Slot(slot) for slot in range(len(self._tables.projection.keys)))

    def _from_index(self) -> Found | None:
        """Answer at once when no item has to be decoded; None when some have."""
        query = self._query
        if not self._filters and not query.sort:
            return self._in_creation_order()
        sort = list(query.sort)
        if len(sort) > 1 or len(self._filters) > 1:
            return None
        if not sort:
            chosen = _lookup(self._tables, next(iter(self._filters)))
            if chosen is None or query.take or query.after is not None:
                return None
            return Found([], chosen.size, query.skip < chosen.size)
        path, descending = sort[0]
        index = self._tables.sorted.get(path.text)
        if index is None:
            return None
        if not self._filters:
            return self._walk(index, (0, len(index.entries)), descending, with_nulls=True)
        test = self._filters[0]
        if test.path.text != path.text or not _is_span(test):
            return None
        return self._walk(index, _span_of(index, test), descending, with_nulls=False)

    def _walk(
        self, index: SortedIndex, span: tuple[int, int], descending: bool, *, with_nulls: bool
    ) -> Found:
        low, high = span
        total = high - low + (len(index.nulls) if with_nulls else 0)
        behind, null_from, skip = None, 0, self._query.skip
        if self._query.after is not None:
            slot = self._slot_of_after()
            value = self._tables.indexed_at(slot)[self._query.sort[0][0].text]
            if value is None:
                low, null_from = high, index.nulls.bisect_right(slot)
            else:
                behind = (value, slot)
        else:
            low, high, skip = index.pass_over(low, high, skip, descending=descending)
            if low == high:
                null_from, skip = skip, 0
        walk = index.walk(low, high, descending=descending, behind=behind)
        nulls = index.null_slots(null_from) if with_nulls else iter(())
        page = list(islice(chain(walk, nulls), skip, skip + self._query.take + 1))
        return Found(page[: self._query.take], total, len(page) > self._query.take)

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


class _WarmTests:
    """What the kept fields of an evicted item tell about a query."""

    def __init__(self, kept: Kept, paths: list[Path], filters: Iterable[Filter]) -> None:
        told = [path for path in paths if kept.covers([path.field.wire])]
        texts = [path.text for path in told]
        self.covers_all = len(told) == len(paths)  # nothing has to be read
        self._reader: KeptReader | None = kept.reader(told) if told else None
        self._tests = [
            (f.matches, texts.index(f.path.text)) for f in filters if f.path.text in texts
        ]

    def read(self, cell: bytes, key: str) -> list[Sortable | None] | None:
        """Give the values of the kept fields; None when one of them does not pass its test."""
        values = [] if self._reader is None else self._reader.read(cell, key)
        return values if all(test(values[place]) for test, place in self._tests) else None


class _Chosen(NamedTuple):
    """What an index tells about one filter."""

    size: int
    slots: Iterable[Slot]


def _is_span(test: Filter) -> bool:
    return test.operator in ("=", ">", "<", ">=", "<=") and None not in test.operands


def _span_of(index: SortedIndex, test: Filter) -> tuple[int, int]:
    """Give the range of an index's entries that passes a test of one value."""
    operand = test.operands[0]
    low = operand if test.operator in ("=", ">", ">=") else None
    high = operand if test.operator in ("=", "<", "<=") else None
    return index.bounds(low, high, open_low=test.operator == ">", open_high=test.operator == "<")


def _lookup(tables: Tables, test: Filter) -> _Chosen | None:
    """Ask an index for the slots that pass; None when no index can tell."""
    if not test.path.is_field or test.operator in ("~", "!"):
        return None
    wire = test.path.text
    index = tables.sorted.get(wire)
    if index is None:
        return _lookup_unique(tables, test)
    if _is_span(test):
        low, high = _span_of(index, test)
        return _Chosen(high - low, index.slots_between(low, high))
    spans = [
        index.bounds(value, value, open_low=False, open_high=False)
        for value in set(test.operands)
        if value is not None
    ]
    nulls = index.null_slots(0) if None in test.operands else iter(())
    count = sum(high - low for low, high in spans) + (
        len(index.nulls) if None in test.operands else 0
    )
    return _Chosen(count, chain(nulls, *(index.slots_between(*span) for span in spans)))


def _lookup_unique(tables: Tables, test: Filter) -> _Chosen | None:
    index = tables.uniques.get(test.path.text)
    if index is None or test.operator not in ("=", "[") or None in test.operands:
        return None
    found = {index.find(value) for value in test.operands if value is not None}
    slots = [slot for slot in found if slot is not None]
    return _Chosen(len(slots), slots)


def _distinct(paths: Iterable[Path]) -> list[Path]:
    """Keep the first of each name: a field is read once, however often it is asked about."""
    return list({path.text: path for path in paths}.values())


def _sorted_by(
    order: list[Slot], values: dict[Slot, Ranks], place: int, *, descending: bool
) -> list[Slot]:
    """Sort by one value, stably; null comes last in both directions."""
    nulls = [slot for slot in order if values[slot][place] is None]
    others = [slot for slot in order if values[slot][place] is not None]

    def key(slot: Slot) -> Sortable:
        value = values[slot][place]
        assert value is not None
        return value

    others.sort(key=key, reverse=descending)
    return others + nulls

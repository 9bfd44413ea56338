"""Pages: the items of a list, as they were when its scan ended.

Law: a page is exact at the seq it was begun at, however long its evicted items take to be read:
what is hot is held, and of what is evicted the address, which stays good (records never change).
Items that kept fields can tell all about are not read. The rest is read in the order of the log.
"""

from collections.abc import Callable
from typing import Final

from lithair.core.kept import HOT, is_hot
from lithair.core.model_state import Address, ModelState
from lithair.core.query import Query
from lithair.core.reads import Read
from lithair.core.scan import Found

STEP_COLD: Final = 16  # evicted items read in a step, as in `scan`
ROUND_BYTES: Final = 1 << 20  # of records read ahead of where the page may end


def page_at_once(
    state: ModelState, found: Found, query: Query, access: str, list_bytes_max: int
) -> Read | None:
    """Give a page whose items are all hot and fit in; None when it takes more than that.

    No item is shaped before it is known that all of them together are not much.
    """
    cells, slots = state.tables.projection.cells, found.slots
    hot = [cell for slot in slots if (cell := cells[slot]) is not None and cell[0] == HOT]
    if len(hot) < len(slots) or sum(map(len, hot)) > list_bytes_max:
        return None
    bodies = list(map(_shown_by(state, query, access), hot))
    if sum(map(len, bodies)) + len(bodies) > list_bytes_max:
        return None
    return _answer(bodies, found, query, state.seq, has_more=found.has_more)


class Page:
    """One page in the making: `advance` until it gives the answer."""

    def __init__(
        self, state: ModelState, found: Found, query: Query, access: str, list_bytes_max: int
    ) -> None:
        self._state = state
        self._found = found
        self._query = query
        self._list_bytes_max = list_bytes_max
        self._show = _shown_by(state, query, access)
        self._seq = state.seq
        self._bodies: list[bytes] = []
        self._size = 0
        self._read: dict[Address, bytes] = {}  # of this round
        self._to_read: list[Address] = []  # of this round, the first one in the log last
        self._shaped: dict[int, bytes] = {}  # what kept fields told all about
        self._sources = self._captured(access)
        self._next = 0
        self._round_end = 0

    def _captured(self, access: str) -> list[bytes | Address]:
        """Give for each item what is held of it, or where it is to be read."""
        projection, query = self._state.tables.projection, self._query
        view, kept = self._state.views[access], self._state.tables.kept
        fields = None if query.fields is None else query.fields - view.unreadable
        shape = kept.shape(fields) if fields is not None and kept.covers(fields) else None
        sources: list[bytes | Address] = []
        for slot in self._found.slots:
            cell, key = projection.cell(slot), projection.keys[slot]
            if is_hot(cell):
                sources.append(cell)
            elif shape is not None and key is not None:
                self._shaped[len(sources)] = shape.apply(cell, key)
                sources.append(cell)
            else:
                sources.append(self._state.address(slot))
        return sources

    def advance(self) -> Read | None:
        """Read a little; gives the answer when the page is full. Raises DamagedLog."""
        step, self._to_read = self._to_read[-STEP_COLD:], self._to_read[:-STEP_COLD]
        self._read.update(zip(step, map(self._show, self._state.cold_payloads(step)), strict=True))
        if self._to_read:
            return None
        while self._next < self._round_end:
            source = self._sources[self._next]
            if isinstance(source, bytes):
                body = self._shaped.get(self._next) or self._show(source)
            else:
                body = self._read[source]
            self._size += len(body) + 1
            if self._size > self._list_bytes_max and self._bodies:
                return self._answer(has_more=True)
            self._bodies.append(body)
            self._next += 1
        if self._next == len(self._sources):
            return self._answer(has_more=self._found.has_more)
        self._begin_round()
        return None if self._to_read else self.advance()

    def _begin_round(self) -> None:
        """Choose what to read next: not much more than the page can hold."""
        self._read.clear()
        addresses: list[Address] = []
        room = ROUND_BYTES
        while self._round_end < len(self._sources) and room > 0:
            source = self._sources[self._round_end]
            if not isinstance(source, bytes):
                addresses.append(source)
                room -= source.length
            self._round_end += 1
        self._to_read = sorted(addresses, key=_where, reverse=True)

    def _answer(self, *, has_more: bool) -> Read:
        return _answer(self._bodies, self._found, self._query, self._seq, has_more=has_more)


def _shown_by(state: ModelState, query: Query, access: str) -> Callable[[bytes], bytes]:
    """Give what makes of an item's JSON what is to be seen of it."""
    view = state.views[access]
    return view.show if query.fields is None else view.shape(query.fields).apply


def _answer(bodies: list[bytes], found: Found, query: Query, seq: int, *, has_more: bool) -> Read:
    body = b'{"data":[%b],"total":%d,"skip":%d,"take":%d,"has_more":%b}' % (
        b",".join(bodies),
        found.total,
        query.skip,
        query.take,
        b"true" if has_more else b"false",
    )
    return Read(200, body, seq=seq)


def _where(address: Address) -> tuple[int, int, int]:
    return address.place, address.home.segment, address.home.offset

"""An item's past: its events, one after the other, backwards from its last one.

    last record -> (previous record)* -> what the snapshot holds of the item -> (archived record)*

Owns the way back, and the reads that go it: a history, and one item as it was. Law: a walk takes
each event of the item once, the newest first, and ends where the item began or where compaction has
dropped what came before; it never reads what belongs to another item.
"""

from typing import Final, Protocol

from lithair.core.as_of import AsOf
from lithair.core.event import ERASED, Event, EventKind, Position
from lithair.core.model_state import ModelState
from lithair.core.problem import Refusal
from lithair.core.query import Query, refuse
from lithair.core.reads import Read
from lithair.errors import Dropped

STEP_RECORDS: Final = 32  # records read in a step, about 10 us each when the page cache has them


class Cut(Protocol):
    """Up to which event a snapshot goes."""

    @property
    def cut(self) -> int: ...
    @property
    def time_ms(self) -> int: ...  # of that event


class ItemLookup(Protocol):
    """A snapshot, as far as a walk needs it."""

    @property
    def header(self) -> Cut: ...
    def find(self, key: str) -> Event | None: ...


class PastLog(Protocol):
    """An event log, as far as a walk needs it."""

    @property
    def oldest(self) -> tuple[int, int]: ...  # seq and time
    @property
    def snapshot(self) -> ItemLookup | None: ...
    def read(self, position: Position, length: int = 0) -> Event: ...
    def read_item(self, position: Position, place: int, length: int) -> Event: ...


def check_as_of(as_of: AsOf, state: ModelState, log: PastLog) -> None:
    """Refuse a point that is not there yet, and one that is not there any more (`Dropped`)."""
    if as_of.is_seq and as_of.seq > state.seq:
        raise refuse("as_of", f"{as_of.seq} is beyond the log's end, which is event {state.seq}")
    oldest = log.oldest
    if not as_of.includes(*oldest):
        raise dropped(oldest)


def is_as_it_was(key: str, as_of: AsOf, state: ModelState) -> bool:
    """Tell whether an item is there and has not changed since."""
    slot = state.find(key)
    if slot is None:
        return False
    projection = state.tables.projection
    return as_of.includes(projection.seqs[slot], projection.times[slot])


def dropped(oldest: tuple[int, int]) -> Dropped:
    """Say that a point was dropped, and which is the oldest one still to be had."""
    seq, time_ms = oldest
    return Dropped(f"what was before event {seq} was dropped", oldest=seq, oldest_ms=time_ms)


class ItemPast:
    """One walk; `step` gives the next event in the present form.

    Between two steps events may be committed and the log may be compacted: the walk goes on from
    the event that it came to.
    """

    def __init__(self, state: ModelState, log: PastLog, key: str) -> None:
        self._state = state
        self._log = log
        self._key = key
        self._event: Event | None = None  # the one that was given last
        self._is_begun = False
        self.is_dropped = False  # there was more, which compaction has dropped
        self.known_from: tuple[int, int] | None = None  # seq and time: what was before is not told

    def step(self) -> Event | None:
        """Give the event before; None at the end. Raises DamagedLog."""
        if not self._is_begun:
            self._is_begun = True
            found = self._last()
        elif self._event is None or self._event.prev is None:
            found = None
        else:
            found = self._at(self._event.prev)
        # Two ids with one hash share a grave (see `Graves`); an erased record names no item.
        if found is not None and (found.key != self._key or found.kind == ERASED):
            found = None
        self._event = None if found is None else self._state.present(found)
        if found is not None:
            self.known_from = found.seq, found.time_ms
        return self._event

    def _last(self) -> Event | None:
        slot = self._state.find(self._key)
        if slot is not None:
            address = self._state.address(slot)
            return self._log.read_item(address.home, address.place, address.length)
        grave = self._state.graves.find(self._key)
        return None if grave is None else self._at(grave)

    def _at(self, position: Position) -> Event | None:
        try:
            return self._log.read(position)
        except Dropped:
            return self._from_snapshot()

    def _from_snapshot(self) -> Event | None:
        """Give the state at the cut in place of a record that was dropped, if it lies before.

        An item that the snapshot has not was not there at the cut; what it was before is dropped.
        """
        snapshot, event = self._log.snapshot, self._event
        found: Event | None = None
        if snapshot is not None and (event is None or event.seq > snapshot.header.cut):
            found = snapshot.find(self._key)
            if found is None:
                self.known_from = snapshot.header.cut, snapshot.header.time_ms
        self.is_dropped = found is None
        return found


class HistoryWork:
    """Every event still held of an item."""

    def __init__(self, state: ModelState, log: PastLog, key: str, access: str) -> None:
        self._view = state.views[access]
        self._past = ItemPast(state, log, key)
        self._key = key
        self._events: list[Event] = []

    def step(self) -> Read | None:
        for _ in range(STEP_RECORDS):
            event = self._past.step()
            if event is None:
                return self._answer()
            self._events.append(event)
        return None

    def _answer(self) -> Read:
        self._events.reverse()
        entries = self._view.history(self._events)
        if not entries:
            raise Refusal(404, f"There is no item {self._key!r}")
        return Read(200, b"[%b]" % b",".join(entries))

    def close(self) -> None:
        pass


class PastItemWork:
    """One item as it was at a point of the past."""

    def __init__(
        self, state: ModelState, log: PastLog, key: str, query: Query, access: str
    ) -> None:
        assert query.as_of is not None, "the present is read from the projection"
        self._as_of = query.as_of
        self._log = log
        self._past = ItemPast(state, log, key)
        self._key = key
        self._view = view = state.views[access]
        self._show = view.show if query.fields is None else view.shape(query.fields).apply
        self._reached: tuple[int, int] | None = None  # the event that came last for who asks

    def step(self) -> Read | None:
        for _ in range(STEP_RECORDS):
            event = self._past.step()
            if event is None:
                self._check_dropped()
            elif self._view.reaches(event.payload):
                self._reached = self._past.known_from
            if event is None or self._as_of.includes(event.seq, event.time_ms):
                return self._answer(event)
        return None

    def _check_dropped(self) -> None:
        """Raise Dropped when it isn't known what was then; the walk has ended.

        For who may see some items only, one that was never there for him is a plain 404.
        """
        known = self._past.known_from
        if not self._past.is_dropped or (known is not None and self._as_of.includes(*known)):
            return
        told = known if self._view.own is None else self._reached
        if told is not None or self._view.own is None:
            raise dropped(max(self._log.oldest, told or self._log.oldest))

    def _answer(self, event: Event | None) -> Read:
        is_gone = event is None or event.kind == EventKind.DELETE
        if event is None or is_gone or not self._view.reaches(event.payload):
            raise Refusal(404, f"There was no item {self._key!r} then")
        return Read(200, self._show(event.payload), event.seq, self._key)

    def close(self) -> None:
        pass

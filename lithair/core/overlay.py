"""The overlay: the state as the later commands of a batch see it, before anything is committed.

Law: it changes nothing beneath it, and what a refused command has put in is taken back whole.
"""

from collections.abc import Callable
from typing import NamedTuple

from lithair.core.event import Event, EventKind, Position, Slot
from lithair.core.graves import Graves
from lithair.core.tables import Tables
from lithair.core.values import Sortable


class Present(NamedTuple):
    """An item as a command finds it. Its last record lies at `prev`, or is that of event `at`."""

    payload: bytes
    seq: int
    prev: Position | None
    at: int


class _Held(NamedTuple):
    """What was known of the holder of a unique value before event number `event` of the batch."""

    event: int
    place: tuple[str, Sortable]
    was_known: bool
    holder: str | None


class Overlay:
    """Owns the events of a batch so far and what they lead to."""

    def __init__(
        self, tables: Tables, graves: Graves, payload: Callable[[Slot], bytes], last_seq: int
    ) -> None:
        self.events: list[Event] = []
        self.has_uniques = bool(tables.uniques)
        self._tables = tables
        self._slots = tables.projection.slots
        self._graves = graves if len(graves) else None
        self._payload = payload  # of a slot, read from the disk when the item is evicted
        self._next_seq = last_seq + 1
        self._latest: dict[str, int] = {}  # key -> index of its latest event here
        self._holders: dict[tuple[str, Sortable], str | None] = {}  # who has a unique value now
        self._undo: list[_Held] = []

    def find(self, key: str) -> Present | None:
        """Give the item as the next command sees it; None when there is none.

        Raises DamagedLog when it is evicted and can't be read.
        """
        index = self._latest.get(key)
        if index is not None:
            event = self.events[index]
            if event.kind == EventKind.DELETE:
                return None
            return Present(event.payload, event.seq, None, index)
        projection = self._tables.projection
        slot = projection.slots.get(key)
        if slot is None:
            return None
        position = projection.position(slot)
        return Present(self._payload(slot), projection.seqs[slot], position, -1)

    def holds(self, key: str) -> bool:
        """Tell whether there is such an item, without reading it."""
        index = self._latest.get(key)
        if index is not None:
            return self.events[index].kind != EventKind.DELETE
        return key in self._slots

    def add(self, event: Event, before: Present | None) -> int:
        """Add an event that follows `before` (None: the item is new); gives its index."""
        events, latest, key = self.events, self._latest, event.key
        index = len(events)
        event.seq = self._next_seq + index
        if before is not None:
            event.prev, event.prev_index = before.prev, before.at
            event.before = before.payload
        elif key in latest:
            event.prev_index = latest[key]
        elif self._graves is not None:
            event.prev = self._graves.find(key)
        events.append(event)
        latest[key] = index
        if self.has_uniques:
            self._hold_values(index, event, before)
        return index

    def holder(self, wire: str, value: Sortable) -> str | None:
        """Give the key of the item that has a unique value; None when it is free."""
        place = (wire, value)
        if place in self._holders:
            return self._holders[place]
        slot = self._tables.uniques[wire].find(value)
        return None if slot is None else self._tables.projection.keys[slot]

    def unique_values(self, payload: bytes) -> list[tuple[str, Sortable]]:
        uniques = self._tables.uniques
        values = self._tables.index_values(payload)
        return [(wire, v) for wire, v in values.items() if wire in uniques and v is not None]

    def _hold_values(self, index: int, event: Event, before: Present | None) -> None:
        if before is not None:
            for place in self.unique_values(before.payload):
                self._hold(index, place, None)
        if event.kind != EventKind.DELETE:
            for place in self.unique_values(event.payload):
                self._hold(index, place, event.key)

    def _hold(self, index: int, place: tuple[str, Sortable], key: str | None) -> None:
        holders = self._holders
        self._undo.append(_Held(index, place, place in holders, holders.get(place)))
        holders[place] = key

    def take_back(self, count: int) -> None:
        """Undo all but the first `count` events, newest first."""
        while self._undo and self._undo[-1].event >= count:
            held = self._undo.pop()
            if held.was_known:
                self._holders[held.place] = held.holder
            else:
                del self._holders[held.place]
        while len(self.events) > count:
            event = self.events.pop()
            if event.prev_index >= 0:
                self._latest[event.key] = event.prev_index
            else:
                del self._latest[event.key]

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


class Mark(NamedTuple):
    """A point to take the overlay back to."""

    events: int
    undo: int


class Overlay:
    """Owns the events of a batch so far and what they lead to."""

    def __init__(
        self, tables: Tables, graves: Graves, payload: Callable[[Slot], bytes], last_seq: int
    ) -> None:
        self.events: list[Event] = []
        self.has_uniques = bool(tables.uniques)
        self._tables = tables
        self._graves = graves
        self._payload = payload  # of a slot, read from the disk when the item is evicted
        self._last_seq = last_seq
        self._latest: dict[str, int] = {}  # key -> index of its latest event here
        self._holders: dict[tuple[str, Sortable], str | None] = {}  # who has a unique value now
        self._undo: list[
            tuple[str, int | None] | tuple[tuple[str, Sortable], bool, str | None]
        ] = []

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
        return key in self._tables.projection.slots

    def add(self, event: Event, before: Present | None) -> int:
        """Add an event that follows `before` (None: the item is new); gives its index."""
        event.seq = self._last_seq + len(self.events) + 1
        if before is not None:
            event.prev, event.prev_index = before.prev, before.at
            event.before = before.payload
        else:
            event.prev_index = self._latest.get(event.key, -1)
            if event.prev_index < 0:
                event.prev = self._graves.find(event.key)
        index = len(self.events)
        self.events.append(event)
        self._undo.append((event.key, self._latest.get(event.key)))
        self._latest[event.key] = index
        if self.has_uniques:
            self._hold_values(event, before)
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

    def _hold_values(self, event: Event, before: Present | None) -> None:
        if before is not None:
            for place in self.unique_values(before.payload):
                self._hold(place, None)
        if event.kind != EventKind.DELETE:
            for place in self.unique_values(event.payload):
                self._hold(place, event.key)

    def _hold(self, place: tuple[str, Sortable], key: str | None) -> None:
        self._undo.append((place, place in self._holders, self._holders.get(place)))
        self._holders[place] = key

    def mark(self) -> Mark:
        return Mark(len(self.events), len(self._undo))

    def take_back(self, mark: Mark) -> None:
        """Undo everything since `mark`, newest first."""
        while len(self._undo) > mark.undo:
            step = self._undo.pop()
            if len(step) == 2:
                key, index = step
                if index is None:
                    del self._latest[key]
                else:
                    self._latest[key] = index
            else:
                place, was_there, holder = step
                if was_there:
                    self._holders[place] = holder
                else:
                    del self._holders[place]
        del self.events[mark.events :]

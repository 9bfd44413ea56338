"""Audiences: all readers of a model who see the same of it, and the bytes that they share.

Owns the sending of what happens. Law: an event is written once, whoever reads; who takes everything
at once is up to date, who does not has a place in the backlog and goes on from there when there is
room. Nobody waits for anybody.
"""

import weakref
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from lithair.gateway.streams.backlog import Backlog
from lithair.gateway.streams.encoding import framed
from lithair.gateway.streams.room import LATE_S, Room
from lithair.gateway.streams.selection import Selection
from lithair.wire.messages import FeedEvent

CHUNK_BYTES: Final = 64 << 10  # a view of a chunk keeps all of it alive


class Listener(Protocol):
    """A reader, as far as an audience deals with it."""

    place: int
    late_since_s: float  # since when he is behind by too much; 0 when he is not

    def fall_behind(self, place: int) -> None:
        """Go on from a place, of which the system did not take what follows."""
        ...

    def lag(self) -> None:
        """Give up and leave: too much has come meanwhile."""
        ...


class Counts:
    """What the streams of one model have done."""

    __slots__ = ("events", "lagged")

    def __init__(self) -> None:
        self.events = 0  # given to readers: one for each of them
        self.lagged = 0  # readers given up


class Audience:
    """The readers of one selection, in chunks of HTTP/1.1 or without."""

    def __init__(
        self, selection: Selection, is_chunked: bool, seq: int, room: Room, counts: Counts
    ) -> None:
        self.selection = selection
        self.is_chunked = is_chunked
        self.backlog = Backlog(seq)
        # Whoever is up to date, and how to send to him.
        self.live: dict[Listener, Callable[[bytes], int]] = {}
        self.behind: set[Listener] = set()
        self.joining = 0  # readers who are on their way, from the log or from a cut
        self._room = room
        self._counts = counts
        self._pending: list[tuple[int, bytes]] = []
        self._held = 0  # of the room, by the backlog
        self._is_closed = False
        self._page: tuple[Sequence[FeedEvent], weakref.ref[Backlog]] | None = None

    @property
    def readers(self) -> int:
        return len(self.live) + len(self.behind) + self.joining

    def encode(self, event: FeedEvent) -> bytes:
        """Write an event as it is sent; empty when it is not."""
        data = self.selection.encode(event)
        return framed(data) if data and self.is_chunked else data

    def frame(self, data: bytes) -> bytes:
        """Write bytes as they are sent."""
        return framed(data) if self.is_chunked else data

    def page(self, since: int, events: Sequence[FeedEvent]) -> Backlog:
        """Write events of the past, for readers on their way; those who come together share it."""
        known = self._page
        if known is not None and known[0] is events:
            shared = known[1]()
            if shared is not None:
                return shared
        page = Backlog(since)
        written = [(event.seq, data) for event in events if (data := self.encode(event))]
        for part in _portions(written):
            page.append(part)
        self._page = events, weakref.ref(page)
        return page

    def take(self, event: FeedEvent) -> bool:
        """Take in what happens; returns whether there is something to flush for the first time."""
        data = self.encode(event)
        if not data:
            return False
        self._pending.append((event.seq, data))
        return len(self._pending) == 1

    def flush(self) -> None:
        """Send what was taken in."""
        pending, self._pending = self._pending, []
        backlog = self.backlog
        for part in _portions(pending):
            start = backlog.end
            chunk = backlog.append(part)
            self._counts.events += len(part) * (len(self.live) + len(self.behind))
            _send_all(self.live, chunk, start)
        self.settle()

    def settle(self) -> None:
        """Lag who has been too far behind for too long, and drop what nobody needs."""
        backlog, room = self.backlog, self._room
        low = backlog.end - room.kept_bytes
        if self.behind:
            lowest, now_s = backlog.end - room.reader_bytes, room.clock_s()
            for reader in list(self.behind):
                if reader.place >= lowest:
                    reader.late_since_s = 0.0
                elif not reader.late_since_s:
                    reader.late_since_s = now_s
                elif now_s - reader.late_since_s >= LATE_S:
                    self.lag(reader)
            low = min(low, min((reader.place for reader in self.behind), default=low))
        if low > backlog.begin:
            backlog.trim(low)
        self._hold()

    def lag(self, reader: Listener) -> None:
        """Give a reader up; he leaves by himself."""
        self._counts.lagged += 1
        reader.lag()

    def lag_farthest(self) -> bool:
        """Give up whoever is farthest behind, and drop what is kept; False when nobody is."""
        farthest = min(self.behind, key=lambda reader: reader.place, default=None)
        if farthest is not None:
            self.lag(farthest)
        place = min((reader.place for reader in self.behind), default=self.backlog.end)
        self.backlog.trim(place)
        self._hold()
        return farthest is not None

    def close(self) -> None:
        """Forget everything; nobody reads any more."""
        self._is_closed = True
        self._hold()

    def _hold(self) -> None:
        held = 0 if self._is_closed else len(self.backlog)
        self._room.held_bytes += held - self._held
        self._held = held


def _send_all(live: dict[Listener, Callable[[bytes], int]], chunk: bytes, start: int) -> None:
    """Send a chunk to everybody who is up to date: the hot loop of streams."""
    size = len(chunk)
    late: list[tuple[Listener, int]] = []
    for reader, send in live.items():
        sent = send(chunk)
        if sent != size:
            late.append((reader, sent))
    for reader, sent in late:
        reader.fall_behind(start + sent)


def _portions(events: list[tuple[int, bytes]]) -> list[list[tuple[int, bytes]]]:
    """Part events into chunks of `CHUNK_BYTES`, or of one event that is longer."""
    portions: list[list[tuple[int, bytes]]] = []
    size = 0
    for event in events:
        if not portions or size + len(event[1]) > CHUNK_BYTES:
            portions.append([])
            size = 0
        portions[-1].append(event)
        size += len(event[1])
    return portions

"""Readers: one answer that goes on, from its first event to its end.

    on his way:  opening -> snapshots of a cut -> pages of the past ->   a task, at his own pace
    with all:    live <-> behind                                         no task: see `audience`

Law: between two calls here every event has been sent whole, or its rest is kept by the outlet; so
whatever is sent next is an event of its own. A reader knows the seq up to which he has everything.
"""

import asyncio
import logging
from typing import Final, NamedTuple, Protocol

from lithair.gateway.answers import Problem
from lithair.gateway.contract import Connection, OpenOutlet, Outlet
from lithair.gateway.streams import encoding
from lithair.gateway.streams.audience import Audience
from lithair.gateway.streams.backlog import Backlog
from lithair.gateway.streams.cut import Cut
from lithair.gateway.streams.model_feed import ASK_AGAIN_S, Gap
from lithair.gateway.streams.room import PAGES_BYTES_MAX, Room

_COMMENT: Final = b":\n\n"
_log = logging.getLogger("lithair.http")


class Past(Protocol):
    """Where readers learn what they have missed."""

    @property
    def tip(self) -> int:
        """Give the seq up to which all audiences were given everything."""
        ...

    async def reach(self, seq: int) -> None:
        """Wait until the tip is there."""
        ...

    async def page(self, audience: Audience, since: int) -> tuple[Backlog, int]:
        """Give what follows a seq, and up to where; raises Gap, or Problem to ask again."""
        ...

    def left(self, reader: "Reader") -> None:
        """Forget a reader."""
        ...


class Start(NamedTuple):
    """Where a reader begins: behind `seq`; a cut is the first thing he is sent.

    Where `is_snapshot` he has asked for the present items, if he has no position.
    """

    opening: bytes
    seq: int
    is_snapshot: bool = False
    cut: Cut | None = None


class Reader:
    """One reader of an audience."""

    __slots__ = (
        "_cut",
        "_has_ended",
        "_outlet",
        "_past",
        "_room",
        "_room_made",
        "_seq",
        "_start",
        "_task",
        "audience",
        "late_since_s",
        "place",
    )

    def __init__(self, audience: Audience, past: Past, room: Room, start: Start) -> None:
        self.audience = audience
        self._past = past
        self._room = room
        self._start = start
        self._cut = start.cut  # until the task has it
        self._seq: int | None = start.seq if start.cut is None else None  # None: resumes nowhere
        self._outlet: Outlet | None = None
        self._room_made: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._has_ended = False
        self.place = 0  # in the audience's backlog, while behind
        self.late_since_s = 0.0
        audience.joining += 1

    def run(self, connection: Connection, open_outlet: OpenOutlet) -> None:
        """Begin; the head of the answer was written."""
        self._outlet = open_outlet(connection, self._on_room)
        start = self._start
        if start.opening:
            self._put(self.audience.frame(start.opening))
        if start.cut is not None or not self._join(start.seq):
            self._task = asyncio.get_running_loop().create_task(self._travel(start.seq))

    # On his way

    async def _travel(self, seq: int) -> None:
        cut, self._cut = self._cut, None
        try:
            if self._room_made is not None:
                await self._room_made
            if cut is not None:
                await self._send_cut(cut)
            while not self._has_ended and not self._join(seq):
                if seq > self._past.tip:  # the feed is not there yet
                    await self._past.reach(seq)
                else:
                    seq = self._seq = await self._advance(seq)
        except asyncio.CancelledError:
            raise
        except Exception:  # noqa: BLE001 - a mistake of ours ends this stream alone
            _log.exception("a stream has failed")
            self.end()
        finally:
            self._task = None
            if cut is not None:
                cut.release()

    async def _advance(self, seq: int) -> int:
        """Send the next page of the past; returns the seq up to which it was sent."""
        past = self._past
        try:
            page, upto = await past.page(self.audience, seq)
        except Gap as gap:
            if self._start.is_snapshot:  # when he comes back he is told all items anew
                self.end()
                return seq
            await self._send(encoding.reset(gap.seq))
            return gap.seq
        except Problem:  # the model's process is not there for now
            await asyncio.sleep(ASK_AGAIN_S)
            return seq
        if len(page):
            return await self._send_page(page, upto)
        return upto

    async def _send_page(self, page: Backlog, upto: int) -> int:
        """Send a page, or its beginning: when too much waits, the rest is asked for again."""
        outlet, room, place = self._outlet, self._room, page.begin
        assert outlet is not None
        while place < page.end:
            rest = page.at(place)
            sent = outlet.send(rest)
            place += sent
            if sent < len(rest):
                kept = page.rest_of_event(place)
                place += len(kept)
                self._seq = page.seq_at(place)
                outlet.keep(kept)
                if room.paged_bytes + len(page) > PAGES_BYTES_MAX:
                    del page, rest, kept
                    await self._wait_for_room()
                    return self._seq
                room.paged_bytes += len(page)
                try:
                    await self._wait_for_room()
                finally:
                    room.paged_bytes -= len(page)
        return upto

    async def _send_cut(self, cut: Cut) -> None:
        cursor: int | None = 0
        while cursor is not None:
            events, cursor = await cut.read(cursor)
            if events:
                await self._send(events)
        self._seq = cut.seq
        await self._send(encoding.opening(encoding.LIVE, self.audience.selection.model, cut.seq))

    async def _send(self, data: bytes) -> None:
        self._put(self.audience.frame(data))
        if self._room_made is not None:
            await self._room_made

    async def _wait_for_room(self) -> None:
        self._room_made = asyncio.get_running_loop().create_future()
        await self._room_made

    def _put(self, data: bytes) -> None:
        """Send a whole event; what the system does not take is kept."""
        assert self._outlet is not None
        sent = self._outlet.send(data)
        if sent < len(data):
            self._room_made = asyncio.get_running_loop().create_future()
            self._outlet.keep(data[sent:])

    def _join(self, seq: int) -> bool:
        """Go on with everybody, from behind a seq; False when that can't be done yet."""
        if seq > self._past.tip or self._room_made is not None:
            return False
        place = self.audience.backlog.place_after(seq)
        if place is None:
            return False
        self.audience.joining -= 1
        self._seq = None
        self.place = place
        self.audience.behind.add(self)
        self._go_on()
        return True

    # With all

    def fall_behind(self, place: int) -> None:
        """Go on from a place, of which the system did not take what follows."""
        assert self._outlet is not None
        audience = self.audience
        if audience.live.pop(self, None) is not None:
            audience.behind.add(self)
        kept = audience.backlog.rest_of_event(place)
        self.place = place + len(kept)
        self._outlet.keep(kept)

    def _go_on(self) -> None:
        """Send what there is, as far as the system takes it."""
        assert self._outlet is not None
        audience, place = self.audience, self.place
        backlog = audience.backlog
        while place < backlog.end:
            rest = backlog.at(place)
            sent = self._outlet.send(rest)
            place += sent
            if sent < len(rest):
                self.fall_behind(place)
                return
        self.place = place
        self.late_since_s = 0.0
        audience.behind.discard(self)
        audience.live[self] = self._outlet.send

    def _on_room(self) -> None:
        if self._has_ended:
            return
        made, self._room_made = self._room_made, None
        if made is not None:
            if not made.done():
                made.set_result(None)
        elif self in self.audience.behind:
            self._go_on()

    def beat(self) -> None:
        """Say up to where he has everything, unless something is on its way anyway."""
        if self._has_ended or self._outlet is None or self._room_made is not None:
            return
        if self in self.audience.behind:
            return
        is_live = self in self.audience.live
        seq = self._past.tip if is_live else self._seq
        data = self.audience.frame(_COMMENT if seq is None else encoding.beat(seq))
        sent = self._outlet.send(data)
        if sent == len(data):
            return
        if is_live:
            del self.audience.live[self]
            self.audience.behind.add(self)
            self.place = self.audience.backlog.end
        else:
            self._room_made = asyncio.get_running_loop().create_future()
        self._outlet.keep(data[sent:])

    # The end

    def lag(self) -> None:
        """Give up: too much has come meanwhile."""
        seq = self.audience.backlog.seq_at(self.place)
        self._finish(self.audience.frame(encoding.lagged(seq)))

    def end(self) -> None:
        """End the answer in order."""
        self._finish(b"")

    def cut_off(self) -> None:
        """Close the connection, whatever is under way."""
        self.leave()
        if self._outlet is not None:
            self._outlet.close()

    @property
    def has_ended(self) -> bool:
        return self._has_ended

    def _finish(self, last: bytes) -> None:
        if self._has_ended:
            return
        self.leave()
        if self._outlet is not None:
            self._outlet.end(last + encoding.LAST_CHUNK if self.audience.is_chunked else last)

    def leave(self) -> None:
        """The reader is gone."""
        if self._has_ended:
            return
        self._has_ended = True
        audience = self.audience
        if audience.live.pop(self, None) is None:
            if self in audience.behind:
                audience.behind.discard(self)
            else:
                audience.joining -= 1
        if self._task is not None:
            self._task.cancel()
        cut, self._cut = self._cut, None
        if cut is not None:
            cut.release()
        self._past.left(self)

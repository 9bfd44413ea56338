"""A follower of a feed: what of it is to be delivered now, and what has to be asked for.

    feed (may be lost, may repeat)   -->  Follower  -->  every event once, in order
    pages of CHANGES, when it `wants`  -->

A state machine without sockets and without a clock. Law: an event is delivered when all before it
were; never a gap, never a repeat. What the feed says while something is missing is kept up to a
bound, the newest of it: when the pages have come so far, it goes on from there.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

from lithair.wire.messages import FeedBatch, FeedEvent

KEPT_BYTES_MAX: Final = 2 << 20  # two messages of the feed; past it the oldest are asked for again
EVENT_BYTES: Final = 256  # what an event costs beside its payloads


class Follower:
    """Follows one model from behind event `last`.

    Ask CHANGES from `wants` on whenever it is not None and no such question is under way, and give
    each answer to `page`; ask again when there was none. Nothing is known of the feed at first, so
    the first thing wanted is what came after `last`. With `by_pages`, the feed only tells that
    there is something to ask for: its events are not delivered.
    """

    def __init__(self, last: int, *, by_pages: bool = False) -> None:
        self.last = last  # the last event that was delivered, or passed over in a page
        self.wants: int | None = last
        self.head = 0  # up to where the feed has said that there are events
        self.is_reset = False  # the log is another one, which ends before `last`: follow anew
        self._by_pages = by_pages
        self._epoch: bytes = b""
        self._kept: deque[FeedEvent] = deque()  # they follow each other
        self._kept_bytes = 0

    def feed(self, batch: FeedBatch) -> list[FeedEvent]:
        """Take in what the feed says; gives the events to deliver now."""
        if batch.epoch != self._epoch:
            # Pages may be ahead of the feed. What the feed itself has said, a process that comes
            # after has, too, unless it is given other files.
            self.is_reset = self.is_reset or batch.seq < self.head
            self._epoch = batch.epoch
        self.head = max(self.head, batch.seq)
        if self.is_reset:
            self.wants = None
            self.head = batch.seq
            return []
        if self.wants is None:
            delivered = [] if self._by_pages else self._take(batch.events)
            if self.head > self.last:
                self.wants = self.last
            return delivered
        self._keep(batch.events)
        return []

    def page(self, upto: int, events: Sequence[FeedEvent]) -> list[FeedEvent]:
        """Take in the answer to what was wanted; gives the events to deliver now."""
        if self.is_reset:
            return []
        delivered = [event for event in events if event.seq > self.last]
        self.last = max(self.last, upto)
        while self._kept and self._kept[0].seq <= self.last:
            self._drop()
        if self._kept and self._kept[0].seq == self.last + 1:
            delivered += self._kept
            self.last = self._kept[-1].seq
            self._kept.clear()
            self._kept_bytes = 0
        self.wants = self.last if self.head > self.last else None
        return delivered

    def _take(self, events: Sequence[FeedEvent]) -> list[FeedEvent]:
        """Give the events that follow what was delivered; from a gap on they are kept."""
        last, delivered = self.last, list[FeedEvent]()
        for at, event in enumerate(events):
            if event.seq == last + 1:
                delivered.append(event)
                last = event.seq
            elif event.seq > last:
                self._keep(events[at:])
                break
        self.last = last
        return delivered

    def _keep(self, events: Sequence[FeedEvent]) -> None:
        if self._by_pages:
            return
        for event in events:
            if event.seq <= self.last or (self._kept and event.seq <= self._kept[-1].seq):
                continue
            if self._kept and event.seq != self._kept[-1].seq + 1:
                self._kept.clear()
                self._kept_bytes = 0
            self._kept.append(event)
            self._kept_bytes += _size_of(event)
        while self._kept_bytes > KEPT_BYTES_MAX:
            self._drop()

    def _drop(self) -> None:
        self._kept_bytes -= _size_of(self._kept.popleft())


def _size_of(event: FeedEvent) -> int:
    return len(event.payload) + len(event.before) + EVENT_BYTES

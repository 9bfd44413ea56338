"""The feed of one model in this gateway: its events in order, each once, for all of its readers.

Owns the listening, and the asking for what was missed. Law: `take` gets every event after `tip`,
in order, whatever the feed loses; when the log is another one than before, `lose` is called, and
the feed has ended. A burst is taken in pieces, so that nobody else of this gateway waits for long.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from lithair.client.refusals import error_of
from lithair.gateway.answers import RETRY_AFTER_S, Problem
from lithair.gateway.model_site import ModelSite
from lithair.transport.feed import FeedClient
from lithair.transport.follower import Follower
from lithair.transport.sockets import feed_endpoint
from lithair.wire.codec import decode_changes
from lithair.wire.messages import ChangesPage, FeedBatch, FeedEvent, Reply
from lithair.wire.protocol import Verb, WireError

PAGE_EVENTS_MAX: Final = 4096
ASK_AGAIN_S: Final = 0.2  # after a question without an answer; a process is back in a second
ASKED_BY_READERS_MAX: Final = 4  # pages of the past at a time: the model has other things to do
BURST_BYTES: Final = 256 << 10  # taken in one turn of the loop

GONE: Final = (400, 410)  # of CHANGES: beyond the log's end, or dropped by a compaction

_log = logging.getLogger("lithair.http")


class Gap(Exception):
    """What comes after a position can't be told any more, or was never there."""

    def __init__(self, seq: int) -> None:
        super().__init__(f"go on from {seq}")
        self.seq = seq  # of the model, now


class ModelFeed:
    """Follows one model; `take` and `lose` are called in the loop's thread."""

    def __init__(
        self,
        model: ModelSite,
        run_dir: str,
        take: Callable[[Sequence[FeedEvent]], None],
        lose: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._model = model
        self._take = take
        self._lose = lose
        self._feed = FeedClient(feed_endpoint(run_dir, model.name))
        self._feed_fd = self._feed.fileno()
        self._follower: Follower | None = None
        self._taken = 0  # the tip when `take` was called last
        self._batches: deque[FeedBatch] = deque()  # of one look at the socket
        self._is_looking = False
        self._asking: asyncio.Task[None] | None = None
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._pages = asyncio.Semaphore(ASKED_BY_READERS_MAX)
        self._is_closed = False

    @property
    def tip(self) -> int:
        """Give the seq up to which everything was given to `take`."""
        assert self._follower is not None
        return self._follower.last

    async def start(self) -> None:
        """Begin with what comes from now on; raises Problem when the model can't be reached."""
        # The socket listens already: whatever it misses from here on is noticed as a gap.
        self._taken = await self.seq()
        self._follower = Follower(self._taken)
        self._loop.add_reader(self._feed_fd, self._look)
        self._look()

    async def seq(self) -> int:
        """Ask for the model's seq: of every write that was answered before, from anywhere."""
        reply = await self._model.tell(Verb.HELLO)
        if reply.status != 200:
            raise problem_of(reply)
        return reply.seq

    async def reach(self, seq: int) -> None:
        """Wait until everything up to a seq was given."""
        if seq > self.tip:
            reached: asyncio.Future[None] = self._loop.create_future()
            self._waiting.append((seq, reached))
            await reached

    async def page(self, since: int) -> ChangesPage:
        """Ask for the events after a seq; raises Gap, or Problem when nobody answers."""
        async with self._pages:
            reply = await self._ask(since)
        if reply.status in GONE:
            raise Gap(max(reply.seq, self.tip))
        if reply.status != 200:
            raise problem_of(reply)
        return decode_changes(reply.body)

    async def _ask(self, since: int) -> Reply:
        return await self._model.tell(Verb.CHANGES, (since, PAGE_EVENTS_MAX, ()))

    def close(self) -> None:
        """Stop following; who waits for something is told that it never comes."""
        if self._is_closed:
            return
        self._is_closed = True
        self._loop.remove_reader(self._feed_fd)
        self._feed.close()
        if self._asking is not None:
            self._asking.cancel()
        for _, reached in self._waiting:
            reached.cancel()
        self._waiting.clear()

    # The feed

    def _look(self) -> None:
        if not self._is_looking and not self._is_closed:
            self._follow()

    def _follow(self) -> None:
        """Take a burst; the descriptor tells of what comes, not of what is left."""
        self._is_looking = False
        if self._is_closed:
            return
        size, events = 0, list[FeedEvent]()
        while size < BURST_BYTES:
            if not self._batches and not self._receive():
                self._deliver(events)
                return
            batch = self._batches.popleft()
            size += sum([len(event.payload) for event in batch.events])
            events += self._feed_follower(batch)
        self._deliver(events)
        if not self._is_closed:
            self._is_looking = True
            self._loop.call_soon(self._follow)

    def _receive(self) -> bool:
        try:
            self._batches.extend(self._feed.receive())
        except WireError as error:  # seen as a gap
            _log.warning("the feed of %s can't be read: %s", self._model.name, error)
        return bool(self._batches)

    def _feed_follower(self, batch: FeedBatch) -> list[FeedEvent]:
        follower = self._follower
        assert follower is not None
        return follower.feed(batch)

    def _deliver(self, events: list[FeedEvent]) -> None:
        follower = self._follower
        assert follower is not None
        if follower.last != self._taken:
            self._taken = follower.last
            self._take(events)
        if follower.is_reset:
            self._end()
        elif follower.wants is not None and self._asking is None:
            self._asking = self._loop.create_task(self._catch_up(follower))
        if self._waiting:
            self._wake(follower.last)

    def _wake(self, tip: int) -> None:
        due = [reached for seq, reached in self._waiting if seq <= tip]
        self._waiting = [waiting for waiting in self._waiting if waiting[0] > tip]
        for reached in due:
            if not reached.done():
                reached.set_result(None)

    async def _catch_up(self, follower: Follower) -> None:
        """Ask for what was missed, for as long as something is."""
        while (since := follower.wants) is not None:
            reply = await self._ask(since)
            if reply.status in GONE:
                self._asking = None
                self._end()
                return
            if reply.status != 200:
                await asyncio.sleep(ASK_AGAIN_S)
                continue
            upto, events = decode_changes(reply.body)
            self._deliver(follower.page(upto, events))
            if self._is_closed:
                return
        self._asking = None

    def _end(self) -> None:
        _log.warning("the log of %s is not what it was: its streams begin anew", self._model.name)
        self.close()
        self._lose()


def problem_of(reply: Reply) -> Problem:
    """Make the answer to who asked for what the model's process has refused."""
    status = reply.status if reply.status in (503, 504) else 503
    fields = (("Retry-After", str(RETRY_AFTER_S)),)
    return Problem(status, str(error_of(reply.status, reply.body)), fields)

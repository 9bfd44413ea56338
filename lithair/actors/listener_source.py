"""What a model tells a process that waits for it: its events, one by one, and answers to questions.

Owns the sockets to one model process, used in the main thread only. Law: events come in order, none
is left out and none comes twice, whatever happens to the model's process meanwhile; while nobody
takes them, no more than what the feed has sent and one page are held. Nothing is waited for past
its time, or once the process has to stop.
"""

import logging
from collections import deque
from functools import partial
from typing import Final, TypeVar

from lithair.client.calls import Call
from lithair.client.refusals import error_of
from lithair.errors import Dropped, LithairError, ValidationFailed
from lithair.process import Child
from lithair.transport.feed import FeedClient
from lithair.transport.follower import Follower
from lithair.transport.request_client import RequestClient
from lithair.transport.sockets import Waiter, feed_endpoint, model_endpoint, monotonic_ms
from lithair.wire.codec import decode_changes
from lithair.wire.messages import FeedEvent, Reply
from lithair.wire.protocol import TRUSTED, Verb

PAGE_EVENTS: Final = (
    1024  # asked for at a time; the model's process gives fewer where they are long
)
ANSWER_MS: Final = 30_000  # then it is asked again; it may be replaying a long log
TICK_MS: Final = 50  # how late an overdue answer may be noticed
AGAIN_MS: Final = 250  # after a refusal that will pass
PASSING: Final = frozenset((503, 504))

R = TypeVar("R")

log = logging.getLogger(__name__)


class LogExchanged(LithairError):
    """The log is another one, which ends before what was followed."""


class Stopping(LithairError):
    """The process has to stop; what was waited for did not come before."""


class ListenerSource:
    """The events and the answers of the model `name`."""

    def __init__(self, child: Child, name: str) -> None:
        self.seq = 0  # of the last answer
        self._child = child
        self._feed = FeedClient(feed_endpoint(child.run_dir, name))
        self._requests = RequestClient(model_endpoint(child.run_dir, name))
        self._follower: Follower | None = None
        self._ready: deque[FeedEvent] = deque()
        self._is_asking = False
        self._ask_at_ms = 0
        self._refusal: LithairError | None = None
        self._waiter = Waiter()
        self._waiter.watch(child.stop_fd)
        self._waiter.watch(self._feed.socket)

    def close(self) -> None:
        self._feed.close()
        self._requests.close()

    def follow(self, last: int) -> None:
        """Give what comes after event `last` from now on."""
        self._follower = Follower(last)
        self._ready.clear()
        self._ask_at_ms = 0
        self._refusal = None

    @property
    def passed(self) -> int:
        """The event up to which everything was given by `next`, or is nothing to be given."""
        assert self._follower is not None, "follow first"
        return self._ready[0].seq - 1 if self._ready else self._follower.last

    def next(self, timeout_ms: int) -> FeedEvent | None:
        """Wait for the next event; None when the time is up, or the process has to stop.

        Raises Dropped when it was compacted away, LogExchanged when the log ends before.
        """
        until_ms = monotonic_ms() + timeout_ms
        while not self._ready:
            now_ms = monotonic_ms()
            self._look(now_ms)
            if self._ready:
                break
            if self._child.stopping or now_ms >= until_ms:
                return None
            self._wait(until_ms - now_ms)
        return self._ready.popleft()

    def ask(self, call: Call[R]) -> R:
        """Ask, and wait for the answer; raises Stopping, and the error of a refusal.

        While the model's process is away or too busy, it is asked again.
        """
        assert call.write is None, "nothing is written here"
        while True:
            reply = self._answer_to(call)
            if reply.status not in PASSING:
                self.seq = reply.seq
                return call.result(reply)
            log.debug("the model's process does not answer: status %d", reply.status)
            self.pause(AGAIN_MS)

    def _answer_to(self, call: Call[R]) -> Reply:
        replies: list[Reply] = []
        deadline_ms = monotonic_ms() + ANSWER_MS
        self._requests.ask_read(call.verb, deadline_ms, TRUSTED, call.argument, replies.append)
        while not replies:
            if self._child.stopping:
                raise Stopping("the process has to stop")
            self._drive(monotonic_ms())
            if not replies:
                self._wait(TICK_MS)
        return replies[0]

    def pause(self, timeout_ms: int) -> None:
        """Wait, or until the process has to stop; what comes from the model waits, too."""
        until_ms = monotonic_ms() + timeout_ms
        waiter = Waiter()
        waiter.watch(self._child.stop_fd)
        while not self._child.stopping and (left_ms := until_ms - monotonic_ms()) > 0:
            waiter.wait(left_ms)

    def _look(self, now_ms: int) -> None:
        """Take what has come; ask for what is missing."""
        follower = self._follower
        assert follower is not None, "follow first"
        for batch in self._feed.receive():
            self._ready.extend(follower.feed(batch))
        if follower.is_reset:
            raise LogExchanged("the log is another one, which ends before")
        if follower.wants is not None and not self._is_asking and now_ms >= self._ask_at_ms:
            self._is_asking = True
            argument = (follower.wants, PAGE_EVENTS, ())
            deadline_ms = now_ms + ANSWER_MS
            take = partial(self._take, follower)
            self._requests.ask_read(Verb.CHANGES, deadline_ms, TRUSTED, argument, take)
        self._drive(now_ms)
        refusal, self._refusal = self._refusal, None
        if refusal is not None:
            raise refusal

    def _take(self, follower: Follower, reply: Reply) -> None:
        """Take an answer to CHANGES; one that `follow` has made pointless is forgotten."""
        self._is_asking = False
        if follower is not self._follower:
            return
        if reply.status == 200:
            page = decode_changes(reply.body)
            self._ready.extend(follower.page(page.upto, page.events))
            return
        error = error_of(reply.status, reply.body)
        if isinstance(error, Dropped):
            self._refusal = error
        elif isinstance(error, ValidationFailed):
            self._refusal = LogExchanged(str(error))
        else:
            log.debug("what was missed can't be asked for at present: %s", error)
            self._ask_at_ms = monotonic_ms() + AGAIN_MS

    def _drive(self, now_ms: int) -> None:
        requests = self._requests
        requests.flush(now_ms)
        self._waiter.watch(requests.socket)  # another one after each lost connection
        requests.receive(now_ms)
        requests.tick(now_ms)

    def _wait(self, timeout_ms: int) -> None:
        is_due = not self._requests.is_idle or self._ask_at_ms > monotonic_ms()
        self._waiter.wait(min(timeout_ms, TICK_MS) if is_due else timeout_ms)

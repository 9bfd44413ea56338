"""Following a model's events, as steps: what to ask, when to listen, and the next event.

    begin := HELLO Open
    next  := (CHANGES | Listen | Pause | Open)*      until there is an event to give

Without filters the feed brings the events, and CHANGES what it has lost; with filters the feed only
tells that there may be some to ask for. Owns the position and what was fetched. Law: an event is
given when all before it were, over any number of deaths of the model's process. Waiting has no end
while the server is there, or comes back within the time of a call. In memory are one message of the
feed or one answer, and what a `Follower` keeps. Nothing here asks or listens: a step says what is
to be done, and is sent what came of it.
"""

import logging
from collections import deque
from collections.abc import Callable, Generator
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec

from lithair.client.answers import Event
from lithair.client.calls import Call, Calls
from lithair.client.filters import Filters, pairs_of
from lithair.errors import Dropped, FieldError, LithairError, ValidationFailed
from lithair.transport.follower import Follower
from lithair.transport.sockets import monotonic_ms
from lithair.wire.codec import decode_changes
from lithair.wire.messages import ChangesPage, FeedBatch, FeedEvent, Reply
from lithair.wire.protocol import REQUEST_ID_MAX, Verb

T = TypeVar("T")
R = TypeVar("R")

SILENT_MS: Final = 2000  # eight beats of the feed; past it the process is asked
AGAIN_MS: Final = 250  # between two questions, while the process can't answer
PACE_MS: Final = 10  # between two questions with filters: what is written does not ask for each
PAGE_EVENTS: Final = 1024  # of one answer, which is bounded in bytes, too
FAILURES_MAX: Final = 8  # in a row, of what may be due to deaths of the process
FAILED: Final = 500  # what is in flight at two deaths is answered with this
UNREACHABLE: Final = (503, 504)

log = logging.getLogger(__name__)


class Open(NamedTuple):
    """Join the feed of this model, anew if need be."""

    model: str


class Listen(NamedTuple):
    """Give the next message of the feed; None when the time is up."""

    timeout_ms: int


class Pause(NamedTuple):
    """Wait, whatever the feed has."""

    ms: int


Step = Call[Any] | Open | Listen | Pause  # Any: an answer is read by who has asked
Came = Reply | FeedBatch | None
Steps = Generator[Step, Came, R]


class Hello(msgspec.Struct):
    """The answer to HELLO: the name of the model, and its last event."""

    model: str
    seq: int


class Following(Generic[T]):
    """One subscription's position; `is_server_silent` tells whether nobody is there to wait for."""

    def __init__(
        self,
        calls: Calls[T],
        since: int | None,
        filters: Filters | None,
        is_server_silent: Callable[[], bool],
    ) -> None:
        self.hello: Call[Hello] = Call(Verb.HELLO, _decode_hello)
        self._since = _checked(since)
        self._pairs = pairs_of(filters, calls.codec.wire_name)
        self._codec = calls.codec
        self._is_server_silent = is_server_silent
        self._follower: Follower | None = None
        self._model = calls.name
        self._ready: deque[FeedEvent] = deque()  # fetched, not given
        self._is_doubtful = False  # the feed was silent for too long
        self._is_behind = False  # the last answer was not the last one
        self._asked_ms = 0
        self._failures = 0
        self._is_told = False  # that the process can't be reached

    @property
    def seq(self) -> int | None:
        """The event up to which all were given; None before the position is known."""
        if self._ready:
            return self._ready[0].seq - 1
        return self._since if self._follower is None else self._follower.last

    def begin(self) -> Steps[Follower]:
        """Find out where the log ends, and join the feed; raises as any call does."""
        if self._follower is None:
            reply = yield self.hello
            assert isinstance(reply, Reply)
            hello = self.hello.result(reply)
            self._model = hello.model
            last = hello.seq if self._since is None else self._since
            self._follower = Follower(last, by_pages=bool(self._pairs))
            yield Open(hello.model)
        return self._follower

    def next(self) -> Steps[Event[T]]:
        """Give the next event, whenever it comes.

        Raises Dropped, ModelUnavailable when there is no server any more, ValidationFailed.
        """
        follower = yield from self.begin()
        while not self._ready:
            if follower.is_reset:
                raise self._exchanged(follower)
            if follower.wants is not None or self._is_doubtful:
                yield from self._ask(follower)
            else:
                batch = yield Listen(SILENT_MS)
                self._is_doubtful = batch is None
                if isinstance(batch, FeedBatch):
                    self._ready.extend(follower.feed(batch))
        return self._codec.event(self._model, self._ready.popleft())

    def _ask(self, follower: Follower) -> Steps[None]:
        """Ask for what is missing; waits a little where that can't be answered now."""
        early_ms = self._asked_ms + PACE_MS - monotonic_ms()
        if self._pairs and early_ms > 0 and not self._is_behind:
            yield Pause(early_ms)
        argument = (follower.last, PAGE_EVENTS, self._pairs)
        call = Call[ChangesPage](Verb.CHANGES, decode_changes, argument)
        reply = yield call
        self._asked_ms = monotonic_ms()
        assert isinstance(reply, Reply)
        if reply.status >= FAILED:
            self._bear(call, reply)
            yield Pause(AGAIN_MS)
            return
        upto, events = call.result(reply)
        self._failures = 0
        self._is_told = False
        self._ready.extend(follower.page(upto, events))
        self._is_behind = upto < reply.seq
        if self._is_doubtful:  # the process answers, and its feed is silent: where is that?
            self._is_doubtful = False
            yield Open(self._model)

    def _bear(self, call: Call[ChangesPage], reply: Reply) -> None:
        """Put up with an answer that another try may better; raises the error of any other."""
        if reply.status == FAILED:
            self._failures += 1
        is_passing = reply.status in UNREACHABLE and not self._is_server_silent()
        if not is_passing and not (reply.status == FAILED and self._failures <= FAILURES_MAX):
            call.result(reply)
        if not self._is_told:
            self._is_told = True
            log.warning("the subscription to %s waits: %s", self._model, _why(call, reply))

    def _exchanged(self, follower: Follower) -> Dropped:
        return Dropped(
            f"the log of {self._model} was exchanged: it ends with event {follower.head}, and"
            f" events up to {follower.last} were known of the one before; subscribe anew",
            oldest=follower.head,
        )


_decode_hello = msgspec.json.Decoder(Hello).decode


def _why(call: Call[ChangesPage], reply: Reply) -> str:
    try:
        call.result(reply)
    except LithairError as error:
        return str(error)
    return ""


def _checked(since: object) -> int | None:
    """Refuse what is no seq, before it is sent: the wire has a place for counts only."""
    if since is None:
        return None
    if not isinstance(since, int) or isinstance(since, bool):
        raise TypeError(f"since={since!r}: give a seq, the number of an event")
    if not 0 <= since <= REQUEST_ID_MAX:
        message = f"{since} is no seq: events are counted from 1 on, and 0 is before the first"
        raise ValidationFailed(f"since: {message}", errors=(FieldError("since", message),))
    return since

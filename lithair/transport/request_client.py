"""The asking end of the wire: carries requests to one model process, over its deaths.

    UNCONNECTED -connect-> GREETING -any reply-> GREETED -connection lost, new epoch-> GREETING

A state machine without threads and without a clock: `now_ms` (monotonic) is told, callbacks are
called from `receive`, `tick`, `refuse_all` and, when a request is refused at once, from `ask_...`.

Law: each request is answered exactly once, or cancelled. Nothing is sent before the process has
answered `hello` on this very connection, so nothing ever waits inside ZeroMQ for a process that is
not there. Each new connection is a new DEALER (the old one would deliver old frames again), on
which everything unanswered is sent once more, in its order, under its command ids; the process
tells repeats by these. What was in flight at two deaths (two changes of the epoch) is answered 500.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Final

import zmq

from lithair.core.problem import problem_body
from lithair.transport.driver import ByHand, Driver
from lithair.transport.pending import Asked, Command, Pending, size_of
from lithair.transport.sockets import Socket, WatchedDealer, is_readable
from lithair.wire.codec import decode_replies, encode_requests
from lithair.wire.messages import Reply
from lithair.wire.protocol import (
    BATCH_BYTES_MAX,
    BATCH_REQUESTS_MAX,
    BODY_BYTES_MAX,
    ENVELOPE_BYTES,
    ProtocolMismatch,
    Verb,
    WireError,
)

log = logging.getLogger(__name__)

IN_FLIGHT_REQUESTS_MAX: Final = 16_384  # at 50,000/s a third of a second; more would only wait
IN_FLIGHT_BYTES_MAX: Final = 64 << 20  # bodies are kept until answered
OVERDUE_MS: Final = 250  # twice what a sync usually takes beside heavy writing
ALIVE_MS: Final = 1000  # a process that lets a hello wait longer counts as gone
HELLO_AGAIN_MS: Final = 100  # after a connection was lost before the hello was answered
MISMATCH_MS: Final = 1000  # how often a process of another version is asked again
ACKNOWLEDGE_BYTES: Final = 8 << 20  # an eighth of what a server lets lie unread
DEATHS_MAX: Final = 2

TOO_MANY: Final = "Too many requests wait for this model"
TOO_LONG: Final = f"The body is longer than {BODY_BYTES_MAX} bytes; send it in parts"
NOT_SENT_AGAIN: Final = (
    "this request was in flight when the model's process died twice; it was not sent again"
)
NO_ANSWER: Final = "The model's process did not answer in time"
UNREACHABLE: Final = "The model's process can't be reached"

OnReply = Callable[[Reply], None]
CANCELLED_THERE: Final = frozenset(
    (int(Verb.LIST), int(Verb.COUNT), int(Verb.HISTORY), int(Verb.EVENTS))
)


class RequestClient:
    """Asks one model process; without an endpoint, only gathers requests until `connect`."""

    def __init__(self, endpoint: str = "", driver: Driver | None = None) -> None:
        self.unreachable = UNREACHABLE  # what a 503 says when the time is up
        self.seq = 0  # the highest that any reply carried
        self._driver: Driver = driver or ByHand()
        self._endpoint = ""
        self._dealer: WatchedDealer | None = None
        self._epoch = b""
        self._is_greeted = False
        self._hello_ms = 0  # when the unanswered hello was sent, 0 for none
        self._hello_again_ms = 0  # when to send it again, 0 for not
        self._heard_ms = 0
        self._unread_bytes = 0  # received, and not said to be
        self._pending: dict[int, Pending] = {}  # in the order asked
        self._pending_bytes = 0
        self._unsent: list[Pending] = []
        self._next_deadline_ms = 0  # a lower bound of all deadlines; 0: there is none
        self._last_id = 0
        if endpoint:
            self.connect(endpoint)

    # What it is

    @property
    def endpoint(self) -> str:
        return self._endpoint

    @property
    def socket(self) -> Socket:
        """Give the present DEALER; it is another one after each lost connection."""
        assert self._dealer is not None, "connect first"
        return self._dealer.socket

    @property
    def epoch(self) -> bytes:
        """Give the name of the process's present life, empty before it was first heard of."""
        return self._epoch

    @property
    def is_greeted(self) -> bool:
        """Say whether the process has answered on the present connection."""
        return self._is_greeted

    @property
    def is_idle(self) -> bool:
        """Say whether nothing waits for an answer: no tick is needed until the next request."""
        return not self._pending

    def __len__(self) -> int:
        return len(self._pending)

    def is_alive(self, now_ms: int) -> bool:
        """Say whether the process is connected and answers."""
        is_silent = self._hello_ms and now_ms - self._hello_ms > ALIVE_MS
        return self._is_greeted and not is_silent

    # Asking

    def ask_read(
        self, verb: int, deadline_ms: int, access: str, argument: Asked, on_reply: OnReply
    ) -> int:
        """Ask at the next `flush`; give the request's id, or 0 if it was refused at once."""
        request_id = self._last_id = self._last_id + 1
        request = (request_id, verb, deadline_ms, access, argument)
        return self._add(Pending(request, on_reply, ENVELOPE_BYTES + size_of(argument)))

    def ask_write(
        self, verb: int, deadline_ms: int, access: str, write: Command, on_reply: OnReply
    ) -> int:
        """Ask for a write at the next `flush`; give the request's id, or 0 if refused at once."""
        request_id = self._last_id = self._last_id + 1
        request = (request_id, verb, deadline_ms, access, *write)
        size = ENVELOPE_BYTES + len(write[2]) + size_of(write[1])
        return self._add(Pending(request, on_reply, size))

    def cancel(self, request_id: int) -> None:
        """Forget a request: its callback is not called. A write that was sent still happens."""
        pending = self._taken(request_id)
        if pending is None:
            return
        pending.on_reply = None
        if pending.is_sent and self._is_greeted and _takes_long(pending):
            self._last_id += 1
            cancel = (self._last_id, int(Verb.CANCEL), 0, "", request_id)
            self._unsent.append(Pending(cancel, _ignore, ENVELOPE_BYTES))
            self._driver.wants_flush()

    def refuse_all(self, status: int, sentence: str) -> None:
        """Answer everything that waits with a problem of this status."""
        body = problem_body(status, sentence)
        for pending in list(self._pending.values()):
            self._refuse(pending, status, body)

    # Being driven

    def connect(self, endpoint: str) -> None:
        """Go to this endpoint, from another one too; the process there is greeted first."""
        self._endpoint = endpoint
        self._open()
        self._driver.wants_flush()

    def flush(self, now_ms: int) -> None:
        """Send what was asked since the last time, as one message or a few."""
        if not self._is_greeted:
            # All of it is pending, and sent once greeted; what is cancelled meanwhile is let go of.
            self._unsent = []
            if self._dealer is not None:
                self._greet(now_ms)
            return
        unsent, self._unsent = self._unsent, []
        if unsent:
            self._send(unsent)
        if is_readable(self.socket):  # the descriptor is edge-triggered
            self.receive(now_ms)

    def receive(self, now_ms: int) -> None:
        """Take all answers that have arrived, and notice a lost connection."""
        while self._dealer is not None and is_readable(self._dealer.socket):
            try:
                message = self._dealer.socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                break
            self._take(message, now_ms)
        if self._unread_bytes > ACKNOWLEDGE_BYTES and self._is_greeted:
            self._send_message(())
        if self._dealer is not None and self._dealer.was_lost():
            self._on_loss(now_ms)

    def tick(self, now_ms: int) -> None:
        """Look at deadlines and at what is overdue; every 50 ms or so while not idle."""
        self.receive(now_ms)
        if self._next_deadline_ms and now_ms >= self._next_deadline_ms:
            self._expire(now_ms)
        if self._dealer is None:
            return
        if not self._is_greeted:
            if self._hello_again_ms and now_ms >= self._hello_again_ms:
                self._hello_ms = self._hello_again_ms = 0
            self._greet(now_ms)
        elif self._is_overdue(now_ms):
            self._send_hello(now_ms)

    def close(self) -> None:
        """Close the connection; what still waits is answered 503."""
        self._close_dealer()
        self.refuse_all(503, "The connection was closed")

    # Connections

    def _open(self) -> None:
        self._close_dealer()
        self._dealer = WatchedDealer(self._endpoint)
        self._driver.opened((self._dealer.socket, self._dealer.losses))

    def _close_dealer(self) -> None:
        self._is_greeted = False
        self._hello_ms = self._hello_again_ms = self._unread_bytes = 0
        self._unsent = []  # all of it is pending, and sent in that order once greeted
        dealer, self._dealer = self._dealer, None
        if dealer is not None:
            self._driver.closing((dealer.socket, dealer.losses))
            dealer.close()

    def _greet(self, now_ms: int) -> None:
        if not self._hello_ms:
            self._send_hello(now_ms)

    def _send_hello(self, now_ms: int) -> None:
        self._hello_ms = now_ms or 1
        self._last_id += 1
        self._send_message(((self._last_id, int(Verb.HELLO), 0, "", None),))

    def _on_loss(self, now_ms: int) -> None:
        if self._is_greeted:
            self._open()
            self._greet(now_ms)
        else:
            # ZeroMQ goes on connecting, but the hello may have gone with the connection. Not at
            # once: whoever closes each connection as it comes would make us spin.
            self._hello_again_ms = max(self._hello_ms, now_ms) + HELLO_AGAIN_MS

    def _is_overdue(self, now_ms: int) -> bool:
        if self._hello_ms or not self._pending:
            return False
        oldest = next(iter(self._pending.values()))
        if not oldest.seen_ms:
            oldest.seen_ms = now_ms  # its age is measured by ticks: asking reads no clock
        return now_ms - max(oldest.seen_ms, self._heard_ms) >= OVERDUE_MS

    def _take(self, message: bytes, now_ms: int) -> None:
        self._unread_bytes += len(message)
        try:
            epoch, replies = decode_replies(message)
        except ProtocolMismatch as error:
            log.warning("%s", error)
            self.refuse_all(503, str(error))
            if self._is_greeted:
                self._open()
            self._hello_ms = now_ms or 1
            self._hello_again_ms = now_ms + MISMATCH_MS
            return
        except WireError as error:
            log.error("an answer from %s is no message: %s", self._endpoint, error)
            return
        self._heard_ms = now_ms
        self._hello_ms = 0
        taken = self._pending.pop
        for reply in replies:
            if reply[3] > self.seq:
                self.seq = reply[3]
            pending = taken(reply[0], None)
            if pending is not None:
                self._pending_bytes -= pending.size
                _answer(pending, reply)
        if self._is_greeted:
            if epoch != self._epoch:  # ZeroMQ has connected to the next process by itself
                self._on_loss(now_ms)
        elif self._dealer is not None:  # a callback may have closed us
            self._become_greeted(epoch)

    def _become_greeted(self, epoch: bytes) -> None:
        has_died = bool(self._epoch) and epoch != self._epoch
        self._epoch = epoch
        self._is_greeted = True
        self._hello_again_ms = 0
        if has_died:
            for pending in list(self._pending.values()):
                if pending.is_sent:
                    pending.deaths += 1
                    pending.is_sent = False
                if pending.deaths >= DEATHS_MAX:
                    self._refuse(pending, 500, problem_body(500, NOT_SENT_AGAIN))
        self._unsent = []
        self._send(list(self._pending.values()))

    # Sending

    def _add(self, pending: Pending) -> int:
        request, size, waiting = pending.request, pending.size, self._pending
        request_id, deadline_ms = request[0], request[2]
        if size > BODY_BYTES_MAX + ENVELOPE_BYTES:
            _answer(pending, Reply(request_id, 413, problem_body(413, TOO_LONG), self.seq))
            return 0
        if len(waiting) >= IN_FLIGHT_REQUESTS_MAX or (
            waiting and self._pending_bytes + size > IN_FLIGHT_BYTES_MAX
        ):
            _answer(pending, Reply(request_id, 503, problem_body(503, TOO_MANY), self.seq))
            return 0
        waiting[request_id] = pending
        self._pending_bytes += size
        if deadline_ms and (not self._next_deadline_ms or deadline_ms < self._next_deadline_ms):
            self._next_deadline_ms = deadline_ms
        if not self._unsent:  # else it was said already
            self._driver.wants_flush()
        self._unsent.append(pending)
        return request_id

    def _send(self, unsent: Sequence[Pending]) -> None:
        batch: list[Pending] = []
        batch_bytes = 0
        for pending in unsent:
            if pending.on_reply is None:
                continue  # answered or cancelled meanwhile
            batch.append(pending)
            batch_bytes += pending.size
            if batch_bytes >= BATCH_BYTES_MAX or len(batch) >= BATCH_REQUESTS_MAX:
                self._send_batch(batch)
                batch, batch_bytes = [], 0
        if batch:
            self._send_batch(batch)

    def _send_batch(self, batch: list[Pending]) -> None:
        try:
            self._send_message([pending.request for pending in batch])
        except WireError as error:
            if len(batch) > 1:
                for pending in batch:
                    self._send_batch([pending])
                return
            self._refuse(batch[0], 400, problem_body(400, str(error)))
            return
        for pending in batch:
            pending.is_sent = True

    def _send_message(self, requests: Sequence[tuple[object, ...]]) -> None:
        message = encode_requests(requests, self._unread_bytes)
        self._unread_bytes = 0
        self.socket.send(message, zmq.NOBLOCK)

    # Answering

    def _taken(self, request_id: int) -> Pending | None:
        pending = self._pending.pop(request_id, None)
        if pending is not None:
            self._pending_bytes -= pending.size
        return pending

    def _refuse(self, pending: Pending, status: int, body: bytes) -> None:
        if self._taken(pending.request_id) is not None:
            _answer(pending, Reply(pending.request_id, status, body, self.seq))

    def _expire(self, now_ms: int) -> None:
        status, sentence = (504, NO_ANSWER) if self.is_alive(now_ms) else (503, self.unreachable)
        body = problem_body(status, sentence)
        self._next_deadline_ms = following = 0
        for pending in list(self._pending.values()):
            deadline_ms = pending.deadline_ms
            if not deadline_ms:
                continue
            if now_ms >= deadline_ms:
                self._refuse(pending, status, body)
            elif not following or deadline_ms < following:
                following = deadline_ms
        asked_ms = self._next_deadline_ms  # of what callbacks have asked meanwhile
        self._next_deadline_ms = min(following or asked_ms, asked_ms or following)


def _takes_long(pending: Pending) -> bool:
    """Tell whether a read is worth cancelling there: a get is when it is asked more than an id."""
    if pending.verb == Verb.GET:
        return not isinstance(pending.request[-1], str)
    return pending.verb in CANCELLED_THERE


def _answer(pending: Pending, reply: Reply) -> None:
    on_reply, pending.on_reply = pending.on_reply, None
    if on_reply is None:
        return
    try:
        on_reply(reply)
    except Exception:  # the callback is its owner's: the other answers still have to be given
        log.exception("what was done with an answer failed")


def _ignore(_reply: Reply) -> None:
    pass

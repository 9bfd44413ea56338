"""The answering end of the wire: a model process's one socket.

Law: a peer that speaks another version is told so; what is no message costs no more than a line in
the log. What waits for a peer that doesn't read is bounded: every message says how many bytes of
answers were read since the last one, and past `UNREAD_BYTES_MAX` the peer's requests are held
back until it has read; of those whose answers may be whole pages, only `HEAVY_MAX` are under way.
"""

import errno
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final, cast

import zmq

from lithair.core.problem import problem_body
from lithair.transport.sockets import (
    COPIED_BYTES_MAX,
    Socket,
    bind_router,
    is_readable,
    monotonic_ms,
    new_context,
)
from lithair.wire.codec import decode_requests, encode_refusal, encode_replies
from lithair.wire.messages import Filters, ReadRequest, Reply, Request
from lithair.wire.protocol import (
    BATCH_BYTES_MAX,
    BODY_BYTES_MAX,
    ENVELOPE_BYTES,
    HEAVY,
    ProtocolMismatch,
    Verb,
    WireError,
)

log = logging.getLogger(__name__)

UNREAD_BYTES_MAX: Final = 64 << 20  # per peer; libzmq's own queue has no bound in bytes
HEAVY_MAX: Final = 4  # per peer; a page has at most 16 MiB by default, so 64 MiB under way
HELD_REQUESTS_MAX: Final = 16_384  # a client of ours keeps no more in flight; past it: 503
HEAVY_MS_MAX: Final = 60_000  # an answer that never came stops counting, deadline or not
PEERS_MAX: Final = (
    4096  # gateways, workers, scripts of one machine; past it the idlest is forgotten
)
SILENT_MS_MAX: Final = 60_000  # a peer with requests held back says hello far more often
CLOSE_MS_MAX: Final = 1000  # the last answers leave before an ordered end
ORDERED: Final = HEAVY | {int(Verb.CANCEL)}  # a batch of others alone goes on as it came
_NOBLOCK: Final = int(zmq.NOBLOCK)
AT_ONCE: Final = frozenset((int(Verb.HELLO), int(Verb.CANCEL)))


class _Peer:
    """What is known of one connection."""

    __slots__ = ("heard_ms", "heavy", "heavy_held", "held", "unread_bytes")

    def __init__(self) -> None:
        self.unread_bytes = 0
        self.heard_ms = 0
        self.held: deque[Request] = deque()  # in order, while answers are unread
        self.heavy_held: deque[Request] = deque()
        self.heavy: dict[int, int] = {}  # under way: request id -> when it stops counting

    @property
    def has_held(self) -> bool:
        return bool(self.held or self.heavy_held)

    def is_ready(self, now_ms: int) -> bool:
        """Say whether something that was held back may go on."""
        if self.unread_bytes > UNREAD_BYTES_MAX:
            return False
        if self.held:
            return True
        if not self.heavy_held:
            return False
        if len(self.heavy) >= HEAVY_MAX:
            for request_id, until_ms in list(self.heavy.items()):
                if until_ms < now_ms:
                    del self.heavy[request_id]
        return len(self.heavy) < HEAVY_MAX


class RequestServer:
    """Receives batches of requests and sends batches of replies."""

    def __init__(self, epoch: bytes) -> None:
        self.epoch = epoch
        self._context = new_context()  # its own, so that `close` can wait until answers have left
        self._socket: Socket | None = None
        self._peers: dict[bytes, _Peer] = {}
        self._stalled: dict[bytes, _Peer] = {}  # those with requests held back

    @property
    def socket(self) -> Socket:
        assert self._socket is not None, "bind first"
        return self._socket

    def bind(self, endpoint: str) -> None:
        self._socket = bind_router(endpoint, self._context)

    def fileno(self) -> int:
        """Give the edge-triggered descriptor: ask `has_pending` before waiting for it."""
        return int(self.socket.getsockopt(zmq.FD))

    def has_pending(self) -> bool:
        """Say whether `receive` would give something; to be asked after every receive and send."""
        return self.has_released() or is_readable(self.socket)

    def has_released(self) -> bool:
        """Say whether something that was held back may go on: nothing tells a poller of it."""
        if not self._stalled:
            return False
        now_ms = monotonic_ms()
        return any(peer.is_ready(now_ms) for peer in self._stalled.values())

    def receive(self, messages_max: int) -> list[tuple[bytes, list[Request]]]:
        """Give what has arrived, of at most so many messages: (peer, its requests) each."""
        received: list[tuple[bytes, list[Request]]] = []
        now_ms = monotonic_ms()
        if self._stalled:
            received.extend(self._released(now_ms))
        socket = self.socket
        for _ in range(messages_max):
            if not is_readable(socket):  # half of what the exception of an empty socket costs
                break
            peer = socket.recv(_NOBLOCK)
            frame = socket.recv(_NOBLOCK, copy=False)
            message, has_rest = frame.bytes, frame.more
            del frame  # it holds a copy of its own, and messages may be long
            if has_rest:
                _discard_rest(socket)
                continue
            requests = self._taken(peer, message, now_ms)
            if requests:
                received.append((peer, requests))
        return received

    def send(self, peer: bytes, replies: Sequence[Reply]) -> None:
        """Send replies to one peer, as one message or several; nothing if it is gone."""
        state = self._peers.get(peer)
        if state is not None and state.heavy:
            for reply in replies:
                state.heavy.pop(reply.request_id, None)
        batch: list[Reply] = []
        batch_bytes = 0
        for answered in replies:
            reply = answered if len(answered.body) <= BODY_BYTES_MAX else _too_long(answered)
            if batch and batch_bytes + len(reply.body) > BATCH_BYTES_MAX:
                self._send_message(peer, encode_replies(self.epoch, batch))
                batch, batch_bytes = [], 0
            batch.append(reply)
            batch_bytes += len(reply.body) + ENVELOPE_BYTES
        if batch:
            self._send_message(peer, encode_replies(self.epoch, batch))

    def close(self) -> None:
        """Close, and wait shortly until the last answers have left."""
        if self._socket is not None:
            self._socket.close(linger=CLOSE_MS_MAX)
        self._context.term()

    def _taken(self, peer: bytes, message: bytes, now_ms: int) -> list[Request]:
        try:
            batch = decode_requests(message)
        except ProtocolMismatch as error:
            log.warning("refused a message: %s", error)
            self._send_message(peer, encode_refusal(error.theirs))
            return []
        except WireError as error:
            log.warning("refused a message: %s", error)
            return []
        state = self._peers.get(peer)
        if state is None:
            state = self._admitted(peer)
        state.heard_ms = now_ms
        state.unread_bytes = max(0, state.unread_bytes - batch.acknowledged)
        requests = batch.requests
        if not state.has_held and state.unread_bytes <= UNREAD_BYTES_MAX:
            for request in requests:
                if request[1] in ORDERED:
                    break
            else:
                return requests
        state.held.extend(requests)
        return self._passed(peer, state, now_ms)

    def _passed(self, peer: bytes, state: _Peer, now_ms: int) -> list[Request]:
        """Take what may go on now of what is held back for a peer, and keep the rest."""
        passed: list[Request] = []
        held, heavy_held = state.held, state.heavy_held
        is_stopped = state.unread_bytes > UNREAD_BYTES_MAX
        kept: deque[Request] = deque()
        while held:
            request = held.popleft()
            verb = request[1]
            if verb == Verb.CANCEL:
                if self._cancelled(state, request, kept):
                    continue
                passed.append(request)
            elif is_stopped and verb not in AT_ONCE:
                kept.append(request)
            elif verb in HEAVY and not _looks_back(request):
                heavy_held.append(request)
            else:
                passed.append(request)
        state.held = kept
        while heavy_held and not is_stopped and state.is_ready(now_ms):
            request = heavy_held.popleft()
            state.heavy[request[0]] = (request[2] or now_ms) + HEAVY_MS_MAX
            passed.append(request)
        self._refuse_beyond(peer, state)
        if state.has_held:
            self._stalled[peer] = state
        else:
            self._stalled.pop(peer, None)
        return passed

    def _cancelled(self, state: _Peer, cancel: Request, kept: deque[Request]) -> bool:
        """Say whether the request to cancel was still held back here, and drop it then."""
        assert isinstance(cancel, ReadRequest)
        request_id = cancel.argument
        for queue in (kept, state.heavy_held):
            for request in queue:
                if request[0] == request_id:
                    queue.remove(request)
                    return True
        if isinstance(request_id, int):
            state.heavy.pop(request_id, None)
        return False

    def _refuse_beyond(self, peer: bytes, state: _Peer) -> None:
        """Answer 503 to the newest requests of a peer that has too many held back."""
        refused: list[Reply] = []
        while len(state.held) + len(state.heavy_held) > HELD_REQUESTS_MAX:
            request = (state.held or state.heavy_held).pop()
            body = problem_body(503, "Too many requests wait for answers that were not read yet")
            refused.append(Reply(request[0], 503, body))
        if refused:
            self.send(peer, refused)

    def _released(self, now_ms: int) -> Iterator[tuple[bytes, list[Request]]]:
        for peer, state in list(self._stalled.items()):
            if state.is_ready(now_ms):
                passed = self._passed(peer, state, now_ms)
                if passed:
                    yield peer, passed
            elif now_ms - state.heard_ms > SILENT_MS_MAX:
                self._forget(peer)

    def _admitted(self, peer: bytes) -> _Peer:
        if len(self._peers) >= PEERS_MAX:
            idle = (p for p, state in self._peers.items() if not state.has_held)
            self._forget(next(idle, next(iter(self._peers))))
        state = self._peers[peer] = _Peer()
        return state

    def _forget(self, peer: bytes) -> None:
        self._peers.pop(peer, None)
        self._stalled.pop(peer, None)

    def _send_message(self, peer: bytes, message: bytes) -> None:
        try:
            self.socket.send_multipart(
                (peer, message), zmq.NOBLOCK, copy=len(message) < COPIED_BYTES_MAX
            )
        except zmq.ZMQError as error:
            if error.errno not in (errno.EHOSTUNREACH, errno.EAGAIN):
                raise
            self._forget(peer)
            return
        state = self._peers.get(peer)
        if state is not None:
            state.unread_bytes += len(message)


def _discard_rest(socket: Socket) -> None:
    """Pass over what is left of a message that has more parts than ours."""
    parts = 1 + len(socket.recv_multipart(_NOBLOCK))
    log.warning("refused a message: a message of %d parts", parts)


def _looks_back(request: Request) -> bool:
    """Tell whether it is a list of the past: those wait elsewhere, and hold up no other list."""
    if request[1] != Verb.LIST:
        return False
    return any(name == "as_of" for name, _ in cast("Filters", request[4]))


def _too_long(reply: Reply) -> Reply:
    body = problem_body(500, f"The answer is longer than {BODY_BYTES_MAX} bytes; ask for less")
    return reply._replace(status=500, body=body)

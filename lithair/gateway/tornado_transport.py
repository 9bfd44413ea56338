"""Tornado's stock HTTPServer as the transport, and the limits that it does not keep by itself.

Owns one Watch per connection, which sits between Tornado's parser and the gateway and knows how far
the connection's present request has come; a sweep each second closes what is too slow.

    WAITING -> READING -> BUSY -> WAITING ...      no head yet; the body comes; the answer is due

What stock Tornado can't do, and what is done about it here:
- Its header time-out does not tell an idle connection from a slow head. It is switched off (which
  also saves a timer per request), and the sweep asks the stream whether bytes of a head are there.
- Bytes that are no HTTP are answered by a bare `400 Bad Request` without a body, then closed.
- A head over 128 KiB is closed without an answer; from 64 KiB on it is refused here, 431 or 414.
- Its body limit answers a bare 400; it is switched off, and the exchange counts instead (413).

Law: a peer that is slow costs a slot and a few KiB for a bounded time, whatever it sends.
"""

import enum
import logging
import socket
import ssl
from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Sequence
from typing import Final, cast

from tornado.http1connection import HTTP1ServerConnection
from tornado.httpserver import HTTPServer
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.iostream import IOStream

from lithair.gateway.answers import Problem, raw_answer
from lithair.gateway.contract import Connection, ConnectionDelegate, RequestDelegate
from lithair.gateway.limits import (
    BODY_BYTES_PER_S_MIN,
    HEAD_BYTES_MAX,
    HEAD_FIELDS_MAX,
    SENDING_STALLED_MAX_MS,
    Patience,
)

HEAD_BYTES_READ_MAX: Final = 128 << 10  # beyond it Tornado closes; up to it we can say why
BODY_BYTES_UNLIMITED: Final = 1 << 62  # the exchange counts

_log = logging.getLogger("lithair.http")


class Stage(enum.Enum):
    """How far the present request of a connection has come."""

    WAITING = enum.auto()
    READING = enum.auto()
    BUSY = enum.auto()


class Watch(HTTPMessageDelegate):
    """A connection, and its present request on the way between Tornado and the gateway."""

    __slots__ = (
        "_loop",
        "_patience",
        "_received",
        "_received_at_mark",
        "_request",
        "is_head_due",
        "mark",
        "stage",
        "stream",
    )

    def __init__(self, loop: AbstractEventLoop, stream: IOStream, patience: Patience) -> None:
        self._loop = loop
        self._patience = patience
        self.stream = stream
        self.is_head_due = True  # of a new connection, or once its first bytes were seen
        self.stage = Stage.WAITING
        self.mark = 0.0
        self._received = 0
        self._received_at_mark = 0
        self._request: RequestDelegate | None = None

    def begin(self, request: RequestDelegate) -> None:
        """Wait for the head of the next request."""
        self._request = request
        self.stage = Stage.WAITING
        self.mark = self._loop.time()

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        """Check the size of the head, then pass it on."""
        assert isinstance(start_line, RequestStartLine)
        assert self._request is not None
        self.is_head_due = False
        self.stage = Stage.READING
        self.mark = self._loop.time()
        self._received = self._received_at_mark = 0
        problem = head_problem(start_line, headers)
        if problem is not None:
            self._request.refuse_head(start_line, headers, problem)
            return None
        waiting = self._request.headers_received(start_line, headers)
        return None if waiting is None else self._read_on(waiting)

    async def _read_on(self, waiting: Awaitable[None]) -> None:
        """Read the body once it is wanted: until then it is not the peer who is slow."""
        self.stage = Stage.BUSY
        await waiting
        self.stage = Stage.READING
        self.mark = self._loop.time()

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Count and pass on a piece of the body."""
        assert self._request is not None
        self._received += len(chunk)
        return self._request.data_received(chunk)

    def finish(self) -> None:
        """The request is complete."""
        assert self._request is not None
        self.stage = Stage.BUSY
        self._request.finish()

    def on_connection_close(self) -> None:
        """The client is gone while its request was read."""
        assert self._request is not None
        self._request.on_connection_close()

    def sweep(self, now: float) -> None:
        """Close the connection when it is idle for long, or too slow."""
        waited_s = now - self.mark
        if self.stage is Stage.WAITING:
            self._sweep_head(now, waited_s)
        elif self.stage is Stage.READING and waited_s >= self._patience.body_s:
            arrived = self._received - self._received_at_mark
            if arrived < BODY_BYTES_PER_S_MIN * waited_s:
                self._give_up("The body came too slowly")
            self.mark = now
            self._received_at_mark = self._received

    def _sweep_head(self, now: float, waited_s: float) -> None:
        if self.is_head_due:
            if waited_s > self._patience.head_s:
                self._give_up("The request's head came too slowly")
        elif not self.is_idle():
            self.is_head_due = True
            self.mark = now
        elif waited_s > self._patience.idle_s:
            self.stream.close()

    def is_idle(self) -> bool:
        """Tell whether the connection is between requests, with no byte of the next one there."""
        return self.stage is Stage.WAITING and buffered_bytes(self.stream) == 0

    def _give_up(self, why: str) -> None:
        assert self._request is not None
        problem = Problem(408, why)
        if self.stage is Stage.READING and self._request.give_up(problem):
            return
        if self.stage is Stage.WAITING and buffered_bytes(self.stream) > 0:
            # Tornado's connection can't answer before it has read a head; its stream can.
            _ = self.stream.write(raw_answer(problem.prepared()))
        self.stream.close()


def buffered_bytes(stream: IOStream) -> int:
    """Give how much of an incomplete head has arrived.

    Tornado keeps the number to itself; without it a waiting connection counts as a slow head,
    which is the strict reading.
    """
    number: object = getattr(stream, "_read_buffer_size", 1)
    return number if isinstance(number, int) else 1


def head_problem(start_line: RequestStartLine, headers: HTTPHeaders) -> Problem | None:
    """Check the number of fields and the size of a head."""
    fields = 0
    size = len(start_line.path)
    for name, value in headers.get_all():
        fields += 1
        size += len(name) + len(value) + 4
    if fields > HEAD_FIELDS_MAX:
        return Problem(431, f"The request has more than {HEAD_FIELDS_MAX} header fields")
    if size > HEAD_BYTES_MAX:
        if len(start_line.path) > HEAD_BYTES_MAX // 2:
            return Problem(414, "The request's path and query string are too long")
        return Problem(431, f"The request's head is over {HEAD_BYTES_MAX} bytes")
    return None


class _Server(HTTPServer):
    """HTTPServer, telling its request callback when a connection has ended."""

    def on_close(self, server_conn: object) -> None:
        super().on_close(server_conn)
        callback = self.request_callback
        if isinstance(callback, HTTPServerConnectionDelegate):
            callback.on_close(server_conn)


class TornadoTransport(HTTPServerConnectionDelegate):
    """The stock HTTPServer on inherited sockets, and the watches over its connections."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        delegate: ConnectionDelegate,
        connections_max: int,
        tls: ssl.SSLContext | None,
        patience: Patience,
    ) -> None:
        self._loop = loop
        self._patience = patience
        self._delegate = delegate
        self._connections_max = connections_max
        self._watches: dict[object, Watch] = {}
        self._server = _Server(
            self,
            ssl_options=tls,
            max_header_size=HEAD_BYTES_READ_MAX,
            max_body_size=BODY_BYTES_UNLIMITED,
        )
        self._server.conn_params.header_timeout = None

    async def listen(self, sockets: Sequence[socket.socket]) -> None:
        """Accept connections."""
        for listener in sockets:
            listener.setblocking(False)  # Tornado accepts until there is nobody left
            # Inherited by the connections: ends those that never take their answer.
            if listener.family in (socket.AF_INET, socket.AF_INET6):
                listener.setsockopt(
                    socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SENDING_STALLED_MAX_MS
                )
        self._server.add_sockets(sockets)

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> Watch:
        """Begin a request on a connection; called by HTTPServer."""
        watch = self._watches.get(server_conn)
        if watch is None:
            assert isinstance(server_conn, HTTP1ServerConnection)
            watch = self._watches[server_conn] = Watch(
                self._loop, server_conn.stream, self._patience
            )
            if len(self._watches) > self._connections_max:
                _log.warning("%d connections: closing a new one", len(self._watches))
                server_conn.stream.close()
        # Only the abstract class lacks set_close_callback; every connection of Tornado's has it.
        watch.begin(self._delegate.start_request(server_conn, cast("Connection", request_conn)))
        return watch

    def on_close(self, server_conn: object) -> None:
        """Forget a connection; called by HTTPServer."""
        self._watches.pop(server_conn, None)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._watches)

    def sweep(self) -> None:
        """Close what is idle for long or too slow; to be called each second."""
        now = self._loop.time()
        for watch in list(self._watches.values()):
            watch.sweep(now)

    def stop_accepting(self) -> None:
        """Accept nothing new, close idle connections, and say so on the others' next answers."""
        self._server.stop()
        self._server.conn_params.no_keep_alive = True
        self.close_idle()

    def close_idle(self) -> None:
        """Close the connections that are between requests."""
        for watch in list(self._watches.values()):
            if watch.is_idle():
                watch.stream.close()

    def close(self) -> None:
        """Close every connection, finished or not."""
        for watch in list(self._watches.values()):
            watch.stream.close()

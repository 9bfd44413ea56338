"""The transport over a C parser: connections of asyncio that speak Tornado's contract.

Owns the listening and all connections of a gateway, and how long each is waited for. Law: a peer
that is slow costs a slot and a few KiB for a bounded time, whatever it sends.
"""

import asyncio
import logging
import math
import socket
import ssl
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, Protocol, runtime_checkable

from lithair.gateway.contract import ConnectionDelegate
from lithair.gateway.http_connection import HttpConnection
from lithair.gateway.http_sweep import sweep
from lithair.gateway.limits import SENDING_STALLED_MAX_MS, Patience
from lithair.gateway.short_way import ShortWay

BACKLOG: Final = 4096  # connections that the kernel may have accepted before we look
# For all of what is left of a last answer: how much that is, asyncio does not tell over TLS.
TLS_LAST_ANSWER_S_MAX: Final = 300.0
# A crowd that came at once is late at once. Refused at once, it would hold the others up for as
# long as that takes, and again when it comes back: a few at a time, it does not.
SWEPT_AT_ONCE: Final = 4
SWEPT_PARTS_MAX: Final = 250  # of one sweep; of very many connections, more at once

_log = logging.getLogger("lithair.http")


@runtime_checkable
class Shortening(Protocol):
    """Where requests come in that knows a short way for ordinary ones."""

    def short_way(self, loop: asyncio.AbstractEventLoop, *, is_tls: bool) -> ShortWay | None:
        """Give it, if there is one."""
        ...


class HttpTransport:
    """HTTP on inherited sockets."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        delegate: ConnectionDelegate,
        connections_max: int,
        tls: ssl.SSLContext | None,
        patience: Patience,
    ) -> None:
        self.loop = loop
        self.now = loop.time
        self.delegate = delegate
        self.patience = patience
        self.is_tls = tls is not None
        self.scheme = "http" if tls is None else "https"
        self.is_stopping = False
        self.done: asyncio.Future[None] = loop.create_future()  # whoever need not wait, gets this
        self.done.set_result(None)
        self.short_way: ShortWay | None = None
        if isinstance(delegate, Shortening):
            self.short_way = delegate.short_way(loop, is_tls=self.is_tls)
        self._tls = tls
        self._connections_max = connections_max
        self._connections: dict[HttpConnection, None] = {}  # the oldest first
        self._servers: list[asyncio.Server] = []

    async def listen(self, sockets: Sequence[socket.socket]) -> None:
        """Accept connections."""
        for listener in sockets:
            listener.setblocking(False)
            # Inherited by the connections: ends those that never take their answer.
            if listener.family in (socket.AF_INET, socket.AF_INET6):
                listener.setsockopt(
                    socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SENDING_STALLED_MAX_MS
                )
            server = await self.loop.create_server(
                lambda: HttpConnection(self),
                sock=listener,
                backlog=BACKLOG,
                ssl=self._tls,
                ssl_handshake_timeout=None if self._tls is None else self.patience.head_s,
                ssl_shutdown_timeout=None if self._tls is None else TLS_LAST_ANSWER_S_MAX,
            )
            self._servers.append(server)

    def opened(self, connection: HttpConnection) -> None:
        """Take a connection in."""
        self._connections[connection] = None
        if len(self._connections) > self._connections_max:
            _log.warning("%d connections: closing a new one", len(self._connections))
            connection.transport.abort()

    def closed(self, connection: HttpConnection) -> None:
        """Forget a connection."""
        self._connections.pop(connection, None)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    def sweep(self) -> None:
        """Begin to close what is idle for long or too slow; done before the next second's call."""
        connections = list(self._connections)
        if connections:
            at_once = max(SWEPT_AT_ONCE, math.ceil(len(connections) / SWEPT_PARTS_MAX))
            pause_s = self.patience.sweep_s * at_once / len(connections)
            self._sweep_some(iter(connections), at_once, pause_s)

    def _sweep_some(self, left: Iterator[HttpConnection], at_once: int, pause_s: float) -> None:
        some = list(islice(left, at_once))
        now = self.now()
        for connection in some:
            if connection in self._connections:
                sweep(connection, now, self.patience)
        if len(some) == at_once:
            self.loop.call_later(pause_s, self._sweep_some, left, at_once, pause_s)

    def stop_accepting(self) -> None:
        """Accept nothing new, close idle connections, and say so on the others' next answers."""
        self.is_stopping = True
        for server in self._servers:
            server.close()
        self.close_idle()

    def close_idle(self) -> None:
        """Close the connections that are between requests."""
        for connection in list(self._connections):
            if connection.is_idle():
                connection.close()

    def close(self) -> None:
        """Close every connection, finished or not."""
        for server in self._servers:
            server.close()
        for connection in list(self._connections):
            connection.transport.abort()

"""The contract between transports and the gateway: Tornado's, with its two unwritten parts.

    transport --start_request--> ConnectionDelegate        for each request, before its head
    transport --headers_received, data_received, finish, on_connection_close--> RequestDelegate
    gateway   --write_headers, write, finish, set_close_callback--> Connection
    gateway   --write_headers--> Connection, then --send, keep, end--> Outlet        a stream

Law: `refuse_head` takes the place of `headers_received`; `give_up` may come at any time. What
`write_headers` was given is its own from then on.
"""

import socket
from collections.abc import Callable, Sequence
from typing import Protocol

from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    RequestStartLine,
)

from lithair.gateway.answers import Problem


class Context(Protocol):
    """How a connection came to be."""

    remote_ip: str | None
    protocol: str


class Connection(HTTPConnection):
    """A connection as every transport of Tornado's has it; RequestHandler relies on it too."""

    context: Context

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """Call this when the client goes away after its request and before the whole answer."""
        raise NotImplementedError


class RequestDelegate(HTTPMessageDelegate):
    """What the gateway makes of one request."""

    def refuse_head(self, start_line: RequestStartLine, headers: HTTPHeaders, why: Problem) -> None:
        """Take a head that the transport refuses."""
        raise NotImplementedError

    def give_up(self, why: Problem) -> bool:
        """Answer at once and close, when no answer has begun; returns whether one went out."""
        raise NotImplementedError


class ConnectionDelegate(Protocol):
    """Where requests come in."""

    def start_request(self, server_conn: object, connection: Connection) -> RequestDelegate:
        """Begin a request."""
        ...


class Outlet(Protocol):
    """The way out of an answer that goes on for long, in place of its Connection's `write`.

    It keeps no queue: what the system does not take now stays where it is, shared by all who are
    to get it. Bytes go out as they are, so whoever sends writes the chunks of HTTP/1.1, too.
    """

    def send(self, data: bytes | memoryview) -> int:
        """Give the system what it takes now; returns how many bytes. Never raises."""
        ...

    def keep(self, data: bytes | memoryview) -> None:
        """Have these bytes, which the system did not take, sent as soon as it does."""
        ...

    def end(self, data: bytes) -> None:
        """Send these bytes, behind what is kept, and close the connection."""
        ...

    def close(self) -> None:
        """Close the connection, whatever is kept."""
        ...


# Opens the outlet of a connection whose head was written; the callback is called each time when
# what was kept has been sent.
OpenOutlet = Callable[[Connection, Callable[[], None]], Outlet]


class Transport(Protocol):
    """What carries HTTP: it accepts connections, and keeps the limits on heads and on time."""

    @property
    def connections(self) -> int:
        """How many connections are open."""
        ...

    async def listen(self, sockets: Sequence[socket.socket]) -> None:
        """Accept connections."""
        ...

    def sweep(self) -> None:
        """Close what is idle for long or too slow; to be called each second."""
        ...

    def stop_accepting(self) -> None:
        """Accept nothing new, close idle connections, and say so on the others' next answers."""
        ...

    def close_idle(self) -> None:
        """Close the connections that are between requests."""
        ...

    def close(self) -> None:
        """Close every connection, finished or not."""
        ...

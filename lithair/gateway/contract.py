"""The contract between transports and the gateway: Tornado's, with its two unwritten parts.

    transport --start_request--> ConnectionDelegate        for each request, before its head
    transport --headers_received, data_received, finish, on_connection_close--> RequestDelegate
    gateway   --write_headers, write, finish, set_close_callback--> Connection

Law: `refuse_head` takes the place of `headers_received`; `give_up` may come at any time. What
`write_headers` was given is its own from then on.
"""

from collections.abc import Callable
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

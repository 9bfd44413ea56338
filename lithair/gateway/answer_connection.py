"""The connection as a tornado.web.Application sees it.

Owns what is added to every answer of the Application, whoever wrote the handler: the fields for
cross-origin requests and those of pages, the id of the request where it is to be told, and no
Server field that tells which version of what runs here. What a trusted proxy has said of the
client, the Application sees as the client's own. Law: after `detach_answer` nothing of the
Application's answer goes out any more.
"""

import asyncio
from collections.abc import Callable

from tornado.httputil import HTTPHeaders, RequestStartLine, ResponseStartLine

from lithair.gateway.answers import Fields
from lithair.gateway.contract import Connection
from lithair.gateway.page_fields import add_page_fields
from lithair.gateway.proxies import Client
from lithair.gateway.request_ids import add_request_id


class ClientContext:
    """Where a request comes from, in Tornado's words."""

    def __init__(self, client: Client) -> None:
        self.remote_ip: str | None = client.address
        self.protocol = "https" if client.is_tls else "http"


class AnswerConnection(Connection):
    """Passes an answer on to the transport's connection."""

    def __init__(
        self,
        connection: Connection,
        fields: Fields,
        on_begin: Callable[[int], None],
        client: Client,
        asked: HTTPHeaders,
    ) -> None:
        self._connection = connection
        self._fields = fields
        self._on_begin = on_begin  # called with the status
        self._asked = asked
        self._is_detached = False
        if client.is_told:
            self.context = ClientContext(client)
        self.is_begun = False

    def __getattr__(self, name: str) -> object:
        # `context` (remote address, scheme) and `detach` (WebSockets) are the transport's own.
        return getattr(self._connection, name)

    def detach_answer(self) -> None:
        """Cut the Application off: the request is answered without it."""
        self._is_detached = True
        self._connection.set_close_callback(None)

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """Have `callback` called when the client goes before the answer is complete."""
        if not self._is_detached:
            self._connection.set_close_callback(callback)

    def write_headers(
        self,
        start_line: RequestStartLine | ResponseStartLine,
        headers: HTTPHeaders,
        chunk: bytes | None = None,
    ) -> "asyncio.Future[None]":
        """Write the head, and the first bytes of the body."""
        if self._is_detached:
            return _done()
        if not self.is_begun and isinstance(start_line, ResponseStartLine):
            self._on_begin(start_line.code)
            add_request_id(start_line.code, self._asked, headers)
        self.is_begun = True
        if headers.get("Server", "").startswith("TornadoServer"):
            del headers["Server"]
        add_page_fields(headers)
        for name, value in self._fields:
            if name == "Vary" or name not in headers:
                headers.add(name, value)
        return self._connection.write_headers(start_line, headers, chunk)

    def write(self, chunk: bytes) -> "asyncio.Future[None]":
        """Write more of the body."""
        return _done() if self._is_detached else self._connection.write(chunk)

    def finish(self) -> None:
        """Say that the answer is complete."""
        if not self._is_detached:
            self._connection.finish()


def _done() -> "asyncio.Future[None]":
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future

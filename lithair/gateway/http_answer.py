"""The answer to one request of the transport over a C parser, as it is written out.

Owns the head's bytes and the framing of the body: by Content-Length, in chunks, or by the end of
the connection. Law: what is announced is kept, or the connection is closed; what is written after
the end goes nowhere.
"""

import asyncio
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from tornado.httputil import HTTPHeaders, HTTPOutputError, RequestStartLine, ResponseStartLine
from tornado.iostream import StreamClosedError

from lithair.gateway.answers import WITHOUT_BODY
from lithair.gateway.contract import Connection
from lithair.gateway.http_head import Head

if TYPE_CHECKING:
    from lithair.gateway.http_connection import HttpConnection

_LAST_CHUNK: Final = b"0\r\n\r\n"
_LINE_BREAK: Final = re.compile(r"[\r\n\0]")


class PeerContext:
    """Where a connection comes from, in Tornado's words."""

    __slots__ = ("address", "address_family", "protocol", "remote_ip")

    def __init__(self, address: object, address_family: int, protocol: str) -> None:
        self.address = address
        self.address_family = address_family
        self.remote_ip: str | None = None
        if isinstance(address, tuple):  # of an IPv4 or IPv6 socket; others have no address
            self.remote_ip = str(cast("tuple[object, ...]", address)[0])
        self.protocol = protocol


class Answer(Connection):
    """The way out of one request; what is written after its end goes nowhere."""

    __slots__ = (
        "_connection",
        "_is_chunked",
        "_left",
        "_line",
        "_on_close",
        "context",
        "is_begun",
        "keeps_alive",
    )

    def __init__(self, connection: "HttpConnection", head: Head) -> None:
        self._connection: HttpConnection | None = connection
        self._line = head.start_line
        self._left: int | None = None  # bytes of the body that were announced and are to come
        self._is_chunked = False
        self._on_close: Callable[[], None] | None = None
        self.context = connection.context
        self.is_begun = False
        self.keeps_alive = head.keeps_alive

    @property
    def connection(self) -> "HttpConnection | None":
        """What it goes out on, until its end."""
        return self._connection

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """Call this when the client goes away before the whole answer."""
        self._on_close = callback

    def leave(self) -> None:
        """The client is gone."""
        self._connection = None
        callback, self._on_close = self._on_close, None
        if callback is not None:
            callback()

    def write_headers(
        self,
        start_line: RequestStartLine | ResponseStartLine,
        headers: HTTPHeaders,
        chunk: bytes | None = None,
    ) -> "asyncio.Future[None]":
        """Write the head, and the first bytes of the body."""
        assert isinstance(start_line, ResponseStartLine)
        connection = self._connection
        if connection is None:
            return _closed()
        self.is_begun = True
        self._frame(start_line.code, headers)
        lines = [f"HTTP/1.1 {start_line.code} {start_line.reason}"]
        for name, value in headers.get_all():
            line = f"{name}: {value}"
            if _LINE_BREAK.search(line):
                raise ValueError(f"a header field would break its line: {line!r}")
            lines.append(line)
        lines.append("\r\n")
        data = "\r\n".join(lines).encode("latin-1")
        connection.transport.write(data + self._framed(chunk) if chunk else data)
        return connection.written()

    def _frame(self, status: int, headers: HTTPHeaders) -> None:
        """Settle how the body is framed, and what becomes of the connection."""
        version = self._line.version
        connection = self._connection
        assert connection is not None
        has_body = self._line.method != "HEAD" and status not in WITHOUT_BODY and status >= 200
        length = headers.get("Content-Length")
        if not has_body:
            self._left = 0
        elif length is not None:
            self._left = int(length)
        elif "Transfer-Encoding" in headers:
            pass  # chunked by whoever writes it
        elif version == "HTTP/1.1":
            self._is_chunked = True
            headers["Transfer-Encoding"] = "chunked"
        else:
            self.keeps_alive = False
        wanted = headers.get("Connection")
        if wanted is not None and wanted.lower() == "close":
            self.keeps_alive = False
        elif connection.is_last:
            self.keeps_alive = False
            headers["Connection"] = "close"
        elif not self.keeps_alive and version == "HTTP/1.1":
            headers["Connection"] = "close"
        elif self.keeps_alive and version == "HTTP/1.0":
            headers["Connection"] = "Keep-Alive"

    def write(self, chunk: bytes) -> "asyncio.Future[None]":
        """Write more of the body."""
        connection = self._connection
        if connection is None:
            return _closed()
        if chunk:
            connection.transport.write(self._framed(chunk))
        return connection.written()

    def _framed(self, chunk: bytes) -> bytes:
        if self._is_chunked:
            return b"%x\r\n%b\r\n" % (len(chunk), chunk)
        if self._left is not None:
            self._left -= len(chunk)
            if self._left < 0:
                self._abort()
                raise HTTPOutputError("Tried to write more data than Content-Length")
        return chunk

    def _abort(self) -> None:
        """End a connection whose answer can't be told from the next any more."""
        connection = self._connection
        if connection is not None:
            connection.transport.close()

    def finish(self) -> None:
        """Say that the answer is complete."""
        connection, self._connection = self._connection, None
        self._on_close = None
        if connection is None:
            return
        if self._left:
            connection.transport.close()
            raise HTTPOutputError(f"Tried to write {self._left} bytes less than Content-Length")
        if self._is_chunked:
            connection.transport.write(_LAST_CHUNK)
        connection.answered(self)


def _closed() -> "asyncio.Future[None]":
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    break_off(future)
    return future


def break_off(future: "asyncio.Future[None]") -> None:
    """Tell a writer that the connection is gone."""
    if not future.done():
        future.set_exception(StreamClosedError())
        future.exception()  # seen, also when nobody waits for it

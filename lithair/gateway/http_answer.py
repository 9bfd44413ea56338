"""The answer to one request of the transport over a C parser, as it is written out.

Owns the head's bytes and the framing of the body: by Content-Length, in chunks, or by the end of
the connection. Law: what is announced is kept, or the connection is closed; what is written after
the end goes nowhere.
"""

import asyncio
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from tornado.httputil import HTTPHeaders, HTTPOutputError, RequestStartLine, ResponseStartLine

from lithair.gateway.answers import WITHOUT_BODY
from lithair.gateway.contract import Connection
from lithair.gateway.http_head import Head
from lithair.gateway.http_writers import break_off

if TYPE_CHECKING:
    from lithair.gateway.http_connection import HttpConnection

_LAST_CHUNK: Final = b"0\r\n\r\n"
_DIGITS: Final = re.compile(r"[0-9]+")


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


def peer_of(transport: asyncio.Transport, scheme: str) -> PeerContext:
    """Tell where a connection comes from."""
    socket = transport.get_extra_info("socket")
    family = int(socket.family) if socket is not None else 0
    return PeerContext(transport.get_extra_info("peername"), family, scheme)


class Answer(Connection):
    """The way out of one request; what is written after its end goes nowhere."""

    __slots__ = (
        "_connection",
        "_is_chunked",
        "_left",
        "_method",
        "_on_close",
        "_version",
        "body_bytes_max",
        "body_until",
        "context",
        "is_begun",
        "keeps_alive",
    )

    def __init__(self, connection: "HttpConnection", head: Head) -> None:
        self._connection: HttpConnection | None = connection
        self._method, self._version = head.method, head.version
        self._left: int | None = None  # bytes of the body that were announced and are to come
        self._is_chunked = False
        self._on_close: Callable[[], None] | None = None
        self.context = connection.context
        self.body_bytes_max: float = math.inf  # of the request's; the exchange has limits, too
        self.body_until: float = math.inf  # in the loop's time
        self.is_begun = False
        self.keeps_alive = head.keeps_alive

    @property
    def connection(self) -> "HttpConnection | None":
        """What it goes out on, until its end."""
        return self._connection

    def set_max_body_size(self, max_body_size: int) -> None:
        """Refuse a longer body; for handlers that take their body in pieces."""
        self.body_bytes_max = max_body_size

    def set_body_timeout(self, timeout: float) -> None:
        """Close the connection when the body is not there in time."""
        self.body_until = asyncio.get_running_loop().time() + timeout

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """Call this when the client goes away before the whole answer."""
        self._on_close = callback

    def leave(self) -> None:
        """The client is gone."""
        self._connection = None
        callback, self._on_close = self._on_close, None
        if callback is not None:
            callback()

    def cut(self) -> None:
        """The connection is closed, and whom it concerns knows."""
        self._connection = None
        self._on_close = None

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
        try:
            self._frame(start_line.code, headers)
            data = head_bytes(start_line, headers)
        except ValueError:  # one of UnicodeEncodeError too
            self._break()
            raise
        connection.transport.write(data + self._framed(chunk) if chunk else data)
        return connection.written()

    def _frame(self, status: int, headers: HTTPHeaders) -> None:
        """Settle how the body is framed, and what becomes of the connection."""
        version = self._version
        connection = self._connection
        assert connection is not None
        has_body = self._method != "HEAD" and status not in WITHOUT_BODY and status >= 200
        length = headers.get("Content-Length")
        if not has_body:
            self._left = 0
        elif length is not None:
            if not _DIGITS.fullmatch(length):
                raise ValueError(f"a Content-Length that is no whole number: {length!r}")
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
                self._break()
                raise HTTPOutputError("Tried to write more data than Content-Length")
        return chunk

    def close(self) -> None:
        """Close the connection though the answer is not complete, as Tornado's does."""
        self._break()

    def _break(self) -> None:
        """End a connection whose answer can't be told from the next any more."""
        connection = self._connection
        self.cut()
        if connection is not None:
            connection.broken()

    def finish(self) -> None:
        """Say that the answer is complete."""
        connection, self._connection = self._connection, None
        self._on_close = None
        if connection is None:
            return
        if self._left:
            connection.broken()
            raise HTTPOutputError(f"Tried to write {self._left} bytes less than Content-Length")
        if self._is_chunked:
            connection.transport.write(_LAST_CHUNK)
        connection.answered(self)


def head_bytes(start_line: ResponseStartLine, headers: HTTPHeaders) -> bytes:
    """Write a head; raises ValueError, where it would be read as something else."""
    lines = [f"HTTP/1.1 {start_line.code} {start_line.reason}"]
    lines += [f"{name}: {value}" for name, value in headers.get_all()]
    data = "\r\n".join((*lines, "", "")).encode("latin-1")
    ends = len(lines) + 1
    if data.count(b"\r") != ends or data.count(b"\n") != ends or b"\0" in data:
        raise ValueError(f"a line of the answer's head would break: {lines!r}")
    return data


def _closed() -> "asyncio.Future[None]":
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    break_off(future)
    return future

"""The outlet of a Tornado connection: past its HTTP connection, to the stream beneath.

Owns the bytes of one peer from the head of the answer on. Law: what can be sent at once never goes
through a buffer; what is kept, and what is encrypted, goes through Tornado's own, so that Tornado
waits for the socket. The end of the connection is told by the connection's own close callback.
"""

import asyncio
import socket
from collections.abc import Callable

from tornado.http1connection import HTTP1Connection
from tornado.iostream import SSLIOStream, StreamClosedError

from lithair.gateway.contract import Connection, Outlet
from lithair.gateway.limits import STREAM_BUFFER_BYTES


class TornadoOutlet:
    """Sends to one peer."""

    __slots__ = ("_is_clear", "_on_room", "_send", "_stream")

    def __init__(self, connection: HTTP1Connection, on_room: Callable[[], None]) -> None:
        stream = connection.stream
        assert stream is not None, "a model's route detaches nothing"
        self._stream = stream
        self._on_room = on_room
        self._is_clear = not stream.closed()  # nothing is kept, and there is somebody
        self._send: Callable[[bytes | memoryview], int]
        if stream.closed():
            return
        beneath = stream.socket
        assert beneath is not None, "only a closed stream has none"
        beneath.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, STREAM_BUFFER_BYTES)
        stream.set_nodelay(True)
        self._send = self._send_encrypted if isinstance(stream, SSLIOStream) else beneath.send
        if stream.writing():  # the head is not on its way yet
            self._is_clear = False
            stream.write(b"").add_done_callback(self._sent)

    def send(self, data: bytes | memoryview) -> int:
        """Give the system what it takes now."""
        if not self._is_clear:
            return 0
        try:
            return self._send(data)
        except BlockingIOError:
            return 0
        except OSError:  # the peer is gone: who reads the connection is told
            self._is_clear = False
            self._stream.close()
            return 0

    def keep(self, data: bytes | memoryview) -> None:
        """Have these bytes sent as soon as the system takes them."""
        self._is_clear = False
        try:
            self._stream.write(data).add_done_callback(self._sent)
        except StreamClosedError:
            pass

    def end(self, data: bytes) -> None:
        """Send these bytes, behind what is kept, and close the connection."""
        self._is_clear = False
        stream = self._stream
        try:
            stream.write(data).add_done_callback(lambda _sent: stream.close())
        except StreamClosedError:
            pass

    def close(self) -> None:
        """Close the connection, whatever is kept."""
        self._is_clear = False
        self._stream.close()

    def _sent(self, sent: "asyncio.Future[None]") -> None:
        stream = self._stream
        if sent.exception() is None and not stream.closed() and not stream.writing():
            self._is_clear = True
            self._on_room()

    def _send_encrypted(self, data: bytes | memoryview) -> int:
        """Take all of it: OpenSSL wants the same bytes again when it could not send them."""
        stream = self._stream
        sent = stream.write(data)
        if stream.writing():
            self._is_clear = False
            sent.add_done_callback(self._sent)
        return len(data)


def open_outlet(connection: Connection, on_room: Callable[[], None]) -> Outlet:
    """Open the outlet of a connection whose head was written."""
    # `Connection` is what Tornado's own connections are known as; no other class comes here.
    made: object = connection
    assert isinstance(made, HTTP1Connection)
    return TornadoOutlet(made, on_room)

"""The outlet of a connection over the C parser: past asyncio's transport, to the socket beneath.

Owns the bytes of one peer from the head of the answer on, and a descriptor of its own for the
socket: the transport's may be closed, and another connection's next, before anybody is told. Law:
what can be sent at once never goes through a buffer; what is kept goes through the transport's own.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from lithair.gateway.contract import Connection, Outlet
from lithair.gateway.http_answer import Answer
from lithair.gateway.limits import STREAM_BUFFER_BYTES

if TYPE_CHECKING:
    from lithair.gateway.http_connection import HttpConnection

_log = logging.getLogger("lithair.http")


class HttpOutlet:
    """Sends to one peer."""

    __slots__ = ("_connection", "_ending", "_is_clear", "_on_room", "_socket", "_transport")

    def __init__(self, connection: "HttpConnection | None", on_room: Callable[[], None]) -> None:
        self._connection = connection
        self._on_room = on_room
        self._is_clear = False  # nothing is kept, and there is somebody
        self._socket: socket.socket | None = None  # None: encrypted, by the transport
        self._transport: asyncio.Transport | None = None
        self._ending: asyncio.Transport | None = None  # closed once what it holds is on its way
        if connection is None or connection.transport.is_closing():
            return
        transport = self._transport = connection.transport
        beneath = transport.get_extra_info("socket")
        if transport.get_extra_info("sslcontext") is None:
            try:
                self._socket = socket.socket(fileno=socket.dup(beneath.fileno()))
            except OSError as error:  # no descriptor is left
                _log.error("a stream could not begin: %s", error)
                self.close()
                return
            self._socket.setblocking(False)
        beneath.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, STREAM_BUFFER_BYTES)
        connection.outlet = self
        self._is_clear = True
        # Says at once when the head is not on its way yet. Encrypted, a bound of 0 would be reached
        # by holding nothing: every second end of what is held would be told as its beginning.
        transport.set_write_buffer_limits(0 if self._socket is not None else 1, 0)

    def send(self, data: bytes | memoryview) -> int:
        """Give the system what it takes now."""
        if not self._is_clear:
            return 0
        assert self._transport is not None
        if self._socket is None:
            self._transport.write(data)  # what is not on its way then, is told by `pause`
            return len(data)
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:  # the peer is gone: who reads the connection is told
            self.close()
            return 0

    def keep(self, data: bytes | memoryview) -> None:
        """Have these bytes sent as soon as the system takes them."""
        transport = self._transport
        if transport is None:
            return
        self._is_clear = False
        transport.write(data)
        if transport.get_write_buffer_size() == 0:
            asyncio.get_running_loop().call_soon(self.resume)

    def end(self, data: bytes) -> None:
        """Send these bytes, behind what is kept, and close the connection."""
        transport = self._transport
        self.leave()
        if transport is not None:
            self._ending = transport
            if data:
                transport.write(data)
            transport.close()

    def close(self) -> None:
        """Close the connection, whatever is kept; also one that was to end behind it."""
        transport = self._transport or self._ending
        self.leave()
        if transport is not None:
            transport.abort()

    # The connection's side.

    def pause(self) -> None:
        """The transport holds what the system did not take."""
        self._is_clear = False

    def resume(self) -> None:
        """The transport holds nothing any more."""
        if self._transport is not None and not self._is_clear:
            self._is_clear = True
            self._on_room()

    def leave(self) -> None:
        """There is nobody any more, or nothing more to say."""
        self._is_clear = False
        self._transport = self._ending = None
        beneath, self._socket = self._socket, None
        if beneath is not None:
            beneath.close()


def open_outlet(connection: Connection, on_room: Callable[[], None]) -> Outlet:
    """Open the outlet of a connection whose head was written."""
    assert isinstance(connection, Answer)
    return HttpOutlet(connection.connection, on_room)

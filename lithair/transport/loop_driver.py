"""Drives a request client from an asyncio event loop: the gateway's way to a model process.

Law: everything asked in one turn of the loop leaves as one message, when the turn is over; nothing
here waits or makes a future, and an idle client costs the loop nothing.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import zmq

from lithair.transport.request_client import RequestClient
from lithair.transport.sockets import Socket, monotonic_ms

TICK_S: Final = 0.05  # how late a deadline or an overdue answer may be noticed


class LoopDriver:
    """Ask with `ask_read` and `ask_write`; callbacks are called in the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, endpoint: str = "") -> None:
        self._loop = loop
        self._is_scheduled = False
        self._timer: asyncio.TimerHandle | None = None
        self.client = RequestClient(driver=self)
        self.ask_read = self.client.ask_read
        self.ask_write = self.client.ask_write
        self.cancel = self.client.cancel
        self.refuse_all = self.client.refuse_all
        self.connect = self.client.connect
        if endpoint:
            self.client.connect(endpoint)

    def close(self) -> None:
        """Close the connection; what still waits is answered 503."""
        self.client.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # Called by the client

    def wants_flush(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._flush)

    def opened(self, sockets: Sequence[Socket]) -> None:
        for socket in sockets:
            self._loop.add_reader(_descriptor(socket), self._receive)

    def closing(self, sockets: Sequence[Socket]) -> None:
        for socket in sockets:
            self._loop.remove_reader(_descriptor(socket))

    # Called by the loop

    def _flush(self) -> None:
        self._is_scheduled = False
        self.client.flush(monotonic_ms())
        self._start_timer()

    def _receive(self) -> None:
        self.client.receive(monotonic_ms())

    def _tick(self) -> None:
        self._timer = None
        self.client.tick(monotonic_ms())
        self._start_timer()

    def _start_timer(self) -> None:
        if self._timer is None and not self.client.is_idle:
            self._timer = self._loop.call_later(TICK_S, self._tick)


def _descriptor(socket: Socket) -> int:
    return int(socket.getsockopt(zmq.FD))

"""Drivers: who calls `flush`, `receive` and `tick` of a client. An event loop, a thread, a test."""

from collections.abc import Sequence
from typing import Protocol

from lithair.transport.sockets import Socket


class Driver(Protocol):
    """What a client tells whoever drives it; called in the driver's own thread."""

    def wants_flush(self) -> None:
        """Something was asked: call `flush` when this turn is over."""

    def opened(self, sockets: Sequence[Socket]) -> None:
        """Call `receive` whenever one of these has something."""

    def closing(self, sockets: Sequence[Socket]) -> None:
        """Forget these: they are closed next, and their descriptors used again."""


class ByHand:
    """Drives nothing: whoever has the client calls it in every turn of a loop of his own."""

    def wants_flush(self) -> None:
        pass

    def opened(self, sockets: Sequence[Socket]) -> None:
        pass

    def closing(self, sockets: Sequence[Socket]) -> None:
        pass

"""Who writes to a peer that does not keep up, and waits for it.

Law: each waits for himself: one who stops to wait does not disturb the others.
"""

import asyncio

from tornado.iostream import StreamClosedError


class Writers:
    """The writers of one connection."""

    __slots__ = ("_loop", "_waiting", "have_to_wait")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[asyncio.Future[None]] = []
        self.have_to_wait = False

    def written(self) -> "asyncio.Future[None] | None":
        """Give what is done when the peer has caught up; None when nobody has to wait."""
        if not self.have_to_wait:
            return None
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(future)
        return future

    def go_on(self) -> None:
        """Nobody has to wait any more."""
        self.have_to_wait = False
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def break_off(self) -> None:
        """The peer is gone."""
        self.have_to_wait = False
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            break_off(future)


def break_off(future: "asyncio.Future[None]") -> None:
    """Tell a writer that the connection is gone."""
    if not future.done():
        future.set_exception(StreamClosedError())
        future.exception()  # seen, also when nobody waits for it

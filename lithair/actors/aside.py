"""Aside: what other threads do for a loop, and how the loop hears of it.

Law: the loop never waits; what was done comes back in its own turn, through `take`, and wakes it
through one descriptor, which stands for others that are watched as well.
"""

import logging
import os
import queue
import select
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from lithair.errors import LithairError, SyncFailed

T = TypeVar("T")
OnError = Callable[[LithairError], None]

log = logging.getLogger(__name__)


class Aside:
    """Brings results of other threads to the thread that calls `take`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._arrived: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._speaking = threading.Lock()  # around `_is_closed` and the descriptor it is about
        self._is_closed = False
        self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll = select.epoll()
        self._poll.register(self._wake_fd, select.EPOLLIN)

    def fileno(self) -> int:
        """Give what is readable when something has come back, or something watched is readable."""
        return self._poll.fileno()

    def watch(self, descriptor: int) -> None:
        self._poll.register(descriptor, select.EPOLLIN)

    def forget(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)

    def take(self) -> None:
        """Go on with what has come back."""
        if self._arrived.empty():  # as it is in nearly every turn
            return
        try:
            count = os.eventfd_read(self._wake_fd)
        except BlockingIOError:
            return  # it is about to be written, and wakes us then
        for _ in range(count):  # no more: the descriptor tells of each of the others
            go_on = self._arrived.get_nowait()
            go_on()

    def start(self, act: Callable[[], T], then: Callable[[T], None], fail: OnError) -> None:
        """Do something in a thread of its own; `then` or `fail` are called by `take`."""
        bring = partial(self.bring, act, then, fail)
        threading.Thread(target=bring, name=self._name, daemon=True).start()

    def bring(self, act: Callable[[], T], then: Callable[[T], None], fail: OnError) -> None:
        """Do something in this thread; `then` or `fail` are called by `take`. Raises SyncFailed."""
        try:
            go_on: Callable[[], None] = partial(then, act())
        except SyncFailed:
            raise  # the log writer passes it on, and the process ends
        except LithairError as error:
            go_on = partial(fail, error)
        except OSError as error:
            go_on = partial(fail, LithairError(str(error)))
        except Exception as error:  # a mistake of ours costs this work, not the process
            log.exception("%s failed", self._name)
            go_on = partial(fail, LithairError(f"{type(error).__name__}: {error}"))
        with self._speaking:
            if not self._is_closed:
                self._arrived.put(go_on)
                os.eventfd_write(self._wake_fd, 1)

    def close(self) -> None:
        """Hear of nothing any more; threads that are under way end by themselves."""
        with self._speaking:
            self._is_closed = True
            self._poll.close()
            os.close(self._wake_fd)

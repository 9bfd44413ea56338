"""The log writer: the one thread of a model process that appends and syncs.

Law: at most one batch is in its hands; the loop never waits for the disk, it is woken through a
file descriptor when the batch is on it (or is not). Reads go on meanwhile. Whatever else changes
the log is done here too, between batches.
"""

import logging
import os
import queue
import threading
from collections import deque
from collections.abc import Callable
from functools import partial

from lithair.core.event import Event
from lithair.errors import LithairError, StorageFull
from lithair.storage.event_log import Appended, EventLog

log = logging.getLogger(__name__)

SYNC_INTERVAL_S = 0.1  # durability "interval": what a power loss may take
RETRY_INTERVAL_S = 1.0  # how often a log that opened on a full disk is tried again


class LogWriter:
    """Appends batches in a thread of its own; `fileno` is readable when `take` has something."""

    def __init__(self, event_log: EventLog, durability: str) -> None:
        self._log = event_log
        self._sync_interval_s = SYNC_INTERVAL_S if durability == "interval" else None
        self._batches: queue.SimpleQueue[list[Event] | Callable[[], None] | None]
        self._batches = queue.SimpleQueue()
        self._done: deque[Appended | LithairError] = deque()
        self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self.is_busy = False

    def start(self) -> None:
        self._thread.start()

    def fileno(self) -> int:
        return self._wake_fd

    def submit(self, events: list[Event]) -> None:
        """Hand over a batch; not before the one before it was taken."""
        assert not self.is_busy, "a batch is in flight already"
        self.is_busy = True
        self._batches.put(events)

    def ask(self, act: Callable[[], None]) -> None:
        """Have `act` done to the log between batches; it says itself what came of it.

        A LithairError that it raises ends the process, as a failed sync does.
        """
        self._batches.put(act)

    def take(self) -> Appended | LithairError | None:
        """Give what became of the batch, or None while the disk works."""
        if not self._done:
            return None
        try:
            os.eventfd_read(self._wake_fd)
        except BlockingIOError:
            return None  # it is about to be written, and wakes us then
        self.is_busy = False
        return self._done.popleft()

    def close(self) -> None:
        """End the thread once its batch is done."""
        self._batches.put(None)
        self._thread.join()
        os.close(self._wake_fd)

    def _run(self) -> None:
        while self._turn():
            pass

    def _turn(self) -> bool:
        """Do what is asked next; False when it was the last.

        What was asked ends with this call: a thread that waits would keep the last batch alive, and
        let go of it in the way of the next one.
        """
        try:
            asked = self._batches.get(timeout=self._timeout_s())
        except queue.Empty:
            asked = self._tend
        if asked is None:
            return False
        return self._try(asked if callable(asked) else partial(self._append, asked))

    def _timeout_s(self) -> float | None:
        return RETRY_INTERVAL_S if self._log.is_read_only else self._sync_interval_s

    def _tend(self) -> None:
        if self._log.is_read_only:
            self._log.retry_writable()
        else:
            self._log.sync()

    def _append(self, events: list[Event]) -> None:
        try:
            self._hand_back(self._log.append(events))
        except StorageFull as error:
            self._hand_back(error)

    def _try(self, act: Callable[[], None]) -> bool:
        """Do something to the log; False when it failed for good, which ends the process."""
        try:
            act()
        except LithairError as error:
            self._hand_back(error)
            return False
        except Exception as error:  # a mistake of ours: nobody may wait for a thread that is gone
            log.exception("the log's thread failed")
            self._hand_back(LithairError(f"the log's thread failed: {error!r}"))
            return False
        return True

    def _hand_back(self, done: Appended | LithairError) -> None:
        # There first: who is woken and finds nothing has turned in vain.
        self._done.append(done)
        os.eventfd_write(self._wake_fd, 1)

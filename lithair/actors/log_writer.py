"""The log writer: who appends batches to the log and syncs them.

Law: at most one batch is in its hands. While the disk is quick, a batch is appended at once, in the
loop's own thread: two wake-ups of a thread take longer than such a sync. Otherwise a thread of its
own does it, the loop doesn't wait for the disk, and is woken through a file descriptor when the
batch is on it (or is not). Reads go on meanwhile. So a disk that turns slow holds the loop up once.
Whatever else changes the log is done by that thread too, between batches.
"""

import logging
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, TypeVar

from lithair.core.event import Event
from lithair.errors import LithairError, StorageFull
from lithair.storage.event_log import Appended, EventLog

log = logging.getLogger(__name__)

SYNC_INTERVAL_S: Final = 0.1  # durability "interval": what a power loss may take
RETRY_INTERVAL_S: Final = 1.0  # how often a log that opened on a full disk is tried again
QUICK_S: Final = 0.001  # what reads may wait for a batch on average; else they needn't at all
UNKNOWN_S: Final = 0.01  # until some hundred appends were quick, a disk counts as slow
NEWS: Final = 1 / 32  # the weight of the last append: one of 30 ms is enough to use the thread


T = TypeVar("T")


class LogWriter:
    """Appends batches; `fileno` is readable when `take` has something."""

    def __init__(self, event_log: EventLog, durability: str) -> None:
        self._log = event_log
        self._sync_interval_s = SYNC_INTERVAL_S if durability == "interval" else None
        self._sync_at_s = 0.0
        self._asked: queue.SimpleQueue[list[Event] | Callable[[], None] | None]
        self._asked = queue.SimpleQueue()
        self._asked_count = 0  # counted by the loop
        self._done_count = 0  # by the thread: the same, when it has nothing to do
        self._using = threading.Lock()  # held by whoever works on the log
        self._is_tending = False  # the thread, or it waits to: a lock has no queue
        self._append_s = UNKNOWN_S  # the mean of the last ones
        self._done: deque[Appended | LithairError] = deque()
        # As a semaphore: the failure of a sync may follow a batch before that is taken.
        self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK | os.EFD_SEMAPHORE)
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self.is_busy = False

    def start(self) -> None:
        self._thread.start()

    def fileno(self) -> int:
        return self._wake_fd

    def submit(self, events: list[Event]) -> Appended | LithairError | None:
        """Append a batch; not before the one before it was taken.

        Gives what became of it, or None where the thread has it: then `take` does, later.
        """
        assert not self.is_busy, "a batch is in flight already"
        if self._may_wait() and self._using.acquire(blocking=False):
            try:
                return self._append(events)
            finally:
                self._using.release()
        self.is_busy = True
        self._hand(events)
        return None

    def ask(self, act: Callable[[], None]) -> None:
        """Have `act` done to the log between batches; it says itself what came of it.

        A LithairError that it raises ends the process, as a failed sync does.
        """
        self._hand(act)

    def take(self) -> Appended | LithairError | None:
        """Give what became of the thread's batch, or None while the disk works."""
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
        self._hand(None)
        self._thread.join()
        os.close(self._wake_fd)

    def _may_wait(self) -> bool:
        """Say whether the loop may append: quickly, and before nothing that was asked earlier."""
        return (
            self._append_s <= QUICK_S
            and not self._is_tending
            and self._asked_count == self._done_count
            and not self._log.begins_segment
        )

    def _hand(self, asked: list[Event] | Callable[[], None] | None) -> None:
        self._asked_count += 1
        self._asked.put(asked)

    def _append(self, events: list[Event]) -> Appended | LithairError:
        started_s = time.monotonic()
        done = self._try(lambda: self._log.append(events))
        if isinstance(done, Appended):  # refusals of a full disk are quick, and tell nothing
            self._append_s += NEWS * (time.monotonic() - started_s - self._append_s)
        return done

    # In the thread

    def _run(self) -> None:
        while self._turn():
            pass

    def _turn(self) -> bool:
        """Do what is asked next; False when it was the last.

        What was asked ends with this call: a thread that waits would keep the last batch alive, and
        let go of it in the way of the next one.
        """
        try:
            asked = self._asked.get(timeout=self._timeout_s())
        except queue.Empty:
            return self._tend()
        if asked is None:
            return False
        if callable(asked):
            goes_on = self._do(asked)
        else:
            with self._using:
                done = self._append(asked)
            self._hand_back(done)
            goes_on = not isinstance(done, LithairError) or isinstance(done, StorageFull)
        self._done_count += 1
        return goes_on

    def _timeout_s(self) -> float | None:
        if self._log.is_read_only:
            return RETRY_INTERVAL_S
        if self._sync_interval_s is None:
            return None
        return max(0.0, self._sync_at_s - time.monotonic())  # however soon the next batch comes

    def _tend(self) -> bool:
        """Do what time asks for; False when it failed for good."""
        self._is_tending = True
        goes_on = self._do(self._log.retry_writable if self._log.is_read_only else self._log.sync)
        self._is_tending = False
        self._sync_at_s = time.monotonic() + (self._sync_interval_s or 0.0)
        return goes_on

    def _do(self, act: Callable[[], object]) -> bool:
        """Do something to the log; False when it failed for good, which ends the process."""
        with self._using:
            done = self._try(act)
        if isinstance(done, LithairError):
            self._hand_back(done)
            return False
        return True

    def _hand_back(self, done: Appended | LithairError) -> None:
        # There first: who is woken and finds nothing has turned in vain.
        self._done.append(done)
        os.eventfd_write(self._wake_fd, 1)

    def _try(self, act: Callable[[], T]) -> T | LithairError:
        try:
            return act()
        except LithairError as error:
            return error
        except Exception as error:  # a mistake of ours: nobody may wait for what never comes
            log.exception("the log's writer failed")
            return LithairError(f"the log's writer failed: {error!r}")

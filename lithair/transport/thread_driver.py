"""Drives clients from one background thread: the way of handles to model processes.

Owns the thread, which alone touches the sockets. Law: other threads only hand over calls (`submit`)
and wait for futures; everything that was handed over in one turn leaves as one message. The thread
starts with the first call and never keeps the interpreter from ending.
"""

import atexit
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol, cast

from lithair.transport.sockets import Socket, Waiter, monotonic_ms

log = logging.getLogger(__name__)

TICK_MS: Final = 50  # how late a deadline or an overdue answer may be noticed
IDLE_MS: Final = 10_000  # nothing is due; every call wakes the thread
STOP_S_MAX: Final = 1.0  # at exit; the thread is a daemon, so no longer than this


class Driven(Protocol):
    """A client with sockets of its own."""

    @property
    def is_idle(self) -> bool: ...

    def flush(self, now_ms: int) -> None: ...

    def receive(self, now_ms: int) -> None: ...

    def tick(self, now_ms: int) -> None: ...


class ThreadDriver:
    """One thread, any number of clients; each gets a `Seat` as its driver."""

    def __init__(self) -> None:
        self._calls: deque[Callable[[], None]] = deque()
        self._wake_fd = -1
        self._thread: threading.Thread | None = None
        self._start_lock = threading.Lock()
        self._is_stopping = False
        self._is_woken = False
        self._waiter = Waiter()
        self._seats: dict[Socket, Seat] = {}
        self._clients: dict[Driven, Seat] = {}
        self._to_flush: set[Seat] = set()

    def submit(self, call: Callable[[], None]) -> None:
        """Have `call` called in the driver's thread; it must not wait."""
        if self._thread is None:
            self._start()
        self._calls.append(call)
        if not self._is_woken:  # it stays so until the thread begins to take calls, this one too
            self._is_woken = True
            os.eventfd_write(self._wake_fd, 1)

    def admit(self, make: "Callable[[Seat], Driven]") -> Driven:
        """Make a client that this thread drives; only in this thread."""
        seat = Seat(self)
        client = seat.client = make(seat)
        self._clients[client] = seat
        return client

    def dismiss(self, client: Driven) -> None:
        """Drive a client no more; it is closed by its owner. Only in this thread."""
        seat = self._clients.pop(client, None)
        if seat is not None:
            self._to_flush.discard(seat)

    def stop(self) -> None:
        """End the thread, soon; calls that wait are lost."""
        thread = self._thread
        if thread is None or not thread.is_alive():
            return
        self._is_stopping = True
        os.eventfd_write(self._wake_fd, 1)
        if thread is not threading.current_thread():
            thread.join(STOP_S_MAX)

    def _start(self) -> None:
        with self._start_lock:
            if self._thread is not None:
                return
            self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self._waiter.watch(self._wake_fd)
            thread = threading.Thread(target=self._run, name="lithair-handles", daemon=True)
            thread.start()
            atexit.register(self.stop)
            self._thread = thread

    def _run(self) -> None:
        next_tick_ms = 0
        while not self._is_stopping:
            ready = self._waiter.wait(self._wait_ms())
            now_ms = monotonic_ms()
            try:
                self._turn(ready, now_ms)
                if now_ms >= next_tick_ms:
                    next_tick_ms = now_ms + TICK_MS
                    for client in list(self._clients):
                        client.tick(now_ms)
            except Exception:  # the loop of this thread: one broken call must not end all handles
                log.exception("a turn of the handles' thread failed")

    def _wait_ms(self) -> int:
        if self._calls or self._to_flush:
            return 0  # a call before them failed, or a tick asked: no wake-up follows
        is_busy = any(not client.is_idle for client in self._clients)
        return TICK_MS if is_busy else IDLE_MS

    def _turn(self, ready: Iterable[object], now_ms: int) -> None:
        for what in ready:
            if what == self._wake_fd:
                try:
                    os.eventfd_read(self._wake_fd)
                except BlockingIOError:
                    pass
            elif (
                seat := self._seats.get(cast(Socket, what))
            ) is not None and seat.client is not None:
                seat.client.receive(now_ms)
        self._is_woken = False
        calls = self._calls
        while calls:
            calls.popleft()()
        while self._to_flush:
            seat = self._to_flush.pop()
            if seat.client is not None:
                seat.client.flush(now_ms)


class Seat:
    """What one client tells the thread that drives it."""

    def __init__(self, driver: ThreadDriver) -> None:
        self.client: Driven | None = None
        self._driver = driver

    def wants_flush(self) -> None:
        self._driver._to_flush.add(self)

    def opened(self, sockets: Sequence[Socket]) -> None:
        for socket in sockets:
            self._driver._seats[socket] = self
            self._driver._waiter.watch(socket)

    def closing(self, sockets: Sequence[Socket]) -> None:
        for socket in sockets:
            self._driver._seats.pop(socket, None)
            self._driver._waiter.forget(socket)

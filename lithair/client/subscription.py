"""Subscriptions: a model's events as they happen, as an iterator.

Law: a subscription reads the feed itself, in the thread or the loop that asks for the next event.
While nobody asks, nothing is read: what the feed drops for a reader that is slow is asked for
afterwards. What has to be done is said by `Following`, once for both kinds.
"""

import asyncio
import os
import threading
import weakref
from collections.abc import Generator
from concurrent.futures import CancelledError, Future
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from lithair.client.answers import Event
from lithair.client.calls import Call, Calls
from lithair.client.connection import CLOSED, Connection
from lithair.client.filters import Filters
from lithair.client.following import Came, Following, Listen, Open, Pause, Step, Steps
from lithair.errors import LithairError
from lithair.transport.feed import FeedClient
from lithair.transport.sockets import Waiter, feed_endpoint, is_readable, monotonic_ms
from lithair.wire.messages import FeedBatch, Reply

T = TypeVar("T")
R = TypeVar("R")

CLOSE_S_MAX: Final = 1.0  # for another thread, which waits for an event, to let go


class _Closed(Exception):
    """The subscription was closed."""


class _Feed:
    """The reading end of a feed; a forked child gets one of its own."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._model = ""
        self._client: FeedClient | None = None
        self._pid = 0

    @property
    def client(self) -> FeedClient | None:
        """Give the reading end; None where there is no way to the feed now."""
        if self._model and self._pid != os.getpid():
            self.open(self._model)
        return self._client

    def open(self, model: str) -> None:
        """Join the feed of a model, anew if need be."""
        self.close()
        self._model, self._pid = model, os.getpid()
        try:
            self._client = FeedClient(feed_endpoint(self._connection.run_dir, model))
        except FileNotFoundError:  # a long run directory, which the next server makes afresh
            self._client = None

    def receive(self) -> FeedBatch | None:
        client = self.client
        return None if client is None else client.receive_one()

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None and self._pid == os.getpid():
            client.close()


class _Subscribed(Generic[T]):
    """What both kinds have: where they stand, and whether they have ended."""

    def __init__(
        self, connection: Connection, calls: Calls[T], since: int | None, filters: Filters | None
    ) -> None:
        name = calls.name
        self._name = name
        self._connection = connection
        self._following = Following(
            calls, since, filters, lambda: connection.is_server_silent(name)
        )
        self._feed = _Feed(connection)
        self._is_closed = False
        self._was_cut_off = False
        weakref.finalize(self, self._feed.close)  # of one that is only forgotten
        connection.attach(self)

    @property
    def seq(self) -> int | None:
        """Tell up to which event everything was given: `since` of a subscription that goes on.

        None before it is known from where this one follows.
        """
        return self._following.seq

    def cut_off(self) -> None:
        """End it with the connection that it belongs to; from any thread."""
        self._was_cut_off = True
        self._end()

    def _start(self, call: Call[R]) -> "Future[Reply]":
        return self._connection.start(self._name, call)

    def _end(self) -> None:
        raise NotImplementedError

    def _check_cut_off(self) -> None:
        if self._was_cut_off:
            raise LithairError(CLOSED) from None


class Subscription(_Subscribed[T]):
    """The events of one model, one after the other: `for event in handle.subscribe(): ...`.

    The next one is waited for without an end. Any thread may ask for it, one at a time, and any
    may `close` it, which ends the iteration.
    """

    def __init__(
        self, connection: Connection, calls: Calls[T], since: int | None, filters: Filters | None
    ) -> None:
        super().__init__(connection, calls, since, filters)
        self._make_own()
        try:
            self._carry_out(self._following.begin())
        except BaseException:
            self.close()
            raise

    def _make_own(self) -> None:
        """Make what a forked child can't share with its parent."""
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._thread = 0  # that is carrying out something
        self._asked: Future[Reply] | None = None
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._forget_fd = weakref.finalize(self, os.close, self._wake_fd)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event[T]:
        try:
            return self._carry_out(self._following.next())
        except _Closed:
            self._check_cut_off()
            raise StopIteration from None

    def close(self) -> None:
        """End it: whoever waits for an event is told that there are no more."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _end(self) -> None:
        self._is_closed = True
        if self._forget_fd.alive:
            os.eventfd_write(self._wake_fd, 1)
        asked = self._asked
        if asked is not None:
            asked.cancel()
        if self._thread == threading.get_ident():
            return  # called by a signal's handler, or the like: it lets go when it goes on
        if self._lock.acquire(timeout=CLOSE_S_MAX):
            try:
                self._let_go()
            finally:
                self._lock.release()

    def _let_go(self) -> None:
        self._feed.close()
        self._forget_fd()

    def _carry_out(self, steps: Steps[R]) -> R:
        if self._pid != os.getpid():
            self._make_own()
        with self._lock:
            self._thread = threading.get_ident()
            came: Came = None
            try:
                while not self._is_closed:
                    try:
                        step = steps.send(came)
                    except StopIteration as end:
                        result: R = end.value
                        return result
                    came = self._do(step)
                raise _Closed
            finally:
                self._thread = 0
                if self._is_closed:
                    self._let_go()

    def _do(self, step: Step) -> Came:
        if isinstance(step, Listen):
            return self._listen(step.timeout_ms)
        if isinstance(step, Pause):
            self._wait(None, step.ms)
            return None
        if isinstance(step, Open):
            self._feed.open(step.model)
            return None
        asked = self._asked = self._start(step)
        try:
            if self._is_closed:
                raise _Closed
            return self._connection.reply(self._name, asked)
        except CancelledError:
            raise _Closed from None
        finally:
            self._asked = None

    def _listen(self, timeout_ms: int) -> FeedBatch | None:
        batch = self._feed.receive()
        if batch is None:
            self._wait(self._feed.client, timeout_ms)
            batch = self._feed.receive()
        return batch

    def _wait(self, client: FeedClient | None, timeout_ms: int) -> None:
        waiter = Waiter()
        waiter.watch(self._wake_fd)
        if client is not None:
            waiter.watch(client.socket)
        waiter.wait(timeout_ms)


class AsyncSubscription(_Subscribed[T]):
    """The events of one model: `async for event in handle.subscribe(): ...`.

    What happens after it was awaited, entered with `async with`, or asked for its first event is
    followed. The next event is waited for without an end; `close` ends that.
    """

    def __init__(
        self, connection: Connection, calls: Calls[T], since: int | None, filters: Filters | None
    ) -> None:
        super().__init__(connection, calls, since, filters)
        # At once: what this client asks afterwards comes after it.
        self._hello: Future[Reply] | None = self._start(self._following.hello)
        self._ending: asyncio.Future[None] | None = None  # while something is carried out

    def __await__(self) -> Generator[object, None, Self]:
        return self._begun().__await__()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event[T]:
        try:
            return await self._carry_out(self._following.next())
        except _Closed:
            self._check_cut_off()
            raise StopAsyncIteration from None

    async def close(self) -> None:
        """End it: whoever waits for an event is told that there are no more."""
        self._end()

    async def aclose(self) -> None:
        """End it, as `contextlib.aclosing` does."""
        self._end()

    async def __aenter__(self) -> Self:
        return await self._begun()

    async def __aexit__(self, *exc: object) -> None:
        self._end()

    async def _begun(self) -> Self:
        try:
            await self._carry_out(self._following.begin())
        except _Closed:
            self._check_cut_off()
            raise LithairError("this subscription is closed") from None
        return self

    def _end(self) -> None:
        self._is_closed = True
        ending = self._ending
        if ending is None:
            self._feed.close()
            return
        if not _settle_from_any_thread(ending):
            self._feed.close()

    async def _carry_out(self, steps: Steps[R]) -> R:
        if self._ending is not None:
            raise RuntimeError("the next event of this subscription is being waited for already")
        self._ending = asyncio.get_running_loop().create_future()
        came: Came = None
        try:
            while not self._is_closed:
                try:
                    step = steps.send(came)
                except StopIteration as end:
                    result: R = end.value
                    return result
                came = await self._do(step, self._ending)
            raise _Closed
        finally:
            self._ending = None
            if self._is_closed:
                self._feed.close()

    async def _do(self, step: Step, ending: "asyncio.Future[None]") -> Came:
        if isinstance(step, Listen):
            return await self._listen(step.timeout_ms, ending)
        if isinstance(step, Pause):
            await asyncio.wait((ending,), timeout=step.ms / 1000)
            return None
        if isinstance(step, Open):
            self._feed.open(step.model)
            return None
        is_hello = step is self._following.hello
        asked = (is_hello and self._hello) or self._start(step)
        if is_hello:
            self._hello = asked  # still the same one, should the caller be cancelled meanwhile
        answered: asyncio.Future[None] = ending.get_loop().create_future()
        asked.add_done_callback(lambda _: _settle_from_any_thread(answered))
        await asyncio.wait((answered, ending), return_when=asyncio.FIRST_COMPLETED)
        if not asked.done():
            raise _Closed
        if is_hello:
            self._hello = None
        return asked.result()

    async def _listen(self, timeout_ms: int, ending: "asyncio.Future[None]") -> FeedBatch | None:
        until_ms = monotonic_ms() + timeout_ms
        while True:
            batch = self._feed.receive()
            left_ms = until_ms - monotonic_ms()
            if batch is not None or left_ms <= 0 or self._is_closed:
                return batch
            await self._wait(self._feed.client, left_ms, ending)

    async def _wait(
        self, client: FeedClient | None, timeout_ms: int, ending: "asyncio.Future[None]"
    ) -> None:
        """Wait until the feed may have something; its descriptor is edge-triggered."""
        loop = asyncio.get_running_loop()
        came: asyncio.Future[None] = loop.create_future()
        if client is not None:
            loop.add_reader(client.fileno(), _settle, came)
            if is_readable(client.socket):
                _settle(came)
        try:
            await asyncio.wait(
                (came, ending),
                timeout=timeout_ms / 1000,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            if client is not None:
                loop.remove_reader(client.fileno())


def _settle(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _settle_from_any_thread(future: "asyncio.Future[None]") -> bool:
    """Settle it soon; tells whether its loop is still there."""
    try:
        future.get_loop().call_soon_threadsafe(_settle, future)
    except RuntimeError:
        return False
    return True

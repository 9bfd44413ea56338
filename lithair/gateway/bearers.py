"""Bearers: whose a token is, as a gateway knows it, without asking each time.

Owns how tokens are looked up and kept alive, those of sessions and those of machines. Law: a token
is known by its hash alone. What is cached is what the store last said, followed by its feed; where
the feed can't be relied on, every request asks.
"""

import asyncio
import enum
import logging
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from lithair.client.refusals import error_of
from lithair.gateway.identity import Identity
from lithair.gateway.own_model import OwnModel
from lithair.gateway.token_cache import SILENT_S, Entry, EntryOf, TokenCache
from lithair.model import Model
from lithair.transport.feed import FeedClient
from lithair.transport.sockets import feed_endpoint
from lithair.wire.messages import Reply
from lithair.wire.protocol import WireError

R = TypeVar("R", bound=Model)

_log = logging.getLogger("lithair.http")


class Unknown(enum.Enum):
    """What a cache says of a token that it knows nothing about."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN


def wall_ms() -> int:
    """Give the time since 1970: tokens end by the clock on the wall."""
    return time.time_ns() // 1_000_000


class Bearers(Generic[R]):
    """Who bears the tokens of one store; its records have a `seen_ms`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        store: OwnModel[R],
        entry_of: EntryOf[Identity],
        clock_ms: Callable[[], int] = wall_ms,
    ) -> None:
        self._loop = loop
        self._time = loop.time
        self._store = store
        self._clock_ms = clock_ms
        self._entry_of = entry_of
        self._cache = TokenCache(entry_of)
        self._asking: dict[str, asyncio.Task[Entry[Identity] | None]] = {}
        self._feed = FeedClient(feed_endpoint(store.run_dir, store.name))
        self._feed_fd = self._feed.fileno()
        loop.add_reader(self._feed_fd, self._follow)
        loop.call_soon(self._follow)  # the descriptor tells of what comes from now on

    def cached(self, token_hash: str, now_ms: int) -> Identity | Unknown | None:
        """Say whose a token is without asking: None for nobody's, UNKNOWN when `find` has to ask.

        `now_ms` is the wall clock. Every gated request comes by here: see bench/gated.py.
        """
        cache = self._cache
        if self._time() - cache.heard_s >= SILENT_S:
            return UNKNOWN
        entry = cache.entries.get(token_hash)
        if entry is None:
            return None if cache.is_nobodys(token_hash) else UNKNOWN
        if now_ms < entry.touch_due_ms and now_ms < entry.dies_ms:
            return entry.whose
        return self._used(entry, now_ms)

    async def find(self, token_hash: str) -> Identity | None:
        """Ask the store whose a token is; LithairError (503) when it can't be asked."""
        entry = await self._ask_once(token_hash)
        return None if entry is None else self._used(entry, self._clock_ms())

    async def look(self, token_hash: str) -> Identity | None:
        """Say whose a token is, without this being a use of it; asks the store if need be."""
        cache, entry = self._cache, None
        if cache.is_followed(self._time()):
            if cache.is_nobodys(token_hash):
                return None
            entry = cache.entries.get(token_hash)
        if entry is None:
            entry = await self._ask_once(token_hash)
        return None if entry is None or self._clock_ms() >= entry.dies_ms else entry.whose

    def tell_ends(self, on_end: Callable[[str], None]) -> None:
        """Have it told, by the token's hash, when a token is known to have ended."""
        self._cache.on_drop = on_end

    async def _ask_once(self, token_hash: str) -> Entry[Identity] | None:
        """Ask the store; who asks for the same meanwhile shares the answer."""
        asking = self._asking.get(token_hash)
        if asking is None:
            asking = self._loop.create_task(self._ask(token_hash), name=token_hash)
            self._asking[token_hash] = asking
            asking.add_done_callback(self._asked)
        entry = await asyncio.shield(asking)
        return None if self._cache.is_nobodys(token_hash) else entry

    def _asked(self, asking: "asyncio.Task[Entry[Identity] | None]") -> None:
        self._asking.pop(asking.get_name(), None)
        if not asking.cancelled():
            asking.exception()  # seen, also when nobody waits for it any more

    async def _ask(self, token_hash: str) -> Entry[Identity] | None:
        self._cache.expect(token_hash)
        try:
            reply = await self._store.ask(self._store.calls.get(token_hash, None))
            if reply.status == 404:
                self._cache.drop(token_hash)
                return None
            if reply.status != 200:
                raise error_of(reply.status, reply.body)
            entry = self._entry_of(reply.body, reply.seq)
            return entry if self._cache.keep(entry, self._store.epoch) else None
        finally:
            self._cache.unexpect(token_hash)

    def _used(self, entry: Entry[Identity], now_ms: int) -> Identity | None:
        if now_ms >= entry.dies_ms:
            return None
        if now_ms >= entry.touch_due_ms:
            self._touch(entry, now_ms)
        return entry.whose

    def _touch(self, entry: Entry[Identity], now_ms: int) -> None:
        """Have the store know that a token was used; a patch brings none back to life."""
        entry.use(now_ms)
        key = entry.key

        def on_reply(told: "asyncio.Future[Reply]") -> None:
            status = 0 if told.cancelled() else told.result().status
            if status == 404:
                self._cache.drop(key)
            elif status != 200:
                _log.warning("that a token was used could not be stored: status %d", status)

        touch = self._store.calls.patch(key, {"seen_ms": now_ms}, None)
        self._store.ask(touch).add_done_callback(on_reply)

    # The feed

    def _follow(self) -> None:
        try:
            batches = self._feed.receive()
        except WireError as error:
            _log.warning("the feed of %s can't be read: %s", self._store.name, error)
            self._cache.lose_track()
            return
        now_s = self._loop.time()
        for batch in batches:
            self._cache.take(batch, now_s)

    async def close(self) -> None:
        """Stop following; who still asks is refused."""
        self._loop.remove_reader(self._feed_fd)
        self._feed.close()
        for asking in list(self._asking.values()):
            asking.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

"""Sessions as a gateway knows them: who is behind a token, without asking each time.

Owns how sessions are looked up, made, kept alive and ended. Law: only the hash of a token is
stored, sent or kept. What is cached is what the session store last said, followed by its feed;
where the feed can't be relied on, every request asks.
"""

import asyncio
import enum
import hashlib
import logging
import re
import secrets
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from lithair.client.refusals import error_of
from lithair.declaration import SessionsDeclaration
from lithair.gateway.own_model import OwnModel
from lithair.gateway.session_cache import Entry, SessionCache, entry_of
from lithair.http import Session
from lithair.internal import SessionRecord
from lithair.transport.feed import FeedClient
from lithair.transport.sockets import feed_endpoint
from lithair.wire.messages import Reply
from lithair.wire.protocol import WireError

TOKEN_BYTES: Final = 32  # 256 random bits
DATA_BYTES_MAX: Final = 16 << 10  # of what a route keeps in a session: every gateway may hold it
TEXT_CHARACTERS_MAX: Final = 255  # of a user's id, and of a role
ENDED_AT_ONCE: Final = 500  # sessions of one user, by one look at the store

_TOKEN_FORM: Final = re.compile(r"[A-Za-z0-9_-]{43}")

_log = logging.getLogger("lithair.http")


class Unknown(enum.Enum):
    """What a cache says of a token that it knows nothing about."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN


def wall_ms() -> int:
    """Give the time since 1970: sessions end by the clock on the wall."""
    return time.time_ns() // 1_000_000


def hash_of(token: str) -> str:
    """Return the hash by which a token's session is stored, "" when it is no token of ours."""
    if not _TOKEN_FORM.fullmatch(token):
        return ""
    return hashlib.sha256(token.encode()).hexdigest()


class Sessions:
    """The sessions of an application, one of these per gateway."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        store: OwnModel[SessionRecord],
        declaration: SessionsDeclaration,
        clock_ms: Callable[[], int] = wall_ms,
    ) -> None:
        self._loop = loop
        self._store = store
        self._declaration = declaration
        self._clock_ms = clock_ms
        self._cache = SessionCache()
        self._asking: dict[str, asyncio.Task[Entry | None]] = {}
        self._feed = FeedClient(feed_endpoint(store.run_dir, store.name))
        self._feed_fd = self._feed.fileno()
        loop.add_reader(self._feed_fd, self._follow)
        loop.call_soon(self._follow)  # the descriptor tells of what comes from now on

    # Who is it

    def cached(self, token_hash: str, now_ms: int) -> Session | Unknown | None:
        """Say whose a token is without asking: None for nobody's, UNKNOWN when `find` has to ask.

        `now_ms` is the wall clock.
        """
        cache = self._cache
        if not cache.is_followed(self._loop.time()):
            return UNKNOWN
        entry = cache.get(token_hash)
        if entry is None:
            return None if cache.is_nobodys(token_hash) else UNKNOWN
        return self._used(entry, now_ms)

    async def find(self, token_hash: str) -> Session | None:
        """Ask the session store whose a token is; LithairError (503) when it can't be asked."""
        asking = self._asking.get(token_hash)
        if asking is None:
            asking = self._loop.create_task(self._ask(token_hash), name=token_hash)
            self._asking[token_hash] = asking
            asking.add_done_callback(self._asked)
        entry = await asyncio.shield(asking)
        if entry is None or self._cache.is_nobodys(token_hash):
            return None
        return self._used(entry, self._clock_ms())

    def _asked(self, asking: "asyncio.Task[Entry | None]") -> None:
        self._asking.pop(asking.get_name(), None)
        if not asking.cancelled():
            asking.exception()  # seen, also when nobody waits for it any more

    async def _ask(self, token_hash: str) -> Entry | None:
        self._cache.expect(token_hash)
        try:
            reply = await self._store.ask(self._store.calls.get(token_hash, None))
            if reply.status == 404:
                self._cache.drop(token_hash)
                return None
            if reply.status != 200:
                raise error_of(reply.status, reply.body)
            entry = entry_of(reply.body, reply.seq)
            return entry if self._cache.keep(entry, self._store.epoch) else None
        finally:
            self._cache.unexpect(token_hash)

    def _used(self, entry: Entry, now_ms: int) -> Session | None:
        if not entry.is_alive(now_ms):
            return None
        if entry.wants_touch(now_ms):
            self._touch(entry, now_ms)
        return entry.session

    def _touch(self, entry: Entry, now_ms: int) -> None:
        """Have the store know that a session was used; a patch brings none back to life."""
        entry.seen_ms = now_ms
        key = entry.session.key

        def on_reply(told: "asyncio.Future[Reply]") -> None:
            status = 0 if told.cancelled() else told.result().status
            if status == 404:
                self._cache.drop(key)
            elif status != 200:
                _log.warning("that a session was used could not be stored: status %d", status)

        touch = self._store.calls.patch(key, {"seen_ms": now_ms}, None)
        self._store.ask(touch).add_done_callback(on_reply)

    # Beginnings and ends

    async def create(self, user_id: str, role: str = "", **data: Any) -> Session:
        """Create a session, with a new token; returns when it is stored."""
        _check_text("user_id", user_id, 1)
        _check_text("role", role, 0)
        size = len(msgspec.json.encode(data))
        if size > DATA_BYTES_MAX:
            raise ValueError(f"a session keeps {DATA_BYTES_MAX} bytes of data at most, not {size}")
        token = secrets.token_urlsafe(TOKEN_BYTES)
        now_ms = self._clock_ms()
        record = SessionRecord(
            id=hash_of(token),
            user_id=user_id,
            role=role,
            data=data,
            created_ms=now_ms,
            seen_ms=now_ms,
            expires_ms=now_ms + self._declaration.max_age_ms,
            idle_ms=self._declaration.idle_ms,
        )
        reply = await self._store.ask(self._store.calls.create(record))
        if reply.status != 201:
            raise error_of(reply.status, reply.body)
        self._cache.keep(Entry(record, reply.seq), self._store.epoch)
        return Entry(record, reply.seq, token).session

    async def end(self, session: Session) -> None:
        """End a session; this gateway refuses it when this returns, the others within a second."""
        await self._end(session.key)

    async def end_all(self, user_id: str, but: Session | None = None) -> int:
        """End every session of a user, or every other one; return how many there were."""
        _check_text("user_id", user_id, 1)
        # The store is asked, never the cache: what it does not list any more has ended.
        filters = {"user_id": f"={user_id}"}
        asked = self._store.calls.pairs(filters, take=ENDED_AT_ONCE, shown=("id", None))
        ended = 0
        while True:
            page = await self._store.do(self._store.calls.list_fields(asked))
            keys = [str(item["id"]) for item in page.data]
            if but is not None:
                keys = [key for key in keys if key != but.key]
            if not keys:
                return ended
            ends = await asyncio.gather(*map(self._end, keys))
            ended += sum(ends)

    async def _end(self, key: str) -> bool:
        was_there = await self._store.do(self._store.calls.erase(key))
        self._cache.drop(key)
        return was_there

    # The feed

    def _follow(self) -> None:
        try:
            batches = self._feed.receive()
        except WireError as error:
            _log.warning("the feed of the session store can't be read: %s", error)
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


def _check_text(name: str, value: object, least: int) -> None:
    if not isinstance(value, str) or not least <= len(value) <= TEXT_CHARACTERS_MAX:
        raise ValueError(
            f"{name}={value!r} has to be text of {least} to {TEXT_CHARACTERS_MAX} characters"
        )

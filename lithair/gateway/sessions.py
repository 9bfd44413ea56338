"""Sessions as a gateway knows them, and how they begin and end.

Law: only the hash of a token is stored, sent or kept; `bearers` says who is behind it. As it
came, a token is in the memory of its open connection alone (`http_head.FieldBlock`).
"""

import asyncio
import hashlib
import re
import secrets
from collections.abc import Callable
from typing import Any, Final

import msgspec

from lithair.client.refusals import error_of
from lithair.declaration import SessionsDeclaration
from lithair.gateway.bearers import Bearers, wall_ms
from lithair.gateway.identity import Identity, of_session
from lithair.gateway.own_model import OwnModel
from lithair.gateway.token_cache import Entry, Times
from lithair.http import Session
from lithair.internal import SessionRecord

TOKEN_BYTES: Final = 32  # 256 random bits
DATA_BYTES_MAX: Final = 16 << 10  # of what a route keeps in a session: every gateway may hold it
TEXT_CHARACTERS_MAX: Final = 255  # of a user's id, and of a role
ENDED_AT_ONCE: Final = 500  # sessions of one user, by one look at the store
TOUCH_MS_MAX: Final = 60_000
TOUCHES_PER_IDLE: Final = 10  # so an idle time-out may strike a tenth too early

_TOKEN_FORM: Final = re.compile(r"[A-Za-z0-9_-]{43}")

_decode = msgspec.json.Decoder(SessionRecord).decode
_encode = msgspec.json.Encoder().encode


def hash_of(token: str) -> str:
    """Return the hash by which a token's session is stored, "" when it is no token of ours."""
    if not _TOKEN_FORM.fullmatch(token):
        return ""
    return hashlib.sha256(token.encode()).hexdigest()


def session_entry(record: SessionRecord, seq: int) -> Entry[Identity]:
    """Make an entry of a session."""
    idle_ms = record.idle_ms
    touch_ms: int | None = None
    if idle_ms is not None:
        touch_ms = max(1, min(TOUCH_MS_MAX, idle_ms // TOUCHES_PER_IDLE))
    times = Times(record.seen_ms, record.expires_ms, idle_ms, touch_ms)
    return Entry(record.id, of_session(session_of(record)), seq, times)


def session_of(record: SessionRecord, token: str | None = None) -> Session:
    """Make what a route sees of a session."""
    times_ms = (record.created_ms, record.expires_ms)
    data = _encode(record.data)
    return Session(record.id, record.user_id, record.role, data, times_ms, token)


def entry_of(body: bytes, seq: int) -> Entry[Identity]:
    """Make an entry of a session as it is stored."""
    return session_entry(_decode(body), seq)


class Sessions(Bearers[SessionRecord]):
    """The sessions of an application, one of these per gateway."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        store: OwnModel[SessionRecord],
        declaration: SessionsDeclaration,
        clock_ms: Callable[[], int] = wall_ms,
    ) -> None:
        super().__init__(loop, store, entry_of, clock_ms)
        self._declaration = declaration

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
        self._cache.keep(session_entry(record, reply.seq), self._store.epoch)
        return session_of(record, token)

    async def end(self, session: Session) -> None:
        """End a session; this gateway refuses it when this returns, the others within a second."""
        await self._end(session.key)

    async def end_key(self, key: str) -> bool:
        """End a session by the hash of its token; tells whether there was one."""
        return await self._end(key)

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


def _check_text(name: str, value: object, least: int) -> None:
    if not isinstance(value, str) or not least <= len(value) <= TEXT_CHARACTERS_MAX:
        raise ValueError(
            f"{name}={value!r} has to be text of {least} to {TEXT_CHARACTERS_MAX} characters"
        )

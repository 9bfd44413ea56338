"""The admin API's sessions: who is logged in, and ending it.

Law: no token is told, nor can be: only its hash is known, and that opens nothing.
"""

import re
from typing import Final

import msgspec

from lithair.core.as_of import rfc3339
from lithair.core.problem import Refusal
from lithair.gateway.admin import AdminRequest, answer
from lithair.gateway.answers import Prepared
from lithair.gateway.own_model import OwnModel
from lithair.gateway.sessions import Sessions
from lithair.internal import SessionRecord

TAKE: Final = 100
TAKE_MAX: Final = 1000
NO_SESSIONS: Final = "This application has no sessions"
NOT_THERE: Final = "There is no such session"
WHOSE: Final = "user_id: say whose sessions are to be ended"

_NUMBER: Final = re.compile(r"[0-9]{1,9}")

_encode = msgspec.json.Encoder().encode


class SessionsRoutes:
    """What the routes do; without sessions there is nothing here."""

    def __init__(self, sessions: Sessions | None, store: OwnModel[SessionRecord] | None) -> None:
        self._sessions = sessions
        self._store = store

    async def list(self, request: AdminRequest) -> Prepared:
        """List live sessions, oldest first."""
        store = self._stored()
        asked = _parameters(request, {"user_id", "take", "after"})
        take = asked.get("take", str(TAKE))
        if not _NUMBER.fullmatch(take) or not 0 < int(take) <= TAKE_MAX:
            raise Refusal(400, f"take: has to be a number from 1 to {TAKE_MAX}")
        user_id = asked.get("user_id")
        filters = {} if user_id is None else {"user_id": f"={user_id}"}
        pairs = store.calls.pairs(filters, take=int(take))
        if "after" in asked:
            pairs = (*pairs, ("after", asked["after"]))
        page = await store.do(store.calls.list(pairs))
        own = request.identity.session
        rows = [_row(one, own.key if own is not None else "") for one in page.data]
        told = {"sessions": rows, "total": page.total, "has_more": page.has_more}
        return answer(200, _encode(told))

    async def end(self, request: AdminRequest) -> Prepared:
        """End one session."""
        self._stored()
        assert self._sessions is not None, "there is a store"
        if not await self._sessions.end_key(request.segments["id"]):
            raise Refusal(404, NOT_THERE)
        return Prepared(204, (("Cache-Control", "no-store"),), b"")

    async def end_all(self, request: AdminRequest) -> Prepared:
        """End all sessions of a user."""
        self._stored()
        assert self._sessions is not None, "there is a store"
        user_id = _parameters(request, {"user_id"}).get("user_id")
        if not user_id:
            raise Refusal(400, WHOSE)
        try:
            ended = await self._sessions.end_all(user_id)
        except ValueError as error:
            raise Refusal(400, str(error)) from None
        return answer(200, _encode({"ended": ended}))

    def _stored(self) -> OwnModel[SessionRecord]:
        if self._store is None:
            raise Refusal(404, NO_SESSIONS)
        return self._store


def _parameters(request: AdminRequest, known: set[str]) -> dict[str, str]:
    """Read a query of known names, each once at most; raises `Refusal` 400."""
    found: dict[str, str] = {}
    for name, value in request.query:
        if name not in known or name in found:
            raise Refusal(400, f"{name}: this path takes {', '.join(sorted(known))}, each once")
        found[name] = value
    return found


def _row(record: SessionRecord, own: str) -> dict[str, object]:
    return {
        "id": record.id,
        "user_id": record.user_id,
        "role": record.role,
        "created_at": rfc3339(record.created_ms),
        "seen_at": rfc3339(record.seen_ms),
        "expires_at": rfc3339(record.expires_ms),
        "is_own": record.id == own,
    }

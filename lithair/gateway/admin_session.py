"""Admin sessions: the admin token exchanged for a cookie that a browser can come with.

Law: the cookie is no session of the application's, and works without any; only the hash of its
token is kept, with the server's other secrets. It ends by itself, by its own route, and with the
server. Who guesses tokens is told to wait.

    POST /_admin/session   {"token"}   -> 200 {"kind", "by", "expires_at"}, and the cookie
    GET /_admin/session                -> the same, of who asks
    DELETE /_admin/session             -> 204: what let him in is worth nothing any more
"""

import secrets
from collections.abc import Callable
from typing import Final

import msgspec

from lithair.core.as_of import rfc3339
from lithair.core.lockout import Lockout, Refused
from lithair.core.problem import Refusal
from lithair.declaration import SessionsDeclaration
from lithair.gateway.accounts import counted_address
from lithair.gateway.admin import AdminRequest, answer
from lithair.gateway.answers import Prepared, Problem
from lithair.gateway.bearers import wall_ms
from lithair.gateway.credentials import bearer_token
from lithair.gateway.gate import ADMIN_COOKIE, CROSS_SITE, Gate, admin_cookie_hash
from lithair.gateway.identity import ADMIN_TOKEN_NAME, ADMINISTRATOR, Identity, Kind
from lithair.gateway.session_cookie import SessionCookie
from lithair.gateway.sessions import TOKEN_BYTES, Sessions, hash_of
from lithair.gateway.tokens import INVALID, WRONG_TOKEN, challenge
from lithair.storage.admin_sessions import (
    admin_session_end,
    end_admin_session,
    keep_admin_session,
)

SESSION_PATH: Final = "/_admin/session"
MAX_AGE_MS: Final = 8 * 3_600_000  # a day's work
TOO_OFTEN: Final = "Too many wrong tokens; wait before the next one"

_encode = msgspec.json.Encoder().encode


class ExchangeAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of the exchange."""

    token: str


class AdminCookies:
    """Which cookies of administrators are good; every gateway of a server says the same."""

    def __init__(self, run_dir: str, clock_ms: Callable[[], int] = wall_ms) -> None:
        self._run_dir = run_dir
        self._clock_ms = clock_ms

    def cached(self, token_hash: str, now_ms: int) -> Identity | None:
        """Say whose a cookie is."""
        dies_ms = self.dies_ms(token_hash)
        return ADMINISTRATOR if dies_ms is not None and now_ms < dies_ms else None

    async def find(self, token_hash: str) -> Identity | None:
        """Say it; nobody has to be asked."""
        return self.cached(token_hash, self._clock_ms())

    look = find

    def dies_ms(self, token_hash: str) -> int | None:
        """Tell from when on a cookie is worth nothing; None when it is not good."""
        return admin_session_end(self._run_dir, token_hash) if token_hash else None

    def make(self) -> tuple[str, int]:
        """Make a token for a cookie; gives it and when it dies."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        now_ms = self._clock_ms()
        keep_admin_session(self._run_dir, hash_of(token), now_ms + MAX_AGE_MS, now_ms)
        return token, now_ms + MAX_AGE_MS

    def end(self, token_hash: str) -> None:
        """End one."""
        end_admin_session(self._run_dir, token_hash)


class SessionRoutes:
    """What the routes do."""

    def __init__(
        self,
        gate: Gate,
        cookies: AdminCookies,
        sessions: Sessions | None,
        declared: SessionsDeclaration | None,
        clock_ms: Callable[[], int] = wall_ms,
    ) -> None:
        self._gate = gate
        self._cookies = cookies
        self._sessions = sessions
        self._clock_ms = clock_ms
        self._lockout = Lockout()
        self._cookie = SessionCookie(
            SessionsDeclaration(
                MAX_AGE_MS,
                cookie_name=ADMIN_COOKIE,
                cookie_secure=None if declared is None else declared.cookie_secure,
                cookie_samesite="Strict",
            )
        )
        self._of_sessions = None if declared is None else SessionCookie(declared)

    async def exchange(self, request: AdminRequest) -> Prepared:
        """Give a cookie for the admin token; open to all, but not to pages of other sites."""
        if self._gate.is_cross_site(request.headers, request.is_tls):
            raise Problem(403, CROSS_SITE)
        try:
            asked = msgspec.convert(request.json_body(), ExchangeAsked)
        except msgspec.ValidationError as error:
            raise Refusal(422, f"The body is not what this takes: {error}") from None
        self._check(asked.token, counted_address(request.address))
        token, dies_ms = self._cookies.make()
        made = answer(200, _told("cookie", ADMIN_TOKEN_NAME, dies_ms))
        cookie = self._cookie.given(token, is_tls=request.is_tls)
        return made._replace(fields=(*made.fields, ("Set-Cookie", cookie)))

    async def tell(self, request: AdminRequest) -> Prepared:
        """Say who asks, and until when he is let in."""
        who = request.identity
        if who.kind is Kind.SESSION and who.session is not None:
            expires_ms = int(who.session.expires.timestamp() * 1000)
            return answer(200, _told("session", who.author, expires_ms))
        if who.kind is Kind.TOKEN:
            return answer(200, _told("machine", who.author, None))
        token_hash = _cookie_of(request)
        if not token_hash:
            return answer(200, _told("token", who.author, None))
        return answer(200, _told("cookie", who.author, self._cookies.dies_ms(token_hash)))

    async def end(self, request: AdminRequest) -> Prepared:
        """End what let in: the cookie, or the session. A token goes on."""
        session, token_hash = request.identity.session, _cookie_of(request)
        cookie = self._cookie
        if token_hash:
            self._cookies.end(token_hash)
        elif session is not None and self._sessions is not None and self._of_sessions is not None:
            await self._sessions.end(session)
            cookie = self._of_sessions
        cleared = cookie.cleared(is_tls=request.is_tls)
        return Prepared(204, (("Cache-Control", "no-store"), ("Set-Cookie", cleared)), b"")

    def _check(self, token: str, address: str) -> None:
        """Compare the token, unless too many wrong ones came; raises `Problem` 401, 429."""
        now_ms = self._clock_ms()
        admitted = self._lockout.ask("", address, now_ms)
        if isinstance(admitted, Refused):
            wait_s = -(-admitted.retry_after_ms // 1000)
            raise Problem(429, TOO_OFTEN, (("Retry-After", str(wait_s)),))
        assert admitted is not None, "an attempt is settled before the next one is made"
        is_right = self._gate.is_admin_token(token)
        self._lockout.settle(admitted.number, now_ms, has_failed=not is_right)
        if not is_right:
            raise Problem(401, WRONG_TOKEN, challenge(INVALID))


def _cookie_of(request: AdminRequest) -> str:
    """Give the hash of the cookie that has let the request in, "" when that was something else."""
    is_bearer = bearer_token(request.headers.get("Authorization")) is not None
    if request.identity.kind is not Kind.ADMIN or is_bearer:
        return ""
    return admin_cookie_hash(request.headers, request.is_tls)


def _told(kind: str, by: str, expires_ms: int | None) -> bytes:
    expires_at = None if expires_ms is None else rfc3339(expires_ms)
    return _encode({"kind": kind, "by": by, "expires_at": expires_at})

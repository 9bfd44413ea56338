"""The cookies of routes that create and end sessions, over plain HTTP and over TLS."""

import asyncio
from typing import Any

import pytest

from lithair import Session
from lithair.declaration import SessionsDeclaration
from lithair.gateway.route_sessions import RequestSessions
from lithair.gateway.session_cookie import SessionCookie


class StoredSessions:
    """Sessions without a store: what was ended is noted."""

    def __init__(self) -> None:
        self.made = 0
        self.ended: list[str] = []

    async def create(self, user_id: str, role: str = "", **_: Any) -> Session:
        self.made += 1
        return session_of(f"made-{self.made}", user_id, token=f"token-{self.made}")

    async def end(self, session: Session) -> None:
        self.ended.append(session.key)

    async def end_all(self, user_id: str) -> int:
        self.ended.append(f"all of {user_id}")
        return 2


def session_of(key: str, user_id: str = "ada", token: str | None = None) -> Session:
    return Session(key, user_id, "", b"{}", (0, 3_600_000), token)


def of_request(present: Session | None = None, *, is_tls: bool = False) -> RequestSessions:
    cookie = SessionCookie(SessionsDeclaration())
    return RequestSessions(StoredSessions(), cookie, present, is_tls=is_tls)


@pytest.mark.parametrize(
    ("declaration", "is_tls", "cookie"),
    [
        (
            SessionsDeclaration(),
            False,
            "session_token=t; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax",
        ),
        (
            SessionsDeclaration(),
            True,
            "__Host-session_token=t; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure",
        ),
        (
            SessionsDeclaration(cookie_secure=False),
            True,
            "__Host-session_token=t; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure",
        ),
        (
            SessionsDeclaration(
                max_age_ms=900, cookie_name="sid", cookie_secure=True, cookie_samesite="None"
            ),
            False,
            "sid=t; Path=/; Max-Age=1; HttpOnly; SameSite=None; Secure",
        ),
    ],
)
def test_a_cookie_is_as_safe_as_it_can_be(
    declaration: SessionsDeclaration, is_tls: bool, cookie: str
) -> None:
    assert SessionCookie(declaration).given("t", is_tls=is_tls) == cookie
    cleared = SessionCookie(declaration).cleared(is_tls=is_tls)
    assert cleared.startswith(cookie.partition("=")[0] + "=; Path=/; Max-Age=0; HttpOnly;")


def test_an_answer_says_nothing_of_cookies_when_nothing_changed() -> None:
    request = of_request(session_of("mine"))
    asyncio.run(request.end(session_of("another's")))
    asyncio.run(request.end_all("bob"))
    assert request.cookie is None


def test_an_ended_session_takes_its_cookie_along() -> None:
    one, all_of_them = (of_request(session_of("mine"), is_tls=True) for _ in range(2))
    asyncio.run(one.end(session_of("mine")))
    assert asyncio.run(all_of_them.end_all("ada")) == 2
    for request in (one, all_of_them):
        assert request.cookie is not None
        assert request.cookie.startswith("__Host-session_token=; Path=/; Max-Age=0;")


def test_who_exchanges_a_session_for_another_keeps_the_new_cookie() -> None:
    async def exchange(request: RequestSessions, old: Session) -> None:
        await request.create("ada")
        await request.end(old)

    request = of_request(session_of("mine"))
    asyncio.run(exchange(request, session_of("mine")))
    assert request.cookie is not None
    assert request.cookie.startswith("session_token=token-1; Path=/; Max-Age=3600;")


def test_who_ends_all_of_a_user_and_begins_anew_keeps_the_new_cookie() -> None:
    async def begin_anew(request: RequestSessions) -> None:
        await request.end_all("ada")
        await request.create("ada")

    request = of_request(session_of("mine"))
    asyncio.run(begin_anew(request))
    assert request.cookie is not None
    assert "token-1" in request.cookie


def test_a_session_that_was_created_and_ended_leaves_no_cookie() -> None:
    async def begin_and_end(request: RequestSessions) -> None:
        await request.end(await request.create("ada"))

    request = of_request()
    asyncio.run(begin_and_end(request))
    assert request.cookie is not None
    assert "Max-Age=0" in request.cookie

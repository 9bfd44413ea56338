"""The routes of accounts: /auth/login, logout, me, password.

Owns what they take and answer. Law: they are routes like a user's own, through the same gate; a
login that a page of somebody else has sent is refused, whatever it carries. Neither a password nor
a token is in any answer but the one to a login, which nobody may keep.

    POST /auth/login    {"username", "password" [, "code"]}
                                                 -> 200 {"session_token", "role", "expires_in"}
    POST /auth/logout                            -> 204
    GET  /auth/me       -> 200 {"user_id", "username", "role", "expires_in"}
    POST /auth/password {"password", "new_password"} -> 204
"""

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import msgspec

from lithair.accounts import password_problem
from lithair.core.problem import problem_body
from lithair.declaration.paths import ACCOUNT_PATHS
from lithair.errors import FieldError, ValidationFailed
from lithair.gateway.accounts import WRONG, Accounts, Asked, CodeNeeded
from lithair.gateway.answers import PROBLEM_JSON, Problem
from lithair.gateway.gate import CROSS_SITE, Rule
from lithair.gateway.identity import Kind
from lithair.gateway.route_handler import RouteHandler, RouteTools
from lithair.gateway.sessions import Sessions
from lithair.gateway.tokens import challenge
from lithair.http import Request, Response, Session

USERNAME: Final = "username"  # what a session's data holds
_NOT_KEPT: Final = {"Cache-Control": "no-store"}


class LoginAsked(msgspec.Struct, frozen=True):
    """The body of a login."""

    username: str
    password: str
    code: str | None = None  # of the second factor, where the account has one


class PasswordAsked(msgspec.Struct, frozen=True):
    """The body of a change of password."""

    password: str
    new_password: str


class Auth:
    """What the routes do; each takes the request and the address that it came from."""

    def __init__(self, accounts: Accounts, sessions: Sessions) -> None:
        self._accounts = accounts
        self._sessions = sessions

    async def log_in(self, request: Request, address: str) -> Response:
        """Make a session for who knows a password."""
        body = request.json(LoginAsked)
        asked = Asked(body.username, body.password, address, body.code)
        try:
            account = await self._accounts.check(asked)
        except CodeNeeded as error:
            return _without_code(error)
        made = await request.sessions.create(account.id, account.role, username=account.name)
        if not await self._accounts.is_current(account):
            await request.sessions.end(made)
            raise Problem(401, WRONG, challenge())
        answer = {
            "session_token": made.token,
            "role": made.role,
            "expires_in": _seconds_left(made, made.created),
        }
        return Response(answer, headers=_NOT_KEPT)

    async def log_out(self, request: Request, address: str) -> None:
        """End the session, if there is one."""
        if request.session is not None:
            await request.sessions.end(request.session)

    async def tell(self, request: Request, address: str) -> dict[str, object]:
        """Say whose session it is."""
        session = _own(request)
        return {
            "user_id": session.user_id,
            "username": session.data.get(USERNAME, session.user_id),
            "role": session.role,
            "expires_in": _seconds_left(session, dt.datetime.now(dt.UTC)),
        }

    async def change_password(self, request: Request, address: str) -> None:
        """Change the password, and end all other sessions of the user."""
        session, body = _own(request), request.json(PasswordAsked)
        problem = password_problem(body.new_password)
        if problem is not None:
            error = FieldError("new_password", problem)
            raise ValidationFailed("The new password is not one that can be kept", errors=[error])
        asked = Asked(session.user_id, body.password, address)
        await self._accounts.change_password(asked, body.new_password)
        await self._sessions.end_all(session.user_id, but=session)


Act = Callable[[Auth, Request, str], Awaitable[object]]


class AuthRoute(NamedTuple):
    """What a path does, by which method, and what it asks of who calls it."""

    method: str
    rule: Rule
    act: Act
    refuses_other_sites: bool = False  # also without a cookie: it gives one
    clears_cookie: bool = False  # also one that names no session any more


ROUTES: Final[dict[str, AuthRoute]] = dict(
    zip(
        ACCOUNT_PATHS,
        (
            AuthRoute("POST", Rule.OPEN, Auth.log_in, refuses_other_sites=True),
            AuthRoute("POST", Rule.IDENTIFIED, Auth.log_out, clears_cookie=True),
            AuthRoute("GET", Rule.SESSION, Auth.tell),
            AuthRoute("POST", Rule.SESSION, Auth.change_password),
        ),
        strict=True,
    )
)


class AuthHandler(RouteHandler):
    """Answers one of these routes."""

    # Another signature than that of a user's route: Tornado calls it with what the route was given.
    def initialize(  # type: ignore[override]
        self, auth: Auth, route: AuthRoute, segments: dict[str, str], tools: RouteTools
    ) -> None:
        """Take the route, and what its request needs."""
        address = self.request.remote_ip or ""
        self._refuses_other_sites = route.refuses_other_sites
        self._clears_cookie = route.clears_cookie

        async def act(request: Request) -> object:
            return await route.act(auth, request, address)

        super().initialize(act, segments, route.rule, tools)

    async def _enter(self) -> None:
        sent = self.request
        is_tls = sent.protocol == "https"
        if self._refuses_other_sites and self._tools.gate.is_cross_site(sent.headers, is_tls):
            raise Problem(403, CROSS_SITE)
        await super()._enter()
        is_nobody = self._identity.kind is Kind.NOBODY
        if self._clears_cookie and is_nobody and self._sessions is not None:
            self._sessions.forget()


def _without_code(error: CodeNeeded) -> Response:
    fields = {"Content-Type": PROBLEM_JSON, **_NOT_KEPT, **dict(challenge())}
    return Response(problem_body(error.status, str(error), error.errors), error.status, fields)


def _own(request: Request) -> Session:
    assert request.session is not None, "the gate lets nobody through without a session"
    return request.session


def _seconds_left(session: Session, now: dt.datetime) -> int:
    return max(0, round((session.expires - now).total_seconds()))

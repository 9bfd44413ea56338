"""User routes: the bridge from Tornado's handler to `async def func(request)`.

Owns one call of a user's function and what becomes of its answer. Law: an error that Lithair raises
on purpose becomes its problem; anything else is a 500 that says nothing, and a log entry with the
request's id, which the answer carries too.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import msgspec
from tornado.web import HTTPError

from lithair.declaration import RouteFunction
from lithair.errors import LithairError
from lithair.gateway.answers import WITHOUT_BODY, Problem
from lithair.gateway.gate import CACHE_CONTROL, VARY, Gate, Rule
from lithair.gateway.identity import NOBODY, Kind
from lithair.gateway.problem_handler import (
    OUR_MISTAKE,
    ProblemHandler,
    end,
    write_error_of,
    write_prepared,
    write_problem,
)
from lithair.gateway.request_ids import FAILED, request_id_of
from lithair.gateway.route_sessions import RequestSessions
from lithair.gateway.session_cookie import SessionCookie
from lithair.gateway.sessions import Sessions
from lithair.gateway.targets import decode_query
from lithair.http import (
    Caller,
    Headers,
    Pairs,
    Path,
    Request,
    RequestContext,
    Response,
    Session,
    response_of,
)

_FRAMING: Final = ("connection", "content-length", "transfer-encoding")  # the transport's own

_log = logging.getLogger("lithair.http")


class RouteTools(msgspec.Struct, frozen=True):
    """What all routes of a gateway share."""

    gate: Gate
    model: Callable[[Any], Any]  # Any: a handle of whichever model is asked for
    timeout_s: float
    sessions: Sessions | None = None
    cookie: SessionCookie | None = None  # there is one where there are sessions

    def sessions_of(self, present: Session | None, *, is_tls: bool) -> RequestSessions | None:
        """Give what one request, which came with a session or without, does to sessions."""
        if self.sessions is None or self.cookie is None:
            return None
        return RequestSessions(self.sessions, self.cookie, present, is_tls=is_tls)


class RouteHandler(ProblemHandler):
    """Calls a user's function with the request, and sends what it returns."""

    # Tornado takes what a handler is made with in `initialize` instead of `__init__`.
    def initialize(
        self, func: RouteFunction, segments: dict[str, str], rule: Rule, tools: RouteTools
    ) -> None:
        """Take the function, what it asks of its callers, and what its request needs."""
        self._func = func
        self._segments = segments
        self._rule = rule
        self._tools = tools
        self._identity = NOBODY
        self._sessions: RequestSessions | None = None
        self._has_own_cache_control = False

    async def prepare(self) -> None:
        """Answer, whatever the method: the route table has looked at it already."""
        self.clear_header("Content-Type")
        patience = asyncio.timeout(self._tools.timeout_s)
        try:
            async with patience:
                await self._enter()
                answer = response_of(await self._func(self._user_request()))
        except Problem as problem:
            write_prepared(self, problem.prepared())
        except LithairError as error:
            write_error_of(self, error)
        except HTTPError:
            raise
        except Exception:  # noqa: BLE001 - this process's loop: a user's mistake must not end it
            if patience.expired():
                write_problem(self, 504, "The route did not answer in time")
            else:
                self._fail()
        else:
            self._send(answer)

    async def _enter(self) -> None:
        sent = self.request
        is_tls = sent.protocol == "https"
        gate = self._tools.gate
        self._identity = await gate.admitted(self._rule, sent.method or "", sent.headers, is_tls)
        self._sessions = self._tools.sessions_of(self._identity.session, is_tls=is_tls)

    def _user_request(self) -> Request:
        sent = self.request
        return Request(
            sent.method or "",
            Path(sent.path, self._segments),
            query=Pairs(decode_query(sent.query)),
            headers=Headers(sent.headers.get_all()),
            body=sent.body,
            context=self._context(),
        )

    def _context(self) -> RequestContext:
        kind, user_id, role, session = self._identity
        caller = None if kind is Kind.NOBODY else Caller(kind.value, user_id, role)
        return RequestContext(self._tools.model, session, self._sessions, caller)

    def flush(self, include_footers: bool = False) -> "asyncio.Future[None]":
        """Send what there is; an answer for one caller says that it is for nobody else."""
        is_ones_own = self._identity.kind is not Kind.NOBODY or "Set-Cookie" in self._headers
        if self._rule is Rule.SESSION or is_ones_own:
            if not self._has_own_cache_control:
                self.set_header("Cache-Control", CACHE_CONTROL)
            self.add_header("Vary", VARY)
        return super().flush(include_footers)

    def _send(self, answer: Response) -> None:
        if not 200 <= answer.status <= 599:
            _log.error(
                "%s %s: a route answered with the status %r (request %s)",
                self.request.method,
                self.request.path,
                answer.status,
                request_id_of(self.request.headers),
            )
            write_problem(self, 500, OUR_MISTAKE)
            return
        self.set_status(answer.status)
        for name, value in answer.headers:
            if name.lower() not in _FRAMING:
                self.add_header(name, value)
        if self._sessions is not None and self._sessions.cookie is not None:
            self.add_header("Set-Cookie", self._sessions.cookie)
        self._has_own_cache_control = "Cache-Control" in self._headers
        end(self, None if answer.status in WITHOUT_BODY else answer.body)

    def _fail(self) -> None:
        request_id = request_id_of(self.request.headers)
        _log.exception(FAILED, self.request.method, self.request.path, request_id)
        write_problem(self, 500, OUR_MISTAKE)

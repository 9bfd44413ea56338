"""Everything that is no model's: one tornado.web.Application.

Owns the order in which the other paths are looked at: the dashboard and administration, then
built-in pages and paths without regular expressions, then those with, then static files. Law:
whatever matches nothing is a 404 problem.
"""

import logging
from typing import TYPE_CHECKING, Any

import msgspec
from tornado.httputil import HTTPServerRequest
from tornado.routing import PathMatches
from tornado.web import Application, RequestHandler

from lithair.declaration import Declaration
from lithair.declaration.paths import path_problem
from lithair.declaration.route_checks import REGEX_CHARACTERS
from lithair.gateway.admin import Admin, AdminHandler, with_head
from lithair.gateway.auth_routes import ROUTES as AUTH_ROUTES
from lithair.gateway.auth_routes import Auth, AuthHandler
from lithair.gateway.cors import CrossOrigin
from lithair.gateway.dashboard_files import Dashboard
from lithair.gateway.docs_page import Docs, DocsHandler
from lithair.gateway.figures import METRICS_PATH, Figures, MetricsHandler
from lithair.gateway.gate import rule_of_route
from lithair.gateway.operations import Operations, built_in_places
from lithair.gateway.problem_handler import (
    NOTHING_HERE,
    EveryMethod,
    ProblemHandler,
    methods_of,
    with_problems,
    write_allowed,
    write_problem,
)
from lithair.gateway.route_handler import RouteHandler, RouteTools
from lithair.gateway.route_table import EVERY_METHOD, Found, NoMethod, Place, RouteTable
from lithair.gateway.routes import allow
from lithair.gateway.static_files import StaticHandler, StaticSite

if TYPE_CHECKING:
    from tornado.web import _HandlerDelegate  # what Application.find_handler is typed to give

_log = logging.getLogger("lithair.http")


class Target(msgspec.Struct, frozen=True):
    """A handler class and the arguments of its `initialize`."""

    handler: type[RequestHandler]
    arguments: dict[str, Any]  # Any: a user's handler takes what it likes
    is_route: bool = False  # a user's function: the named segments are in its request


class Expression(msgspec.Struct, frozen=True):
    """A user's handler on a path that is a regular expression."""

    matcher: PathMatches
    target: Target


class NotFoundHandler(ProblemHandler):
    """Answers on paths that nothing answers on."""

    SUPPORTED_METHODS = EveryMethod()

    def prepare(self) -> None:
        """Answer 404, whatever the method."""
        write_problem(self, 404, NOTHING_HERE)


class NoMethodHandler(ProblemHandler):
    """Answers on paths that have other methods: OPTIONS, and 405."""

    SUPPORTED_METHODS = EveryMethod()

    def initialize(self, methods: frozenset[str]) -> None:
        """Take the methods that there are."""
        self._methods = methods

    def prepare(self) -> None:
        """Answer OPTIONS, or 405."""
        if self.request.method == "OPTIONS":
            write_allowed(self, self._methods)
            return
        allowed = allow(dict.fromkeys(self._methods))
        self.set_header("Allow", allowed)
        write_problem(self, 405, f"{self.request.method} is not for this path, only {allowed}")


class SiteApplication(Application):
    """The application's own paths, by method and path."""

    def __init__(
        self,
        places: list[Place[Target]],
        expressions: list[Expression],
        statics: list[StaticSite],
        built_in: "BuiltIn",
        cross_origin: CrossOrigin,
    ) -> None:
        super().__init__(
            [],
            default_handler_class=NotFoundHandler,
            log_function=_log_request,
            cross_origin=cross_origin,
            serve_traceback=False,
            autoreload=False,
        )
        self._admin = built_in.admin
        self._dashboard = built_in.dashboard
        self._table = RouteTable(places)
        self._expressions = expressions
        # The longest prefix is the most special one.
        self._statics = sorted(statics, key=lambda site: -len(site.prefix))

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> "_HandlerDelegate":
        """Find the handler of a request; called by Tornado, once per request."""
        method = request.method or ""
        if self._dashboard is not None:
            page = self._dashboard.find(method, request.path)
            if page is not None:
                return self.get_handler_delegate(request, StaticHandler, {"file": page})
        if self._admin.owns(request.path):
            return self.get_handler_delegate(request, AdminHandler, {"admin": self._admin})
        found = self._table.find(method, request.path)
        if isinstance(found, Found):
            return self._delegate(request, found)
        for expression in self._expressions:
            match = expression.matcher.match(request)
            if match is not None:
                target = expression.target
                return self.get_handler_delegate(request, target.handler, target.arguments, **match)
        if isinstance(found, NoMethod):
            return self.get_handler_delegate(request, NoMethodHandler, {"methods": found.methods})
        for site in self._statics:
            file = site.find(request.path)
            if file is not None:
                return self.get_handler_delegate(request, StaticHandler, {"file": file})
        return self.get_handler_delegate(request, NotFoundHandler)

    def route_of(self, method: str, path: str) -> str:
        """Say under which path something is served, with {names} in it; "" where that is unknown.

        TargetError when the path can't be decoded.
        """
        table = self._admin.table if self._admin.owns(path) else self._table
        found = table.find(method, path)
        if isinstance(found, Found):
            return found.path
        return next((site.prefix for site in self._statics if site.find(path)), "")

    def _delegate(self, request: HTTPServerRequest, found: Found[Target]) -> "_HandlerDelegate":
        target = found.handler
        if target.is_route:
            arguments = {**target.arguments, "segments": found.segments}
            return self.get_handler_delegate(request, target.handler, arguments)
        segments = {name: value.encode() for name, value in found.segments.items()}
        return self.get_handler_delegate(
            request, target.handler, target.arguments, path_kwargs=segments
        )


class BuiltIn(msgspec.Struct, frozen=True):
    """What the server itself has to tell and to do."""

    operations: Operations
    figures: Figures
    metrics_token: str | None
    admin: Admin
    auth: Auth | None = None  # where there are users
    dashboard: Dashboard | None = None

    def places(self) -> list[Place[Target]]:
        """Place the pages; what is below /_admin has its own door."""
        told = {"figures": self.figures, "token": self.metrics_token}
        places = [Place(METRICS_PATH, methods_of(MetricsHandler), Target(MetricsHandler, told))]
        for path, handler in built_in_places():
            target = Target(handler, {"operations": self.operations})
            places.append(Place(path, methods_of(handler), target))
        return places


def make_application(
    declaration: Declaration,
    built_in: BuiltIn,
    cross_origin: CrossOrigin,
    tools: RouteTools,
    statics: list[StaticSite],
) -> SiteApplication:
    """Gather what a declaration asks for beside its models."""
    places = built_in.places() + _account_places(built_in.auth, tools) + _docs(declaration)
    for route in declaration.routes:
        methods = {route.method, "HEAD"} if route.method == "GET" else {route.method}
        arguments = {
            "func": route.func,
            "rule": rule_of_route(declaration, route),
            "tools": tools,
        }
        target = Target(RouteHandler, arguments, is_route=True)
        places.append(Place(route.path, frozenset(methods), target))
    expressions: list[Expression] = []
    for tornado in declaration.tornado:
        target = Target(with_problems(tornado.handler), tornado.init)
        if _is_literal(tornado.path):
            places.append(Place(tornado.path, EVERY_METHOD, target))
        else:
            expressions.append(Expression(PathMatches(tornado.path), target))
    return SiteApplication(places, expressions, statics, built_in, cross_origin)


def _account_places(auth: Auth | None, tools: RouteTools) -> list[Place[Target]]:
    if auth is None:
        return []
    return [
        Place(
            path,
            frozenset(with_head((route.method,))),
            Target(AuthHandler, {"auth": auth, "route": route, "tools": tools}, is_route=True),
        )
        for path, route in AUTH_ROUTES.items()
    ]


def _docs(declaration: Declaration) -> list[Place[Target]]:
    docs = Docs(declaration)
    return [
        Place(path, methods_of(DocsHandler), Target(DocsHandler, {"docs": docs, "path": path}))
        for path in docs.paths
    ]


def _is_literal(path: str) -> bool:
    """Tell a path as `with_route` takes it from a regular expression."""
    return path_problem(path) is None and not REGEX_CHARACTERS.search(path)


def _log_request(handler: RequestHandler) -> None:
    sent, status = handler.request, handler.get_status()
    _log.debug("%s %s %s %d", sent.remote_ip, sent.method, sent.path, status)

"""Operations of the OpenAPI document: everything that is no model's.

Owns what is told of the server's pages, of accounts, administration and the application's own
routes. Law: which there are, and what the gate asks for, is taken from the route map, so none is
told of that is not served, and the other way round.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, cast

import msgspec

from lithair.declaration import Declaration, RouteDeclaration
from lithair.declaration.paths import ACCOUNT_PATHS
from lithair.gateway.admin_routes import ROUTES as ADMIN_ROUTES
from lithair.gateway.admin_routes import CompactAsked, ModelStats
from lithair.gateway.answers import JSON
from lithair.gateway.auth_routes import LoginAsked, PasswordAsked
from lithair.gateway.backup_route import BackupAsked
from lithair.gateway.gate import Rule
from lithair.gateway.openapi.answers import PROBLEM, Node, problems, said, schema_ref
from lithair.gateway.openapi.security import Security
from lithair.gateway.route_map import MappedRoute, route_map

SERVER, ACCOUNTS, ADMINISTRATION, ROUTES = "server", "accounts", "administration", "routes"
NO_SCOPES: Final[list[object]] = []
TEXT: Final[Node] = {"type": "string"}
_NAMED: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
LOG_IN, LOG_OUT, ME, PASSWORD = ACCOUNT_PATHS


def _object(properties: Node) -> Node:
    return {"type": "object", "properties": properties, "required": list(properties)}


class Told(NamedTuple):
    """What is told of one route of the server's own."""

    tag: str
    summary: str
    answers: Node
    statuses: tuple[int, ...] = ()
    body: type[msgspec.Struct] | None = None
    is_body_needed: bool = True
    parameters: tuple[Node, ...] = ()


def _page(says: str, properties: Node) -> Node:
    return {"200": said(says, _object(properties))}


_PHASES: Final[Node] = {"type": "object", "additionalProperties": TEXT}
_READINESS: Final[Node] = {
    "ready": {"type": "boolean"},
    "failed": {"type": "array", "items": TEXT, "description": "Models that have failed."},
    "models": {**_PHASES, "description": "The phase of each model."},
}
_SESSION: Final[Node] = {
    "role": TEXT,
    "expires_in": {"type": "integer", "minimum": 0, "description": "Seconds."},
}
_IF_NONE_MATCH: Final[Node] = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The ETag of what the client holds.",
    "schema": TEXT,
}
_HTML: Final = "text/html"
_PLAIN: Final = "text/plain"

TOLD: Final[Mapping[tuple[str, str], Told]] = {
    ("/health", "GET"): Told(
        SERVER, "Whether the server is alive", _page("It is.", {"status": {"const": "ok"}})
    ),
    ("/ready", "GET"): Told(
        SERVER,
        "Whether every model has been replayed, or has failed",
        {
            "200": said("All have.", _object(_READINESS)),
            "503": said("Not yet.", _object(_READINESS), ["Retry-After"]),
        },
    ),
    ("/info", "GET"): Told(
        SERVER,
        "What runs here",
        _page(
            "The version, and the models.",
            {
                "name": {"const": "lithair"},
                "version": TEXT,
                "uptime_s": {"type": "number", "minimum": 0},
                "models": {
                    "type": "array",
                    "items": _object({"name": TEXT, "path": TEXT, "phase": TEXT}),
                },
            },
        ),
    ),
    ("/metrics", "GET"): Told(
        SERVER,
        "Figures for Prometheus",
        {"200": said("All figures.", TEXT, media_type=_PLAIN)},
    ),
    ("/openapi.json", "GET"): Told(
        SERVER,
        "This document",
        {
            "200": said("OpenAPI 3.1.", {"type": "object"}, ["ETag"]),
            "304": said("The client holds it as it is."),
        },
        parameters=(_IF_NONE_MATCH,),
    ),
    ("/docs", "GET"): Told(
        SERVER,
        "This document as a page",
        {
            "200": said("The page.", TEXT, ["ETag"], _HTML),
            "304": said("The client holds it as it is."),
        },
        parameters=(_IF_NONE_MATCH,),
    ),
    (LOG_IN, "POST"): Told(
        ACCOUNTS,
        "Log in",
        {
            "200": said(
                "A new session; the answer sets the cookie, too.",
                _object({"session_token": TEXT, **_SESSION}),
                ["Set-Cookie"],
            )
        },
        (401, 403, 413, 415, 422, 429, 507),
        LoginAsked,
    ),
    (LOG_OUT, "POST"): Told(
        ACCOUNTS,
        "Log out",
        {"204": said("The session has ended.", headers=["Set-Cookie"])},
        (413, 507),
    ),
    (ME, "GET"): Told(
        ACCOUNTS,
        "Whose session it is",
        _page("The user.", {"user_id": TEXT, "username": TEXT, **_SESSION}),
    ),
    (PASSWORD, "POST"): Told(
        ACCOUNTS,
        "Change the password",
        {"204": said("It is changed, and all other sessions of the user have ended.")},
        (403, 409, 413, 415, 422, 429, 507),
        PasswordAsked,
    ),
}

# Bodies and answers of administration, where more is known than that they are JSON.
_ADMIN_BODIES: Final[Mapping[str, type[msgspec.Struct]]] = {
    "/_admin/data/models/{name}/compact": CompactAsked,
    "/_admin/data/backup": BackupAsked,
}
_ADMIN_ANSWERS: Final[Mapping[str, type[msgspec.Struct]]] = {
    "/_admin/data/models/{name}/_stats": ModelStats,
}
_ADMIN_STATUSES: Final[Mapping[str, tuple[int, ...]]] = {"GET": (404,)}
_ADMIN_WRITES: Final = (404, 409, 413, 415, 422, 507)


class ServerPaths:
    """The operations of one application that are no model's."""

    def __init__(self, declaration: Declaration, security: Security) -> None:
        self._declaration = declaration
        self._security = security
        self.schemas: dict[str, Node] = {}
        self._routes = {(route.path, route.method): route for route in declaration.routes}

    def paths(self) -> dict[str, Node]:
        """Describe every path."""
        found: dict[str, Node] = {}
        for mapped in route_map(self._declaration):
            if mapped.model or mapped.method in ("HEAD", "*", "OPTIONS"):
                continue
            operation = self._operation(mapped)
            if operation is not None:
                found.setdefault(mapped.path, {})[mapped.method.lower()] = operation
        return found

    def _operation(self, mapped: MappedRoute) -> Node | None:
        place = (mapped.path, mapped.method)
        if place in TOLD:
            return self._own(mapped, TOLD[place])
        if mapped.rule is Rule.ADMIN:
            return self._own(mapped, self._administration(mapped))
        if place in self._routes:
            return self._users(mapped, self._routes[place])
        return None  # a static file, or whatever a handler of Tornado's has

    def _own(self, mapped: MappedRoute, told: Told) -> Node:
        statuses = {*told.statuses, *self._refusals(mapped)}
        operation = self._begun(mapped, told.tag, told.summary)
        taken = [*_segments(mapped.path), *told.parameters]
        if taken:
            operation["parameters"] = taken
        if told.body is not None:
            operation["requestBody"] = {
                "required": told.is_body_needed,
                "content": {JSON: {"schema": self._ref(told.body)}},
            }
        operation["responses"] = dict(sorted({**problems(statuses), **told.answers}.items()))
        return operation

    def _refusals(self, mapped: MappedRoute) -> set[int]:
        found = self._security.statuses(mapped.rule, mapped.path, mapped.method)
        if mapped.path == "/metrics" and self._security.has_metrics_token:
            found.add(401)
        return found

    def _begun(self, mapped: MappedRoute, tag: str, summary: str) -> Node:
        security = self._security.of(mapped.rule)
        if mapped.path == "/metrics" and self._security.has_metrics_token:
            security = [{"metrics": NO_SCOPES}]
        return {
            "operationId": _operation_id(mapped),
            "summary": summary,
            "tags": [tag],
            "security": security,
        }

    def _administration(self, mapped: MappedRoute) -> Told:
        act = ADMIN_ROUTES.get(mapped.path, {}).get(mapped.method)
        summary = "Make a backup of all models" if act is None else _told_by(act)[0]
        answer = _ADMIN_ANSWERS.get(mapped.path)
        schema: Node = {} if answer is None else self._ref(answer)
        body = _ADMIN_BODIES.get(mapped.path) if mapped.method == "POST" else None
        is_read = mapped.method == "GET"
        if answer is not None:
            answers: Node = {"200": said("The figures.", schema)}
        else:
            answers = {"2XX": said("It is done, or has begun.")}
        statuses = _ADMIN_STATUSES["GET"] if is_read else _ADMIN_WRITES
        return Told(ADMINISTRATION, summary, answers, statuses, body, is_body_needed=False)

    def _users(self, mapped: MappedRoute, route: RouteDeclaration) -> Node:
        """Tell of a user's route what is known: its path, who may call it, and its docstring."""
        summary, says = _told_by(route.func)
        operation = self._begun(mapped, ROUTES, summary or route.func.__name__.replace("_", " "))
        if says:
            operation["description"] = says
        taken = _segments(mapped.path)
        if taken:
            operation["parameters"] = taken
        if mapped.method in ("POST", "PUT", "PATCH"):
            operation["requestBody"] = {"content": {"*/*": {"schema": {}}}}
        problem = said("A problem.", schema_ref(PROBLEM), media_type="application/problem+json")
        operation["responses"] = {
            "2XX": said("Whatever the route answers."),
            "3XX": said("Elsewhere."),
            "4XX": problem,
            "5XX": problem,
        }
        return operation

    def _ref(self, kind: type[msgspec.Struct]) -> Node:
        """Put a class of ours among the schemas, and point at it."""
        (ref,), components = msgspec.json.schema_components(
            [kind], ref_template="#/components/schemas/{name}"
        )
        self.schemas |= cast("dict[str, Node]", components)
        return cast("Node", ref)


def _segments(path: str) -> list[Node]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _NAMED.findall(path)
    ]


def _operation_id(mapped: MappedRoute) -> str:
    words = re.findall(r"[A-Za-z0-9]+", mapped.path)
    return "_".join([mapped.method.lower(), *words])


def _told_by(func: Callable[..., object]) -> tuple[str, str]:
    """Give the first sentence of a docstring, and the rest of it."""
    summary, _, says = (inspect.getdoc(func) or "").partition("\n")
    return summary.strip().removesuffix("."), says.strip()

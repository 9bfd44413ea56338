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

from lithair.accounts import PASSWORD_CHARACTERS_MIN
from lithair.declaration import Declaration, RouteDeclaration
from lithair.declaration.paths import ACCOUNT_PATHS, BUILT_IN_PREFIX
from lithair.gateway.answers import JSON
from lithair.gateway.auth_routes import LoginAsked, PasswordAsked
from lithair.gateway.openapi.admin_paths import TEXT, object_of
from lithair.gateway.openapi.admin_paths import TOLD as ADMIN_TOLD
from lithair.gateway.openapi.answers import OWN, PROBLEM, Node, problems, said, schema_ref
from lithair.gateway.openapi.security import Security
from lithair.gateway.route_map import MappedRoute, route_map

SERVER, ACCOUNTS, ADMINISTRATION, ROUTES = "server", "accounts", "administration", "routes"
NO_SCOPES: Final[list[object]] = []
_NAMED: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
LOG_IN, LOG_OUT, ME, PASSWORD = ACCOUNT_PATHS


class Told(NamedTuple):
    """What is told of one route of the server's own."""

    tag: str
    summary: str
    answers: Node
    statuses: tuple[int, ...] = ()
    body: type[msgspec.Struct] | Node | None = None
    is_body_needed: bool = True
    parameters: tuple[Node, ...] = ()
    media_types: tuple[str, ...] = (JSON,)


def _page(says: str, properties: Node) -> Node:
    return {"200": said(says, object_of(properties))}


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
            "200": said("All have.", object_of(_READINESS)),
            "503": said("Not yet.", object_of(_READINESS), ["Retry-After"]),
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
                    "items": object_of({"name": TEXT, "path": TEXT, "phase": TEXT}),
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
                object_of({"session_token": TEXT, **_SESSION}),
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
        if mapped.path.startswith(BUILT_IN_PREFIX + "/"):
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
            schema = self._ref(told.body) if isinstance(told.body, type) else told.body
            operation["requestBody"] = {
                "required": told.is_body_needed,
                "content": {media_type: {"schema": schema} for media_type in told.media_types},
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
        told = ADMIN_TOLD.get((mapped.path, mapped.method))
        if told is None:
            return Told(ADMINISTRATION, "Administration", {"2XX": said("It is done.")}, (404, 409))
        return Told(
            ADMINISTRATION,
            told.summary,
            self._with_classes(told.answers),
            told.statuses,
            told.body,
            told.is_body_needed,
            told.parameters,
            told.media_types,
        )

    def _with_classes(self, answers: Node) -> Node:
        """Exchange classes for what points at them."""
        return {status: self._with_class(cast("Node", one)) for status, one in answers.items()}

    def _with_class(self, answer: Node) -> Node:
        content = cast("dict[str, Node]", answer.get("content", {}))
        schema = content.get(JSON, {}).get("schema")
        if not isinstance(schema, type):
            return answer
        return {**answer, "content": {JSON: {"schema": self._ref(schema)}}}

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
            anything: Node = {"schema": {}}
            operation["requestBody"] = {"content": {JSON: anything, "*/*": anything}}
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
            [kind], ref_template=f"#/components/schemas/{OWN}{{name}}"
        )
        named = cast("dict[str, Node]", components)
        if kind is PasswordAsked:
            properties = cast("dict[str, Node]", named[kind.__name__]["properties"])
            properties["new_password"]["minLength"] = PASSWORD_CHARACTERS_MIN
        self.schemas |= {OWN + name: node for name, node in named.items()}
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

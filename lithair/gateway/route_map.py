"""The route map: every route of an application, with what the gate asks of its callers.

Owns the list of what there is; it is made of the very tables that requests are looked up in. Law: a
route without a rule is a KeyError here, so none comes to be served unnoticed.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from lithair.declaration import Declaration
from lithair.declaration.paths import BUILT_IN_PREFIX
from lithair.gateway.admin_routes import ROUTES
from lithair.gateway.auth_routes import ROUTES as AUTH_ROUTES
from lithair.gateway.data_routes import DATA_ROUTES, EXCHANGE
from lithair.gateway.gate import Rule, rule_of_model, rule_of_route
from lithair.gateway.routes import DOCS_PATHS, SERVER_ROUTES, SHAPES

# Of the server's own pages; /metrics may ask for a token of its own.
SERVER_RULES: Final[dict[str, Rule]] = {
    "/health": Rule.OPEN,
    "/ready": Rule.OPEN,
    "/info": Rule.OPEN,
    "/metrics": Rule.OPEN,
    "/openapi.json": Rule.OPEN,  # they hold no data
    "/docs": Rule.OPEN,
}


class MappedRoute(NamedTuple):
    """One method on one path; OPTIONS is everywhere, and open."""

    path: str
    method: str  # "*": whatever the handler has
    rule: Rule
    model: str = ""  # the name of the model that the path belongs to


def route_map(declaration: Declaration) -> list[MappedRoute]:
    """List every route, in the order in which paths are looked at."""
    return [
        *_model_routes(declaration),
        *_rows(
            (path, SERVER_RULES[path], methods)
            for path, methods in SERVER_ROUTES.items()
            if path not in DOCS_PATHS or declaration.settings.docs == "on"
        ),
        *_admin_routes(declaration),
        MappedRoute(BUILT_IN_PREFIX + "/…", "*", Rule.ADMIN),
        *_rows(
            (path, route.rule, _with_head([route.method]))
            for path, route in AUTH_ROUTES.items()
            if declaration.has_users
        ),
        *_rows(
            (route.path, rule_of_route(declaration, route), _with_head([route.method]))
            for route in declaration.routes
        ),
        *(MappedRoute(tornado.path, "*", Rule.OPEN) for tornado in declaration.tornado),
        *(
            MappedRoute(static.path + "…", method, Rule.OPEN)
            for static in declaration.statics
            for method in ("GET", "HEAD")
        ),
    ]


def _admin_routes(declaration: Declaration) -> Iterator[MappedRoute]:
    yield from _rows((path, Rule.ADMIN, _with_head(acts)) for path, acts in ROUTES.items())
    if declaration.has_data_admin:
        for path, finds in DATA_ROUTES.items():
            for method in _with_head(finds):
                rule = Rule.OPEN if (method, path) == EXCHANGE else Rule.ADMIN
                yield MappedRoute(path, method, rule)
    if declaration.dashboard_path is not None:
        for method in ("GET", "HEAD"):
            yield MappedRoute(declaration.dashboard_path, method, Rule.OPEN)
            yield MappedRoute(declaration.dashboard_path + "/…", method, Rule.OPEN)


def _model_routes(declaration: Declaration) -> Iterator[MappedRoute]:
    for model in declaration.models:
        rule = rule_of_model(declaration, model)
        for shape, actions in SHAPES.items():
            for method in actions:
                yield MappedRoute(model.path + shape.value, method, rule, model.name)


def _rows(routes: Iterable[tuple[str, Rule, Iterable[str]]]) -> Iterator[MappedRoute]:
    for path, rule, methods in routes:
        for method in methods:
            yield MappedRoute(path, method, rule)


def _with_head(methods: Iterable[str]) -> list[str]:
    listed = list(methods)
    return [*listed, "HEAD"] if "GET" in listed else listed

"""The admin API's list of all routes.

Law: it is the map that the gate's tests go through: what is served is on it.
"""

import msgspec

from lithair.declaration import Declaration
from lithair.gateway.admin import AdminRequest, answer
from lithair.gateway.answers import Prepared
from lithair.gateway.route_map import MappedRoute, route_map

_encode = msgspec.json.Encoder().encode


class RouteList:
    """What the route does."""

    def __init__(self, declaration: Declaration) -> None:
        self._declaration = declaration

    async def tell(self, _request: AdminRequest) -> Prepared:
        """List every route, with what the gate asks of its callers."""
        return answer(200, _encode({"routes": _paths(route_map(self._declaration))}))


def _paths(rows: list[MappedRoute]) -> list[dict[str, object]]:
    """Gather the methods of each path that ask the same."""
    paths: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        paths.setdefault((row.path, row.rule.value, row.model), []).append(row.method)
    return [
        {"path": path, "methods": methods, "rule": rule, "model": model or None}
        for (path, rule, model), methods in paths.items()
    ]

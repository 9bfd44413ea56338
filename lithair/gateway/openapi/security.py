"""Security of the OpenAPI document: how to show who asks, and what is answered to who may not.

Law: what is told follows from the gate's rules, as `gateway/gate.py` has them.
"""

from lithair.declaration import Declaration
from lithair.gateway.credentials import SAFE_METHODS, cookie_name
from lithair.gateway.gate import ADMIN_COOKIE, Rule
from lithair.gateway.openapi.answers import Node


class Security:
    """What one application asks of its callers."""

    def __init__(self, declaration: Declaration) -> None:
        self._sessions = declaration.sessions
        self._has_tokens = declaration.has_tokens
        self._has_data_admin = declaration.has_data_admin
        self._is_tls = declaration.settings.tls_cert is not None
        self._limited = [limit.prefix for limit in declaration.rate_limits]
        self.has_metrics_token = declaration.settings.metrics_token is not None

    def schemes(self) -> Node:
        """Describe the ways to show who asks."""
        kinds = ["the admin token"]
        if self._has_tokens:
            kinds.insert(0, "an API token")
        if self._sessions is not None:
            kinds.insert(0, "a session's token")
        bearer: Node = {
            "type": "http",
            "scheme": "bearer",
            "description": f"With {' or '.join(kinds)}. It wins over the cookie.",
        }
        schemes: Node = {"bearer": bearer}
        if self.has_metrics_token:
            says = "With the token in LT_METRICS_TOKEN."
            schemes["metrics"] = {"type": "http", "scheme": "bearer", "description": says}
        if self._has_data_admin:
            schemes["admin"] = {
                "type": "apiKey",
                "in": "cookie",
                "name": cookie_name(ADMIN_COOKIE, self._is_tls),
                "description": "What an administrator's browser got for the admin token.",
            }
        if self._sessions is None:
            return schemes
        cookie: Node = {
            "type": "apiKey",
            "in": "cookie",
            "name": cookie_name(self._sessions.cookie_name, self._is_tls),
            "description": "What a browser got with a login. Over TLS its name begins with"
            " `__Host-`. With it, a request that changes something has to come from a page of"
            " this site.",
        }
        return {**schemes, "cookie": cookie}

    def of(self, rule: Rule) -> list[Node]:
        """Tell what a route asks for."""
        if rule is Rule.OPEN:
            return []
        if rule is Rule.ADMIN and self._has_data_admin:
            return [*self._ways(), {"admin": []}]
        ways = self._ways()
        return [{}, *ways] if rule is Rule.IDENTIFIED else ways

    def _ways(self) -> list[Node]:
        ways: list[Node] = [{"bearer": []}]
        if self._sessions is not None:
            ways.append({"cookie": []})
        return ways

    def statuses(self, rule: Rule, path: str, method: str) -> set[int]:
        """Tell how the gate and the rate limits refuse."""
        found: set[int] = set()
        if rule in (Rule.GATED, Rule.SESSION, Rule.ADMIN):
            found.add(401)
        has_cookies = self._sessions is not None or self._has_data_admin
        is_lent = has_cookies and method not in SAFE_METHODS
        if rule is Rule.ADMIN or (rule is not Rule.OPEN and is_lent):
            found.add(403)
        if rule is Rule.SESSION and self._has_tokens:
            found.add(403)
        if any(_is_below(path, prefix) for prefix in self._limited):
            found.add(429)
        return found


def _is_below(path: str, prefix: str) -> bool:
    """Tell whether a path with {names} may lie below a prefix."""
    own, above = path.split("/"), prefix.removesuffix("/").split("/")
    return len(own) >= len(above) and all(
        mine == yours or mine.startswith("{") for mine, yours in zip(own, above, strict=False)
    )

"""The cookie that gives a browser its session's token; `credentials` reads it.

Law: no script sees it, and it goes to this host alone: over TLS only `__Host-<name>` is set
(RFC 6265bis, 4.1.3), over plain HTTP only `<name>`.

    Set-Cookie := name "=" token "; Path=/; Max-Age=" seconds "; HttpOnly; SameSite=" word
                  ["; Secure"]
"""

from lithair.declaration import SessionsDeclaration
from lithair.gateway.credentials import cookie_name


class SessionCookie:
    """Writes one application's cookie; `is_tls` says how the request came."""

    def __init__(self, declaration: SessionsDeclaration) -> None:
        self._name = declaration.cookie_name
        self._max_age_s = max(1, declaration.max_age_ms // 1000)
        self._samesite = declaration.cookie_samesite
        self._is_secure = bool(declaration.cookie_secure)

    def given(self, token: str, *, is_tls: bool) -> str:
        """Write the Set-Cookie field that gives a token."""
        return self._written(token, self._max_age_s, is_tls)

    def cleared(self, *, is_tls: bool) -> str:
        """Write the Set-Cookie field that takes the token away."""
        return self._written("", 0, is_tls)

    def _written(self, token: str, max_age_s: int, is_tls: bool) -> str:
        # Without Secure a browser takes no __Host- cookie.
        secure = "; Secure" if is_tls or self._is_secure else ""
        return (
            f"{cookie_name(self._name, is_tls)}={token}; Path=/; Max-Age={max_age_s}; HttpOnly;"
            f" SameSite={self._samesite}{secure}"
        )

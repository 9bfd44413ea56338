"""The cookie that carries a session's token.

Law: no script sees it, no other site's path or subdomain sets it for us where that can be had: over
TLS only `__Host-<name>` is set and read (RFC 6265bis, 4.1.3), over plain HTTP only `<name>`.

    Cookie     := pair *(";" pair)         pair := name "=" value
    Set-Cookie := pair "; Path=/" "; Max-Age=" seconds "; HttpOnly" "; SameSite=" word ["; Secure"]
"""

from typing import Final

from lithair.declaration import SessionsDeclaration

HOST_PREFIX: Final = "__Host-"


class SessionCookie:
    """Reads and writes one application's cookie; `is_tls` says how the request came."""

    def __init__(self, declaration: SessionsDeclaration) -> None:
        self._names = (declaration.cookie_name, HOST_PREFIX + declaration.cookie_name)
        self._samesite = declaration.cookie_samesite
        self._is_secure = bool(declaration.cookie_secure)

    def name(self, *, is_tls: bool) -> str:
        return self._names[is_tls]

    def token(self, cookies: str, *, is_tls: bool) -> str:
        """Return the token in a Cookie header, "" without one; of two with our name, the first."""
        wanted = self._names[is_tls]
        if wanted not in cookies:
            return ""
        for pair in cookies.split(";"):
            name, _, value = pair.partition("=")
            if name.strip() == wanted:
                return value.strip().strip('"')
        return ""

    def given(self, token: str, max_age_s: int, *, is_tls: bool) -> str:
        """Write the Set-Cookie header that gives a token."""
        # Without Secure a browser takes no __Host- cookie.
        secure = "; Secure" if is_tls or self._is_secure else ""
        return (
            f"{self._names[is_tls]}={token}; Path=/; Max-Age={max_age_s}; HttpOnly;"
            f" SameSite={self._samesite}{secure}"
        )

    def cleared(self, *, is_tls: bool) -> str:
        """Write the Set-Cookie header that takes the token away."""
        return self.given("", 0, is_tls=is_tls)

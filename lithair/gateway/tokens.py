"""Bearer tokens (RFC 6750): whether a request carries the one that a page asks for.

Law: a token is compared in a time that does not depend on how much of it is right; what is refused
is told how to ask, and nothing about the token.
"""

import hmac
from typing import Final

from tornado.httputil import HTTPHeaders

from lithair.gateway.answers import Problem

SCHEME: Final = "bearer"
REALM: Final = 'Bearer realm="lithair"'


def require_token(headers: HTTPHeaders, token: str | None) -> None:
    """Let a request through that carries the token; raises `Problem` 401 (RFC 9110, 11.6.1).

    Without a token nothing gets through.
    """
    given = headers.get("Authorization")
    if given is None:
        raise Problem(401, "This needs a token: Authorization: Bearer …", _challenge(""))
    scheme, _, text = given.partition(" ")
    if scheme.lower() != SCHEME:
        raise Problem(401, "This needs a token: Authorization: Bearer …", _challenge(""))
    same = hmac.compare_digest(text.strip().encode(), (token or "").encode())
    if not same or not token:
        raise Problem(401, "The token is not the right one", _challenge(', error="invalid_token"'))


def _challenge(error: str) -> tuple[tuple[str, str], ...]:
    return (("WWW-Authenticate", REALM + error),)

"""Bearer tokens (RFC 6750): whether a request carries the one that a page asks for.

Law: a token is compared in a time that does not depend on how much of it is right; what is refused
is told how to ask, and nothing about the token.
"""

import hmac
from typing import Final

from tornado.httputil import HTTPHeaders

from lithair.gateway.answers import Fields, Problem
from lithair.gateway.credentials import bearer_token

REALM: Final = 'Bearer realm="lithair"'
INVALID: Final = ', error="invalid_token"'
NEEDS_TOKEN: Final = "This needs a token: Authorization: Bearer …"
WRONG_TOKEN: Final = "The token is not the right one"


def require_token(headers: HTTPHeaders, token: str | None) -> None:
    """Let a request through that carries the token; raises `Problem` 401 (RFC 9110, 11.6.1).

    Without a token nothing gets through.
    """
    given = bearer_token(headers.get("Authorization"))
    if given is None:
        raise Problem(401, NEEDS_TOKEN, challenge())
    same = hmac.compare_digest(given.encode(), (token or "").encode())
    if not same or not token:
        raise Problem(401, WRONG_TOKEN, challenge(INVALID))


def challenge(error: str = "") -> Fields:
    """Say how to ask, and with INVALID that what was shown is worth nothing (RFC 6750, 3)."""
    return (("WWW-Authenticate", REALM + error),)

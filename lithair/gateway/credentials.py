"""Credentials: what the head of a request says of who sends it, and from where.

Owns two pure rules: which token a request carries, and whether a page of somebody else made a
browser send it. Law: nothing here knows whether a token is good; a token in the Authorization field
wins over the cookie, also when it turns out to be worth nothing.

    token  := "Bearer" SP text      of Authorization (RFC 6750)
            | the cookie's value    when there is no such field
    cookie := "__Host-" name        over TLS: browsers take it from this very host over TLS alone
            | name                  over plain HTTP
"""

from collections.abc import Container, Iterable
from typing import Final, NamedTuple

from tornado.httputil import HTTPHeaders

SCHEME: Final = "bearer"
HOST_PREFIX: Final = "__Host-"
SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")  # they change nothing, whoever has them sent
OUR_SITES: Final = ("same-origin", "none")  # none: typed by the user, or from a bookmark
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


class Credential(NamedTuple):
    """A token, and whether a browser sent it by itself."""

    token: str
    is_cookie: bool


def cookie_name(name: str, is_tls: bool) -> str:
    """Give the full name of a cookie on this kind of connection."""
    return HOST_PREFIX + name if is_tls else name


def bearer_token(authorization: str | None) -> str | None:
    """Give the token of an Authorization field; None when it is of another scheme."""
    if authorization is None:
        return None
    scheme, _, text = authorization.partition(" ")
    return text.strip() if scheme == "Bearer" or scheme.lower() == SCHEME else None


def cookie_value(fields: Iterable[str], name: str) -> str | None:
    """Find a cookie in the Cookie fields (RFC 6265, 5.4); None when it is empty or not clear.

    A cookie that comes twice with two values is not clear: somebody else has set one of them, for
    another path or a whole domain, and which one is ours can't be told.
    """
    found: str | None = None
    for field in fields:
        for pair in field.split(";"):
            key, is_pair, text = pair.partition("=")
            if not is_pair or key.strip() != name:
                continue
            value = text.strip().strip('"')
            if found is not None and value != found:
                return None
            found = value
    return found or None


def credential_of(headers: HTTPHeaders, name: str | None, is_tls: bool) -> Credential | None:
    """Find the token that a request carries; `name` is the cookie's, None when there is none."""
    fields = headers.get_list("Authorization")
    if fields:
        token = bearer_token(fields[0] if len(fields) == 1 else ",".join(fields))
        if token is not None:
            return Credential(token, is_cookie=False)
    if name is None:
        return None
    value = cookie_value(headers.get_list("Cookie"), cookie_name(name, is_tls))
    return None if value is None else Credential(value, is_cookie=True)


def plain_token(headers: HTTPHeaders, cookie_start: str | None) -> str:
    """Give the token of a request that shows it as nearly all do, "" when more has to be looked at.

    `cookie_start` is the cookie's full name and "=", None when it does not count. What this gives
    is what `credential_of` would find, unless it is worth nothing.
    """
    fields = headers.get_list("Authorization")
    if len(fields) == 1:
        return fields[0][7:] if fields[0].startswith("Bearer ") else ""
    if fields or cookie_start is None:
        return ""
    fields = headers.get_list("Cookie")
    if len(fields) == 1 and fields[0].startswith(cookie_start) and ";" not in fields[0]:
        return fields[0][len(cookie_start) :]
    return ""


def is_cross_site(headers: HTTPHeaders, is_tls: bool, trusted_origins: Container[str]) -> bool:
    """Tell whether a page that is not ours made a browser send this.

    Browsers say so in Sec-Fetch-Site (Fetch Metadata), older ones and those on plain HTTP only in
    Origin; what says neither is no browser, and nobody has lent it a cookie.
    """
    origin = headers.get("Origin")
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in OUR_SITES and (origin is None or origin not in trusted_origins)
    return origin is not None and not _is_ours(origin, headers.get("Host"), is_tls)


def _is_ours(origin: str, host: str | None, is_tls: bool) -> bool:
    scheme = "https" if is_tls else "http"
    if not host:
        return False
    port = _DEFAULT_PORTS[scheme]
    ours = f"{scheme}://{host.strip().lower()}".removesuffix(port)
    return origin.lower().removesuffix(port) == ours

"""Which token a request carries, and which requests a page of somebody else has made."""

import pytest
from tornado.httputil import HTTPHeaders

from lithair.gateway.credentials import Credential, credential_of, is_cross_site

NAME = "session_token"
SHOP = "https://shop.example"  # named in with_cors


def headers_of(*fields: tuple[str, str]) -> HTTPHeaders:
    headers = HTTPHeaders()
    for name, value in fields:
        headers.add(name, value)
    return headers


AUTHORIZATION, COOKIE = "Authorization", "Cookie"


@pytest.mark.parametrize(
    ("fields", "plain", "tls"),
    [
        ([], None, None),
        ([(AUTHORIZATION, "Bearer abc")], "abc", "abc"),
        ([(AUTHORIZATION, "bEARER   abc")], "abc", "abc"),
        ([(COOKIE, f"{NAME}=abc")], "=abc", None),
        ([(COOKIE, f"__Host-{NAME}=abc")], None, "=abc"),
        ([(COOKIE, f"{NAME}=plain; __Host-{NAME}=tls")], "=plain", "=tls"),
        ([(COOKIE, f"a=1;{NAME}=abc;b=2")], "=abc", None),
        ([(COOKIE, "a=1"), (COOKIE, f"{NAME}=abc")], "=abc", None),
        ([(COOKIE, f'{NAME}="abc"')], "=abc", None),
        ([(COOKIE, f"{NAME}=a=b=")], "=a=b=", None),
        # The field wins over the cookie, also when it is worth nothing.
        ([(AUTHORIZATION, "Bearer abc"), (COOKIE, f"{NAME}=other")], "abc", "abc"),
        ([(AUTHORIZATION, "Bearer"), (COOKIE, f"{NAME}=other")], "", ""),
        ([(AUTHORIZATION, "Basic YTpi"), (COOKIE, f"{NAME}=abc")], "=abc", None),
        ([(AUTHORIZATION, "abc")], None, None),
        # Names are exact: neither another case, nor a part of one.
        ([(COOKIE, f"{NAME.upper()}=abc")], None, None),
        ([(COOKIE, f"x{NAME}=abc; {NAME}x=abc; __host-{NAME}=abc")], None, None),
        ([(COOKIE, NAME)], None, None),
        ([(COOKIE, f"{NAME}=")], None, None),
        # Two values: one of them was planted.
        ([(COOKIE, f"{NAME}=abc; {NAME}=abc")], "=abc", None),
        ([(COOKIE, f"{NAME}=abc; {NAME}=def")], None, None),
        ([(COOKIE, f"{NAME}=abc"), (COOKIE, f"{NAME}=def")], None, None),
        ([(COOKIE, f"__Host-{NAME}=abc; __Host-{NAME}=def")], None, None),
    ],
)
def test_the_token_is_the_bearers_else_the_cookies(
    fields: list[tuple[str, str]], plain: str | None, tls: str | None
) -> None:
    """A value with a leading = came from the cookie."""
    headers = headers_of(*fields)
    assert credential_of(headers, NAME, is_tls=False) == expected(plain)
    assert credential_of(headers, NAME, is_tls=True) == expected(tls)


def expected(value: str | None) -> Credential | None:
    if value is None:
        return None
    return Credential(value.removeprefix("=") if value[:1] == "=" else value, value[:1] == "=")


def test_without_sessions_no_cookie_is_looked_at() -> None:
    headers = headers_of((COOKIE, f"{NAME}=abc; None=abc"))
    assert credential_of(headers, None, is_tls=False) is None


US = "http://mail.example:8080"


@pytest.mark.parametrize(
    ("site", "origin", "is_refused"),
    [
        (None, None, False),
        # Sec-Fetch-Site decides alone, but for origins that with_cors names.
        ("same-origin", None, False),
        ("same-origin", US, False),
        ("same-origin", "https://evil.example", False),
        ("none", None, False),
        ("none", "null", False),
        ("same-site", None, True),
        ("same-site", US, True),
        ("cross-site", None, True),
        ("cross-site", US, True),
        ("cross-site", "null", True),
        ("cross-site", "https://evil.example", True),
        ("", None, True),
        ("Same-Origin", None, True),
        ("same-origin,none", None, True),
        ("cross-site", SHOP, False),
        ("same-site", SHOP, False),
        ("cross-site", SHOP.upper(), True),
        ("cross-site", SHOP + "/", True),
        ("cross-site", SHOP + ":443", True),
        # Without it, Origin has to be our own.
        (None, US, False),
        (None, US.upper(), False),
        (None, "http://mail.example", True),
        (None, "http://mail.example:8081", True),
        (None, "https://mail.example:8080", True),
        (None, "http://evil.mail.example:8080", True),
        (None, "http://mail.example:8080.evil.example", True),
        (None, "https://evil.example", True),
        (None, SHOP, True),
        (None, "null", True),
        (None, "", True),
    ],
)
def test_a_request_of_somebody_elses_page_is_recognised(
    site: str | None, origin: str | None, is_refused: bool
) -> None:
    headers = headers_of(("Host", "mail.example:8080"))
    if site is not None:
        headers["Sec-Fetch-Site"] = site
    if origin is not None:
        headers["Origin"] = origin
    assert is_cross_site(headers, is_tls=False, trusted_origins={SHOP}) is is_refused


@pytest.mark.parametrize(
    ("host", "origin", "is_tls", "is_refused"),
    [
        ("mail.example", "http://mail.example", False, False),
        ("mail.example:80", "http://mail.example", False, False),
        ("mail.example", "http://mail.example:80", False, False),
        ("mail.example", "https://mail.example", True, False),
        ("mail.example:443", "https://mail.example", True, False),
        ("MAIL.example", "https://mail.example", True, False),
        ("mail.example", "http://mail.example", True, True),
        ("mail.example", "https://mail.example", False, True),
        ("mail.example:80", "https://mail.example", True, True),
        ("mail.example:443", "http://mail.example", False, True),
        ("[::1]:8080", "http://[::1]:8080", False, False),
        ("[::1]", "http://[::1]", False, False),
        ("[::1]", "http://[::2]", False, True),
        ("null", "null", False, True),
        ("", "http://", False, True),
        (None, "http://mail.example", False, True),
        (None, "null", False, True),
    ],
)
def test_an_origin_is_ours_by_its_scheme_its_host_and_its_port(
    host: str | None, origin: str, is_tls: bool, is_refused: bool
) -> None:
    headers = headers_of(("Origin", origin))
    if host is not None:
        headers["Host"] = host
    assert is_cross_site(headers, is_tls, trusted_origins=()) is is_refused

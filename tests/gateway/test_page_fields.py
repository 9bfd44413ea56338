"""What answers tell browsers to refuse: pages, files, JSON, and what a route says itself."""

import pytest
from tornado.httputil import HTTPHeaders

from lithair.gateway.page_fields import add_page_fields

PAGE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "SAMEORIGIN",
    "Content-Security-Policy": "frame-ancestors 'self'",
}
FILE = {"X-Content-Type-Options": "nosniff"}


def added(**fields: str) -> dict[str, str]:
    given = {name.replace("_", "-"): value for name, value in fields.items()}
    headers = HTTPHeaders(given)
    add_page_fields(headers)
    return {name: headers[name] for name in headers if name not in given}


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("text/html", PAGE),
        ("Text/HTML; charset=UTF-8", PAGE),
        ("application/xhtml+xml", PAGE),
        ("image/svg+xml", PAGE),
        ("text/plain", FILE),
        ("text/javascript", FILE),
        ("application/octet-stream", FILE),
        ("application/json", {}),
        ("application/problem+json", {}),
    ],
)
def test_what_is_added_follows_from_the_kind_of_content(
    content_type: str, expected: dict[str, str]
) -> None:
    assert added(Content_Type=content_type) == expected


def test_an_answer_without_content_is_left_as_it_is() -> None:
    assert added() == {}


def test_a_route_s_own_words_win() -> None:
    policy = "default-src 'self'; frame-ancestors https://portal.example"
    own = added(Content_Type="text/html", Content_Security_Policy=policy)
    assert own == {name: PAGE[name] for name in PAGE if name != "Content-Security-Policy"}
    own = added(Content_Type="text/html", X_Frame_Options="DENY", Referrer_Policy="no-referrer")
    assert own == FILE

"""The most special path with the method answers, whatever the order of the calls."""

import itertools

import pytest

from lithair.gateway.route_table import EVERY_METHOD, Found, NoMethod, Place, RouteTable
from lithair.gateway.targets import TargetError

GET = frozenset({"GET", "HEAD"})
POST = frozenset({"POST"})
DELETE = frozenset({"DELETE"})
PLACES = [
    Place("/a/me", GET, "me"),
    Place("/a/{id}", GET, "any"),
    Place("/a/{key}", DELETE, "delete"),
    Place("/{x}/{y}", POST, "general"),
    Place("/pages/{name}", EVERY_METHOD, "pages"),
    Place("/s/", GET, "slash"),
    Place("/", GET, "root"),
]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/a/me", Found("me", {}, "/a/me")),
        ("HEAD", "/a/me", Found("me", {}, "/a/me")),
        ("GET", "/a/5", Found("any", {"id": "5"}, "/a/{id}")),
        ("GET", "/a/5%2F6%20%C3%BC", Found("any", {"id": "5/6 ü"}, "/a/{id}")),
        ("DELETE", "/a/me", Found("delete", {"key": "me"}, "/a/{key}")),
        ("POST", "/a/me", Found("general", {"x": "a", "y": "me"}, "/{x}/{y}")),
        ("PATCH", "/a/me", NoMethod(frozenset({"GET", "HEAD", "DELETE", "POST"}))),
        ("PATCH", "/pages/x", Found("pages", {"name": "x"}, "/pages/{name}")),
        ("GET", "/s/", Found("slash", {}, "/s/")),
        ("GET", "/s", None),
        ("GET", "/", Found("root", {}, "/")),
        ("GET", "/a/", None),
        ("GET", "/a//", None),
        ("GET", "/a/me/x", None),
        ("GET", "", None),
    ],
)
def test_the_most_special_path_with_the_method_answers(
    method: str, path: str, expected: object
) -> None:
    assert RouteTable(PLACES).find(method, path) == expected


def test_the_order_of_the_calls_does_not_matter() -> None:
    for places in itertools.permutations(PLACES[:4]):
        table = RouteTable(places)
        assert table.find("GET", "/a/me") == Found("me", {}, "/a/me")
        assert table.find("POST", "/a/me") == Found("general", {"x": "a", "y": "me"}, "/{x}/{y}")


def test_a_path_that_can_not_be_decoded_is_an_error() -> None:
    with pytest.raises(TargetError):
        RouteTable(PLACES).find("GET", "/a/%zz")

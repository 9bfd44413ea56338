"""Targets are decoded strictly: one meaning, or a refusal."""

import pytest

from lithair.gateway.targets import (
    TargetError,
    decode_path,
    decode_query,
    decode_segment,
    split_target,
)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/api/emails", ("/api/emails", "")),
        ("/api/emails?a=1?b", ("/api/emails", "a=1?b")),
        ("http://example.org/api?x", ("/api", "x")),
        ("HTTPS://example.org:8443", ("/", "")),
        ("http://example.org?x=1", ("/", "x=1")),
        ("//double", ("//double", "")),
    ],
)
def test_a_target_is_split_into_path_and_query(target: str, expected: tuple[str, str]) -> None:
    assert split_target(target) == expected


@pytest.mark.parametrize("target", ["*", "api", "ftp://x/y", "/a#b", "/a?b#c", "example.org:443"])
def test_a_target_of_another_form_is_refused(target: str) -> None:
    with pytest.raises(TargetError):
        split_target(target)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/%65mails", "/api/emails"),
        ("/a/gr%C3%BC%C3%9Fe", "/a/grüße"),
        ("/a/grÃ¼Ã\x9fe", "/a/grüße"),  # raw UTF-8, as latin-1 text
        ("/a/b+c", "/a/b+c"),
        ("/a/b%2Fc", None),
        ("/a/b%2fc", None),
        ("/%25", "/%"),
    ],
)
def test_a_path_is_percent_decoded(path: str, expected: str | None) -> None:
    assert decode_path(path) == expected


@pytest.mark.parametrize("path", ["/%", "/%4", "/%zz", "/%ff", "/%2f%zz", "/\xff"])
def test_a_path_that_is_not_decodable_is_refused(path: str) -> None:
    with pytest.raises(TargetError):
        decode_path(path)


def test_a_segment_may_hold_an_encoded_slash() -> None:
    assert decode_segment("a%2Fb") == "a/b"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", []),
        ("a=1&b=2", [("a", "1"), ("b", "2")]),
        ("a=1&a=2", [("a", "1"), ("a", "2")]),
        ("price=>10", [("price", ">10")]),
        ("price===x", [("price", "==x")]),
        ("price=%3E%3D10", [("price", ">=10")]),
        ("a+b=c+d%2B", [("a b", "c d+")]),
        ("a", [("a", "")]),
        ("=x", [("", "x")]),
        ("&&a=1&", [("a", "1")]),
        ("n=%C3%BC", [("n", "ü")]),
    ],
)
def test_a_query_becomes_pairs(query: str, expected: list[tuple[str, str]]) -> None:
    assert decode_query(query) == expected


@pytest.mark.parametrize("query", ["a=%", "a=%f", "a=%ff", "%gg=1", "a=\xff"])
def test_a_query_that_is_not_decodable_is_refused(query: str) -> None:
    with pytest.raises(TargetError):
        decode_query(query)

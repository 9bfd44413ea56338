"""Preconditions are read to the letter: what can't be read is refused, never ignored."""

import pytest

from lithair.gateway.preconditions import (
    PreconditionError,
    check_idempotency_key,
    idempotency_hashes,
    is_unchanged,
    parse_if_match,
    parse_write_if_none_match,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("*", True),
        (" * ", True),
        ('"5"', (5,)),
        ('"5", "7"', (5, 7)),
        ('"5","7"', (5, 7)),
        ('W/"5"', ()),
        ('W/"5", "6"', (6,)),
        ('"abc"', ()),
        ('""', ()),
        ('"05"', ()),
        ('"a,b", "6"', (6,)),
        ('"' + "9" * 30 + '"', ()),
    ],
)
def test_if_match_gives_the_seqs_it_names(value: str | None, expected: object) -> None:
    assert parse_if_match(value) == expected


@pytest.mark.parametrize("value", ["", "5", '"5', '"5" "6"', '"5",*', "*,", 'w/"5"', ","])
def test_if_match_that_can_not_be_read_is_refused(value: str) -> None:
    with pytest.raises(PreconditionError):
        parse_if_match(value)


def test_if_none_match_compares_weakly() -> None:
    assert is_unchanged('"5"', 5)
    assert is_unchanged('W/"5"', 5)
    assert is_unchanged("*", 5)
    assert is_unchanged('"4", "5"', 5)
    assert not is_unchanged('"4"', 5)


def test_if_none_match_on_a_write_is_a_star_or_refused() -> None:
    assert not parse_write_if_none_match(None)
    assert parse_write_if_none_match("*")
    with pytest.raises(PreconditionError):
        parse_write_if_none_match('"5"')


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "a\x7f", "a\x80"])
def test_an_unusable_idempotency_key_is_refused(key: str) -> None:
    with pytest.raises(PreconditionError):
        check_idempotency_key(key)


def test_idempotency_hashes_tell_keys_and_bodies_apart() -> None:
    first = idempotency_hashes("k", "POST", "/a", b"body")
    assert len(first) == 32
    assert first == idempotency_hashes("k", "POST", "/a", b"body")
    assert idempotency_hashes(None, "POST", "/a", b"body") == b""
    other_body = idempotency_hashes("k", "POST", "/a", b"other")
    assert other_body[:16] == first[:16]
    assert other_body[16:] != first[16:]
    others = [
        idempotency_hashes("k2", "POST", "/a", b"body"),
        idempotency_hashes("k", "PUT", "/a", b"body"),
        idempotency_hashes("k", "POST", "/b", b"body"),
        idempotency_hashes("k", "POST", "/a", b"body", principal="ada"),
        idempotency_hashes("ak", "POST", "/", b"body"),
    ]
    assert len({first[:16], *(other[:16] for other in others)}) == 6

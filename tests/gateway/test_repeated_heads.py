"""Fields that come again on a connection are read as they were the first time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lithair.gateway.http_head import HeadError, HeadReader
from lithair.gateway.limits import declared_length


def head(*lines: str, line: str = "POST /a HTTP/1.1") -> bytes:
    return "\r\n".join((line, "Host: x", *lines, "Accept: */*", "", "")).encode()


FIRST = head("Content-Length: 5")


@pytest.mark.parametrize(
    ("more", "length"),
    [
        (head("Content-Length: 5", line="PUT /b HTTP/1.1"), 5),
        (head("Content-Length: 12345"), 12345),
        (head("Content-Length: 0"), 0),
        (head("Content-Length: 007"), 7),
        (head("Content-Length: 5 "), 5),
        (head("content-length: 6"), 6),
        (head(line="GET /a HTTP/1.1"), 0),
        (head("Content-Length: 5", "X: y"), 5),
        (head("Content-Length: 5", line="POST /a HTTP/1.0"), 5),
    ],
)
def test_fields_that_come_again_are_read_as_the_first_time(more: bytes, length: int) -> None:
    reader = HeadReader()
    assert reader.take(FIRST) is not None
    again, fresh = reader.take(more + b"rest"), HeadReader().take(more + b"rest")
    assert again is not None
    assert fresh is not None
    assert again[1] == fresh[1] == b"rest"
    assert again[0].length == fresh[0].length == length
    assert again[0][:3] == fresh[0][:3]
    assert again[0].keeps_alive == fresh[0].keeps_alive
    block = again[0].block
    fields = again[0].fields if block is None else block.fields_with(length)
    assert declared_length(fields) == declared_length(fresh[0].fields) == length
    for each in (fields, fresh[0].fields):
        each.pop("Content-Length", None)
    assert list(fields.get_all()) == list(fresh[0].fields.get_all())


@given(st.lists(st.integers(0, 12) | st.integers(0, 10**17), min_size=2))
def test_each_body_s_length_is_its_own_whatever_came_before(lengths: list[int]) -> None:
    reader = HeadReader()
    for length in lengths:
        taken = reader.take(head(f"Content-Length: {length}") + b"rest")
        assert taken is not None
        assert (taken[0].length, taken[1]) == (length, b"rest")


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: -5",),
        ("Content-Length: 5,5",),
        ("Content-Length: ",),
        ("Content-Length: 0x5",),
        ("Content-Length: 1234567890123456789",),
        ("Content-Length: 5\nX: y",),
        ("Content-Length: 5", "Content-Length: 5"),
    ],
)
def test_a_length_that_is_none_is_refused_all_the_same(lines: tuple[str, ...]) -> None:
    reader = HeadReader()
    assert reader.take(FIRST) is not None
    with pytest.raises(HeadError):
        reader.take(head(*lines))


def test_fields_are_the_reader_s_own_whatever_becomes_of_them() -> None:
    reader = HeadReader()
    first = reader.take(FIRST)
    assert first is not None
    first[0].fields["Host"] = "changed"
    again = reader.take(FIRST)
    assert again is not None
    assert again[0].block is not None
    again[0].block.fields_with(5)["Host"] = "changed, too"
    assert again[0].fields.get("Host") == "x"


READ = head(line="GET /a/1 HTTP/1.1")
WRITE = head("Content-Type: application/json", "Content-Length: 5")
OTHER = head("X: y", line="GET /a/1 HTTP/1.1")


def test_two_kinds_of_fields_are_remembered() -> None:
    """A client's reads and its writes by turns; a third kind takes the place of the older one."""
    reader = HeadReader()
    for data in (READ, WRITE):
        taken = reader.take(data)
        assert taken is not None
        assert taken[0].block is None
    for data in (READ, READ, WRITE, READ, WRITE, WRITE):
        taken = reader.take(data + b"12345")
        assert taken is not None
        block = taken[0].block
        assert block is not None
        assert ("Content-Type" in block.fields) == (data is WRITE)
        assert taken[0].length == (5 if data is WRITE else 0)
        assert taken[1] == b"12345"
    was_new: list[bool] = []
    for data in (READ, OTHER, READ, OTHER, WRITE, OTHER, READ):
        taken = reader.take(data)
        assert taken is not None
        was_new.append(taken[0].block is None)
    assert was_new == [False, True, False, False, True, False, True]


@pytest.mark.parametrize(
    "line",
    [
        b"GET  /a/1 HTTP/1.1",
        b"GET /a/\x01 HTTP/1.1",
        b"GET /a/1\nX: y HTTP/1.1",
        b"GET /a/1 HTTP/1.2",
        b"G\xffT /a/1 HTTP/1.1",
        b"GET HTTP/1.1",
        b" HTTP/1.1",
    ],
)
def test_a_line_that_is_none_is_refused_before_fields_that_came_before(line: bytes) -> None:
    reader = HeadReader()
    assert reader.take(READ) is not None
    with pytest.raises(HeadError):
        reader.take(line + READ[READ.index(b"\r\n") :])

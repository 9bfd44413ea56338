"""Fields that come again on a connection are read as they were the first time."""

import pytest

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

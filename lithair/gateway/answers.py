"""Answers: status lines, header fields and problem bodies, as every route sends them.

Owns the shape of an answer. Law: an answer has one way out, `send`, and an error is always an
`application/problem+json` object that names nothing of our insides.
"""

import time
from email.utils import formatdate
from typing import Final, NamedTuple

from tornado.httputil import HTTPConnection, HTTPHeaders, ResponseStartLine

from lithair.core.problem import problem_body, title_of
from lithair.gateway.fields import UsualFields
from lithair.gateway.request_ids import REQUEST_ID, new_request_id

JSON: Final = "application/json"
PROBLEM_JSON: Final = "application/problem+json"
RETRY_AFTER_S: Final = 1  # an overloaded or restarting model is back soon
RETRY_AFTER_FAILED_S: Final = 60  # a failed model is tried again this often
RETRY_SOON: Final = (("Retry-After", str(RETRY_AFTER_S)),)
WITHOUT_BODY: Final = (204, 304)

Fields = tuple[tuple[str, str], ...]


class Prepared(NamedTuple):
    """An answer that is known before the request's body was read."""

    status: int
    fields: Fields
    body: bytes


class Problem(Exception):
    """An answer that is an error; raised wherever a request turns out not to be answerable."""

    def __init__(self, status: int, sentence: str, fields: Fields = ()) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.fields = fields

    def prepared(self) -> Prepared:
        """Make the answer."""
        return Prepared(
            self.status,
            (("Content-Type", PROBLEM_JSON), ("Cache-Control", "no-store"), *self.fields),
            problem_body(self.status, self.sentence),
        )


START_LINES: Final = {
    status: ResponseStartLine("HTTP/1.1", status, title_of(status)) for status in range(200, 600)
}


class Clock:
    """The text of the Date field, formatted once a second."""

    __slots__ = ("_bytes", "_second", "_text")

    def __init__(self) -> None:
        self._second = 0
        self._text = ""
        self._bytes = b""

    def date(self) -> str:
        """Give the present time in the form of RFC 9110."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._text = formatdate(second, usegmt=True)
            self._bytes = self._text.encode()
        return self._text

    def date_bytes(self) -> bytes:
        """Give the same as bytes."""
        self.date()
        return self._bytes


CLOCK: Final = Clock()


def send(
    connection: HTTPConnection, status: int, headers: HTTPHeaders, body: bytes, is_head: bool
) -> None:
    """Write the head and the body of an answer; finishing the request stays with the caller."""
    if status not in WITHOUT_BODY:
        headers["Content-Length"] = str(len(body))
    elif body:
        body = b""
    headers["Date"] = CLOCK.date()
    _ = connection.write_headers(START_LINES[status], headers, None if is_head else body)


def begin(connection: HTTPConnection, headers: HTTPHeaders) -> None:
    """Write the head of an answer that goes on; the end of it is the connection's."""
    headers["Connection"] = "close"
    headers["Date"] = CLOCK.date()
    _ = connection.write_headers(START_LINES[200], headers)


def headers_of(*groups: Fields) -> UsualFields:
    """Gather header fields; a field that comes twice stays twice."""
    headers = UsualFields()
    for fields in groups:
        for name, value in fields:
            headers.add(name, value)
    return headers


def raw_answer(prepared: Prepared) -> bytes:
    """Write a whole answer out as bytes, for a connection that is closed behind it."""
    fields = (
        *prepared.fields,
        (REQUEST_ID, new_request_id()),  # what was sent can't be read, so it has none
        ("Content-Length", str(len(prepared.body))),
        ("Date", CLOCK.date()),
        ("Connection", "close"),
    )
    head = f"HTTP/1.1 {prepared.status} {title_of(prepared.status)}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in fields)
    return (head + "\r\n").encode("latin-1") + prepared.body

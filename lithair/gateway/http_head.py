"""The head of a request, from bytes to Tornado's words, and how its body is framed.

Owns what is taken for HTTP and what is refused. llhttp (through httptools) reads the fields. The
request line is read here, because llhttp knows a fixed list of methods and no UTF-8 in a target;
and what it lets pass that two readers could understand in two ways, is refused here:

    head    := [CRLF] method SP target SP ("HTTP/1.0" | "HTTP/1.1") CRLF (field CRLF)* CRLF
    method  := 1 to 24 tchar (RFC 9110, 5.6.2)
    target  := (visible ASCII | byte from 128 on)+
    framing := no body | one Content-Length of digits | Transfer-Encoding: chunked in HTTP/1.1

Law: a head is read exactly up to its empty line. What is not certainly one request is refused, and
its connection is closed: the bytes behind it mean nothing any more. Fields that came before, byte
for byte but for the digits of the Content-Length, mean what they meant then: while its connection
is open, the last two kinds are remembered (a client's reads and its writes), so it pays for reading
them once.
"""

import re
from typing import Final, NamedTuple

import httptools
from tornado.httputil import RequestStartLine

from lithair.gateway.answers import Problem
from lithair.gateway.fields import UsualFields, usual
from lithair.gateway.limits import HEAD_BYTES_MAX, HEAD_FIELDS_MAX

HEAD_BYTES_READ_MAX: Final = 128 << 10  # up to here it is read to its end, so the next one counts
CHUNKED: Final = -1  # the length of a body whose chunks say where it ends
LENGTH_DIGITS_MAX: Final = 18
REPEATED_BYTES_MAX: Final = 2 << 10  # of fields that are remembered; a browser's take about half

_END: Final = b"\r\n\r\n"
_DIGITS: Final = re.compile(rf"[0-9]{{1,{LENGTH_DIGITS_MAX}}}")
_LENGTH_DIGITS: Final = re.compile(rb"(?:\A|\r\n)content-length:[ \t]*([0-9]+)", re.IGNORECASE)
_METHOD: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,24}"
_REQUEST_LINE: Final = re.compile(rb"(%b) ([!-~\x80-\xff]+) (HTTP/1\.[01])\r\n" % _METHOD)
_TARGET_BEGUN: Final = re.compile(rb"%b [!-~\x80-\xff]+" % _METHOD)
_MORE_TARGET: Final = re.compile(rb"[!-~\x80-\xff]+")
_BEGUN_LINE: Final = re.compile(rb"%b( ([!-~\x80-\xff]+( [HTP/1.]{0,7}[01]?\r?)?)?)?" % _METHOD)
_LINE_END: Final = b"\r\n"
_ANY_LINE: Final = b"GET / HTTP/1.1\r\n"  # for llhttp, in place of the one that was read here
_KEPT_ALIVE_1_0: Final = ("GET", "HEAD")
_PROXY_CONNECTION: Final = "Proxy-Connection"  # means nothing here, but to llhttp it does
_LENGTH: Final = "Content-Length"
_ENCODING: Final = "Transfer-Encoding"
_HTTP_1_1: Final = b"HTTP/1.1"
_CONNECT: Final = "CONNECT"


class HeadError(Exception):
    """What came is no request; its connection can't go on."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.sentence)
        self.problem = problem


def _read_fields(fields: list[tuple[bytes, bytes]]) -> UsualFields:
    held: dict[str, list[str]] = {}
    for name, value in fields:  # llhttp leaves the blanks behind a value to us
        spelled, text = usual(name.decode("latin-1")), value.decode("latin-1").rstrip(" \t")
        if spelled in held:
            held[spelled].append(text)
        else:
            held[spelled] = [text]
    return UsualFields(held)


class FieldBlock:
    """The fields of a head and their empty line, as they came last, and what they mean."""

    __slots__ = (
        "_after", "_before", "_last", "fields", "keeps_alive", "length", "said",
    )  # fmt: skip

    def __init__(self, data: bytes, fields: UsualFields, length: int, keeps_alive: bool) -> None:
        found = _LENGTH_DIGITS.search(data) if length >= 0 and _LENGTH in fields else None
        self._before = data if found is None else data[: found.start(1)]
        self._after = None if found is None else data[found.end(1) :]
        self._last = data
        self.fields = fields
        self.length = length  # of the last one's body
        self.keeps_alive = keeps_alive
        self.said: object = None  # what the gateway makes of them; None until it has looked

    def fields_with(self, length: int) -> UsualFields:
        """Give the fields for somebody to keep and to change."""
        fields = self.fields.copied()
        if self._after is not None:
            fields[_LENGTH] = str(length)
        return fields

    def repeated(self, data: bytes, start: int) -> "Again | None":
        """Say what a request is whose fields, from `start` on, are these again."""
        if data.startswith(self._last, start) or self._has_another_length(data, start):
            return self, start, self.length, start + len(self._last)
        return None

    def _has_another_length(self, data: bytes, start: int) -> bool:
        """Take note of the length of the body, where that alone is another one."""
        if self._after is None or not data.startswith(self._before, start):
            return False
        place = start + len(self._before)
        end = data.find(b"\r", place, place + LENGTH_DIGITS_MAX + 1)
        digits = data[place:end] if end > 0 else b""
        if not digits.isdigit() or not data.startswith(self._after, end):
            return False
        self._last, self.length = self._before + digits + self._after, int(digits)
        return True


# The fields of a request that came before: what they are, where they begin (behind the first line),
# how long the body is, and where that begins.
Again = tuple[FieldBlock, int, int, int]


class Head(NamedTuple):
    """A request up to its body, which is `length` bytes, or CHUNKED; 0 for none."""

    method: str
    target: str
    version: str
    fields: UsualFields
    length: int
    keeps_alive: bool
    problem: Problem | None = None  # what it is refused for; its body can be told all the same
    block: FieldBlock | None = None  # of fields that came before

    @property
    def start_line(self) -> RequestStartLine:
        """Give its first line in Tornado's words."""
        return RequestStartLine(self.method, self.target, self.version)

    @property
    def expects_100(self) -> bool:
        """Tell whether its sender waits for a word before he sends the body."""
        expected = self.fields.get("Expect")
        if expected is None or not self.length or self.version != "HTTP/1.1":
            return False
        return expected.lower() == "100-continue"


class HeadReader:
    """Reads the heads of one connection, in whatever pieces they come."""

    __slots__ = (
        "_block", "_fed", "_fields", "_has_skipped", "_held", "_in_target", "_is_complete",
        "_line", "_other", "_parser",
    )  # fmt: skip

    def __init__(self) -> None:
        self._parser: httptools.HttpRequestParser | None = None
        self._held = b""  # of an incomplete head
        self._in_target = False  # what is held ends with a part of the target
        self._line: re.Match[bytes] | None = None  # its request line, once that is there
        self._fed = 0  # bytes of it that the parser has had, or something in their place
        self._fields: list[tuple[bytes, bytes]] = []
        self._is_complete = False
        self._has_skipped = False  # an empty line in front of this head
        self._block: FieldBlock | None = None  # of the request before
        self._other: FieldBlock | None = None  # of the last one whose fields were others

    @property
    def has_begun(self) -> bool:
        """Tell whether part of a head is there."""
        return self._held != b""

    def take(self, data: bytes) -> tuple[Head, bytes] | None:
        """Take bytes in; gives the head once it is complete, and what follows it.

        Raises HeadError.
        """
        again = self.again(data)
        if again is not None:
            line = _REQUEST_LINE.match(data)
            head = None if line is None else _repeated(line, again)
            if head is not None:
                return head, data[again[3] :]
        held = self._held + data if self._held else data
        line = self._line
        if line is None:
            if held[:2] == b"\r\n" and not self._has_skipped:
                self._has_skipped = True  # an empty line, which RFC 9112 (2.2) tolerates
                held = held[2:]
            # A target that comes byte by byte is not read anew with each byte.
            is_target = self._in_target and _MORE_TARGET.fullmatch(data) is not None
            self._line = line = None if is_target else _REQUEST_LINE.match(held)
            if line is None:
                self._hold_line(held, is_target)
                return None
        end = held.find(_END, max(line.end() - 2, len(self._held) - len(_END)))
        if end < 0:
            if len(held) > HEAD_BYTES_READ_MAX:
                raise HeadError(_too_long(len(line[2])))
            self._held = held
            self._feed(held, len(held))
            if self._is_complete:
                raise HeadError(_malformed())
            return None
        end += len(_END)
        self._feed(held, end)
        head = self._head(line, held, end)
        self._held, self._fed, self._line = b"", 0, None
        self._has_skipped = self._in_target = False
        return head, held[end:]

    def again(self, data: bytes) -> Again | None:
        """Tell where fields stand that came before; the line in front of them may be anything."""
        block = self._block
        if block is None or self._held:
            return None
        end = data.find(_LINE_END, 0, REPEATED_BYTES_MAX)
        if end <= 0:
            return None
        found = block.repeated(data, end + 2)
        if found is None:
            other = self._other
            found = None if other is None else other.repeated(data, end + 2)
            if found is None:
                return None
            self._block, self._other = other, block
        self._has_skipped = False
        return found

    def close(self) -> None:
        """Let go of the parser, which holds this reader."""
        self._parser = None

    def _hold_line(self, held: bytes, is_target: bool) -> None:
        """Keep the beginning of a request line, if it is one."""
        if not is_target:
            if held not in (b"", b"\r") and not _BEGUN_LINE.fullmatch(held):
                raise HeadError(_malformed())
            self._in_target = _TARGET_BEGUN.fullmatch(held) is not None
        if len(held) > HEAD_BYTES_READ_MAX:
            raise HeadError(_too_long(len(held)))
        self._held = held

    def _feed(self, held: bytes, end: int) -> None:
        parser = self._parser
        if parser is None:
            parser = self._parser = httptools.HttpRequestParser(self)
        if self._fed:
            piece = held[self._fed : end]
        else:
            assert self._line is not None
            piece = _ANY_LINE + held[self._line.end() : end]
        self._fed = end
        try:
            parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            self._parser = None  # nothing is upgraded: a request like any other
        except httptools.HttpParserError:
            raise HeadError(_malformed()) from None

    def _head(self, line: "re.Match[bytes]", held: bytes, end: int) -> Head:
        if not self._is_complete:
            raise HeadError(_malformed())
        fields = _read_fields(self._fields)
        method, target, version = line[1].decode("ascii"), line[2].decode("latin-1"), line[3]
        length = _body_length(fields, version)
        keeps_alive = _keeps_alive(method, version, fields, length)
        problem: Problem | None = None
        if len(self._fields) > HEAD_FIELDS_MAX:
            problem = Problem(431, f"The request has more than {HEAD_FIELDS_MAX} header fields")
        elif end > HEAD_BYTES_MAX:
            problem = _too_long(len(target))
        if length or not keeps_alive or _PROXY_CONNECTION in fields:
            self._parser = None  # it waits for a body, or for nothing more
        self._fields, self._is_complete = [], False
        if problem is None and version == _HTTP_1_1 and method != _CONNECT:
            data = held[line.end() : end]
            if len(data) <= REPEATED_BYTES_MAX:
                self._other = self._block
                self._block = FieldBlock(data, fields.copied(), length, keeps_alive)
        return Head(method, target, version.decode("ascii"), fields, length, keeps_alive, problem)

    # The parser's side.

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field."""
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """Take note that the head has ended."""
        self._is_complete = True


def _repeated(line: "re.Match[bytes]", again: Again) -> Head | None:
    """Give a head whose fields came before, where they mean the same with this first line."""
    method, target, version = line[1], line[2], line[3]
    if version != _HTTP_1_1 or method == b"CONNECT":
        return None
    block, _, length, _ = again
    return Head(
        method.decode("ascii"),
        target.decode("latin-1"),
        "HTTP/1.1",
        block.fields,
        length,
        block.keeps_alive,
        None,
        block,
    )


def _malformed() -> Problem:
    return Problem(400, "This is no HTTP/1.1 request")


def _too_long(target_size: int) -> Problem:
    if target_size > HEAD_BYTES_MAX // 2:
        return Problem(414, "The request's path and query string are too long")
    return Problem(431, f"The request's head is over {HEAD_BYTES_MAX} bytes")


def _body_length(fields: UsualFields, version: bytes) -> int:
    """Tell how the body is framed (RFC 9112, 6); raises HeadError for whatever is ambiguous."""
    lengths, encodings = fields.get_list(_LENGTH), fields.get_list(_ENCODING)
    if not lengths and not encodings:
        return 0
    if lengths and encodings:
        raise HeadError(Problem(400, f"The request has both {_LENGTH} and {_ENCODING}"))
    if encodings:
        if len(encodings) != 1 or encodings[0].lower() != "chunked" or version != _HTTP_1_1:
            raise HeadError(Problem(400, f"The only {_ENCODING} is chunked, in HTTP/1.1"))
        return CHUNKED
    if len(lengths) != 1 or not _DIGITS.fullmatch(lengths[0]):
        raise HeadError(Problem(400, f"The {_LENGTH} is not one whole number"))
    return int(lengths[0])


def _keeps_alive(method: str, version: bytes, fields: UsualFields, length: int) -> bool:
    wanted = fields.get("Connection")
    if method == _CONNECT:  # what follows is for somebody else
        return False
    if version == _HTTP_1_1:
        return wanted is None or "close" not in _tokens(wanted)
    is_framed = length != 0 or method in _KEPT_ALIVE_1_0 or _LENGTH in fields
    return is_framed and wanted is not None and "keep-alive" in _tokens(wanted)


def _tokens(text: str) -> list[str]:
    return [token.strip().lower() for token in text.split(",")]

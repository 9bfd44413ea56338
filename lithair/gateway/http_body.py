"""Bodies of requests, taken out of what comes, in whatever pieces that is.

    fixed   := as many bytes as the head has announced
    chunked := (size extensions? CRLF data CRLF)* "0" extensions? CRLF trailers CRLF   RFC 9112
    size    := 1 to 8 hex digits; a body of ours is far shorter than 4 GiB

Law: nothing but exactly this; what follows a body is given back untouched. Extensions and trailers
are looked at for their form, bounded, and dropped: nothing of ours is named after them.
"""

import re
from typing import Final, Protocol

LINE_BYTES_MAX: Final = 256  # of a size with its extensions
TRAILERS_BYTES_MAX: Final = 8 << 10
FRAMING: Final = (b"transfer-encoding", b"content-length", b"host")  # RFC 9110, 6.5.1

_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})(;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*")
_CRLF: Final = b"\r\n"


class ChunkError(Exception):
    """What came is no chunked body."""


class Body(Protocol):
    """What is left of a body."""

    @property
    def is_complete(self) -> bool:
        """Tell whether all of it was taken."""
        ...

    def take(self, data: bytes) -> tuple[list[bytes], bytes]:
        """Take bytes in; gives the pieces of data in them, and what follows a complete body."""
        ...


class FixedBody:
    """A body whose length is known; a request without one has 0 bytes."""

    __slots__ = ("_left",)

    def __init__(self, length: int) -> None:
        self._left = length

    @property
    def is_complete(self) -> bool:
        return self._left == 0

    def take(self, data: bytes) -> tuple[list[bytes], bytes]:
        if len(data) <= self._left:
            self._left -= len(data)
            return [data] if data else [], b""
        piece, rest = data[: self._left], data[self._left :]
        self._left = 0
        return [piece] if piece else [], rest


class ChunkedBody:
    """One body; `take` gives its data, and tells when it is complete."""

    __slots__ = ("_held", "_in_trailers", "_left", "_trailers", "is_complete")

    def __init__(self) -> None:
        self._held = b""  # of an incomplete line
        self._left = 0  # bytes of the present chunk that are to come, its CRLF not counted
        self._in_trailers = False
        self._trailers = 0  # bytes of them
        self.is_complete = False

    def take(self, data: bytes) -> tuple[list[bytes], bytes]:
        """Take bytes in; gives the pieces of data in them, and what follows a complete body.

        Raises ChunkError.
        """
        if self._held:
            data = self._held + data
        pieces: list[bytes] = []
        place = 0
        while not self.is_complete:
            if self._left > 0:
                piece = data[place : place + self._left]
                if not piece:
                    break
                pieces.append(piece)
                place += len(piece)
                self._left -= len(piece)
                if self._left:
                    break
                self._left = -1  # its CRLF is due
            if self._left < 0:
                if len(data) - place < len(_CRLF):
                    _check_beginning(data[place:])
                    break
                if data[place : place + 2] != _CRLF:
                    raise ChunkError("a chunk is longer than it says")
                place += 2
                self._left = 0
            end = data.find(_CRLF, place)
            if end < 0:
                self._check_incomplete(data, place)
                break
            self._take_line(data[place:end])
            place = end + 2
        self._held = b"" if self.is_complete else data[place:]
        return pieces, data[place:] if self.is_complete else b""

    def _check_incomplete(self, data: bytes, place: int) -> None:
        rest = len(data) - place
        most = TRAILERS_BYTES_MAX - self._trailers if self._in_trailers else LINE_BYTES_MAX
        is_broken = b"\n" in data[place:] or b"\r" in data[place:-1]
        if rest > most or is_broken:
            raise ChunkError("a line between chunks does not end")

    def _take_line(self, line: bytes) -> None:
        if self._in_trailers:
            self._trailers += len(line) + 2
            if self._trailers > TRAILERS_BYTES_MAX:
                raise ChunkError("the trailers are too long")
            if line and not _TRAILER.fullmatch(line):
                raise ChunkError("a trailer is no field")
            if line.partition(b":")[0].lower() in FRAMING:
                raise ChunkError("a trailer says how the request is framed")
            self.is_complete = not line
            return
        found = _SIZE_LINE.fullmatch(line) if len(line) <= LINE_BYTES_MAX else None
        if found is None:
            raise ChunkError("a chunk does not begin with its size")
        self._left = int(found[1], 16)
        self._in_trailers = self._left == 0


def _check_beginning(part: bytes) -> None:
    if part and part != b"\r":
        raise ChunkError("a chunk is longer than it says")

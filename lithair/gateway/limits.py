"""Limits on requests: what a head, a body and a slow sender may take.

Law: each bound is here by name; a transport enforces those on the head and on time, an exchange
those on the body.
"""

import re
from typing import Final

import msgspec
from tornado.httputil import HTTPHeaders, HTTPInputError

from lithair.gateway.answers import Prepared, Problem
from lithair.gateway.targets import TargetError

HEAD_BYTES_MAX: Final = 64 << 10
HEAD_FIELDS_MAX: Final = 100
# Bodies that are being received, all together: what one bulk write may have, twenty times over.
HELD_BYTES_MAX: Final = 256 << 20
# Of a stream's socket; the system doubles it. More would only hide how far behind a reader is.
STREAM_BUFFER_BYTES: Final = 128 << 10
# A peer that takes nothing of its answer for so long is gone.
SENDING_STALLED_MAX_MS: Final = 60_000
BODY_BYTES_PER_S_MIN: Final = 1024  # slower than this for a while is an attack or a ruin
_CLOSE: Final = (("Connection", "close"),)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~!$&'()*+;=%]*)(:[0-9]*)?")


class Patience(msgspec.Struct, frozen=True):
    """How long a peer is waited for."""

    head_s: float = 10.0  # a head fits into a few packets; who needs longer only holds a place
    body_s: float = 10.0  # a body may stall this long; over each such time its speed is looked at
    half_s: float = 5.0  # for an answer to who sends no more: mostly he is gone altogether
    idle_s: float = 75.0  # what browsers and proxies expect of keep-alive
    sweep_s: float = 1.0  # how exactly the times above are kept


PATIENCE: Final = Patience()


class BodyLimits(msgspec.Struct, frozen=True):
    """The most bytes of a body: of a bulk request, of any other, of all that are being received."""

    single: int
    bulk: int
    held: int = HELD_BYTES_MAX


def declared_length(headers: HTTPHeaders) -> int:
    """Give the Content-Length, 0 when there is none; the transport refuses a malformed one."""
    text = headers.get("Content-Length")
    return int(text) if text is not None and text.isascii() and text.isdecimal() else 0


def check_head(version: str, headers: HTTPHeaders) -> None:
    """Refuse what is ambiguous (RFC 9112, 3.2 and 6.1).

    That is a missing, second or unreadable Host, which HTTP/1.0 may leave out, and a chunked body
    in HTTP/1.0, which knows none. Who was meant to get what follows is as unclear, so nothing does.
    """
    hosts = headers.get_list("Host")
    if len(hosts) == 1:
        if _HOST.fullmatch(hosts[0]) is None:
            raise Problem(400, "The Host field can't be read", _CLOSE)
    elif hosts or version != "HTTP/1.0":
        raise Problem(400, "The request must have one Host field", _CLOSE)
    if version == "HTTP/1.0" and "Transfer-Encoding" in headers:
        raise Problem(400, "HTTP/1.0 knows no Transfer-Encoding", _CLOSE)


def refusal_of(error: Problem | TargetError | HTTPInputError) -> Prepared:
    """Make the answer to a head that can't be taken."""
    if isinstance(error, Problem):
        return error.prepared()
    sentence = str(error) if isinstance(error, TargetError) else "The request's head is malformed"
    return Problem(400, sentence).prepared()

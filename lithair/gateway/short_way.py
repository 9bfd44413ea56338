"""The short way: from the head of an ordinary request to a model's answer, and past the rest.

Most requests repeat fields that came before on their connection, and ask a model for one item or a
list, or write one item. What such fields mean is settled once for all of them; then a request costs
a look-up of its first line, the gate's, the question, and its answer's bytes. Law: whatever is
answered here, `Exchange` would have answered with the same status, fields and body; a test compares
the two. What is out of the ordinary in any way, be it a field that is not listed here, goes there.

    ordinary := HTTP/1.1, kept alive, fields that came before, one plain path, a query for a list
                alone, the whole body there and nothing behind it, no limit on rates, no proxy
"""

import asyncio
import functools
import logging
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

import msgspec

from lithair.gateway.answers import CLOCK, JSON, START_LINES, WITHOUT_BODY, Fields, Problem
from lithair.gateway.credentials import SAFE_METHODS
from lithair.gateway.gate import CACHE_CONTROL, OPEN, VARY, Shown
from lithair.gateway.http_answer import head_bytes
from lithair.gateway.http_stage import Stage
from lithair.gateway.identity import NOBODY
from lithair.gateway.limits import check_head
from lithair.gateway.model_routes import CACHE_CONTROL as OPEN_CACHE_CONTROL
from lithair.gateway.model_routes import Question, answer_headers
from lithair.gateway.model_site import UNKNOWN_SEQ, ModelSite
from lithair.gateway.request_ids import FAILED as FAILED_HERE
from lithair.gateway.request_ids import REQUEST_ID, new_request_id
from lithair.gateway.routes import RESERVED, SHAPES, Action, Shape
from lithair.gateway.targets import TargetError, decode_query
from lithair.phase import FAILED
from lithair.transport.pending import Pairs
from lithair.wire.messages import Reply
from lithair.wire.protocol import Verb

if TYPE_CHECKING:
    from lithair.gateway.http_connection import HttpConnection
    from lithair.gateway.http_head import FieldBlock, HeadReader
    from lithair.gateway.site import Site

# Fields that mean nothing here, or what `Ordinary` says; with any other one nothing is ordinary.
ORDINARY_FIELDS: Final = frozenset(
    (
        "Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control",
        "Connection", "Content-Length", "Content-Type", "Cookie", "Dnt", "Host", "Keep-Alive",
        "Origin", "Pragma", "Priority", "Referer", "Sec-Ch-Ua", "Sec-Ch-Ua-Mobile",
        "Sec-Ch-Ua-Platform", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site",
        "Sec-Fetch-User", "User-Agent",
    )
)  # fmt: skip
_PLAIN_PATH: Final = re.compile(r"[A-Za-z0-9/_.~-]+")
_PLAIN_ID: Final = re.compile(rb"[A-Za-z0-9_.~-]+")
_QUERY: Final = re.compile(rb"[!\x22$-~\x80-\xff]*")  # what a target may have, but no #
_UNQUOTED_ID: Final = re.compile(r"[A-Za-z0-9_.~-]+")  # `quote` leaves these as they are
_RESERVED_IDS: Final = frozenset(word.encode() for word in RESERVED)
_VERSION: Final = b" HTTP/1.1\r\n"
QUERIES_MAX: Final = 512  # of lists, whose meaning is remembered; those of a page or two of a site
QUERY_BYTES_MAX: Final = 256  # of one of them: a page's own is shorter

log = logging.getLogger("lithair.http")

_PRIVATE: Final = f"Cache-Control: {CACHE_CONTROL}\r\nVary: {VARY}\r\n".encode()
_SHARED: Final = f"Cache-Control: {OPEN_CACHE_CONTROL}\r\n".encode()
_JSON: Final = b"Content-Type: application/json\r\n"
_ETAG: Final = b'Etag: "%d"\r\n'
_SEQ: Final = b"Lithair-Seq: %d\r\n"
_REST: Final = b"%bContent-Length: %d\r\nDate: %b\r\n\r\n%b"  # what else a head has, a body
_CLOSE: Final = b"Connection: close\r\n"
_METHODS: Final = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE"))
# A member of an enumeration is looked up by name each time; these are met on every request.
_BUSY: Final = Stage.BUSY
_LIST: Final = Verb.LIST
_now_s: Final = time.monotonic


class Ordinary(NamedTuple):
    """What ordinary fields say."""

    shown: Shown
    has_json: bool  # a body that comes with them is JSON
    names_nobody: bool  # neither a token nor a cookie is among them
    granted: Fields  # what a browser is told of who may read the answers
    granted_lines: bytes


EXTRAORDINARY: Final = "extraordinary"
_NO_REPLY: Final = Reply(0, 0, b"")


class Place(NamedTuple):
    """A method on a model's path, or on that of its items."""

    model: ModelSite
    action: Action
    method: str
    is_safe: bool
    found: bytes  # the form of an answer of status 200
    made: bytes  # that of one of status 201


class ShortAnswer(msgspec.Struct, eq=False):
    """A request that went the short way, until its answer is out or nobody waits for it."""

    way: "ShortWay"
    connection: "HttpConnection | None"
    place: Place
    said: Ordinary
    begun_s: float
    request_id: int = 0
    reply: Reply = _NO_REPLY

    def leave(self) -> None:
        """The client is gone: nobody waits for the answer any more."""
        self.connection = None
        self.place.model.cancel(self.request_id)

    def replied(self, reply: Reply) -> None:
        """Take what the model's process said, for an answer that goes out with others."""
        self.reply = reply
        self.way.send(self)


class ShortWay:
    """The short way through one gateway."""

    def __init__(self, site: "Site", loop: asyncio.AbstractEventLoop, *, is_tls: bool) -> None:
        self.figures = site.figures
        self._gate = site.gate
        self._collections = _places(site.models, Shape.COLLECTION)
        self._items = _places(site.models, Shape.ITEM)
        self._lines = {line + _VERSION: place for line, place in self._collections.items()}
        self._cross_origin = site.cross_origin
        self._body_bytes_max = site.limits.single
        self._is_tls = is_tls
        self._loop = loop
        self._outgoing: list[ShortAnswer] = []

    def take(self, connection: "HttpConnection", data: bytes, reader: "HeadReader") -> bool:
        """Take a request whose fields came before, with its whole body, if it is ordinary."""
        again = reader.again(data)
        if again is None:
            return False
        block, start, length, body_start = again
        if len(data) - body_start != length:
            return False
        said = block.said
        if said is None:
            said = block.said = self._look(block)
        if type(said) is not Ordinary:
            return False
        short = self._ask(connection, data[:start], said, data[body_start:])
        if short is None:
            return False
        connection.is_head_due = False
        connection.short = short
        connection.stage = _BUSY
        return True

    def _ask(
        self, connection: "HttpConnection", line: bytes, said: Ordinary, body: bytes
    ) -> ShortAnswer | None:
        """Ask the model that a request is for; None when it is not ordinary after all."""
        argument: str | Pairs = ""
        place = self._lines.get(line)
        if place is None:
            found = self._below(line)
            if found is None:
                return None
            place, argument = found
        elif place.action.verb is _LIST:
            argument = ()
        model, action, method, is_safe, _, _ = place
        if model.phase == FAILED:
            return None
        if body and not (action.takes_body and said.has_json and len(body) <= self._body_bytes_max):
            return None
        rule = model.rule
        if rule is OPEN and not (is_safe or said.names_nobody):
            return None  # an administrator writes in his own name
        identity = NOBODY if rule is OPEN else self._gate.known(rule, method, said.shown)
        if identity is None:
            return None
        verb = action.verb
        try:
            access = model.access(identity, verb)
        except Problem:
            return None
        begun_s = _now_s()
        short = ShortAnswer(self, connection, place, said, begun_s)
        short.request_id = model.ask_shortly(
            verb, argument, access, body, int(begun_s * 1000), short.replied
        )
        return short

    def _below(self, line: bytes) -> "tuple[Place, str | Pairs] | None":
        """Find an item's place and its id, or a collection's and its query."""
        if not line.endswith(_VERSION):
            return None
        line = line[: -len(_VERSION)]
        before, _, key = line.rpartition(b"/")
        place = self._items.get(before)
        if place is not None:
            if _PLAIN_ID.fullmatch(key):
                return None if key in _RESERVED_IDS else (place, key.decode("ascii"))
            return None
        before, _, query = line.partition(b"?")
        place = self._collections.get(before)
        if place is None or place.action.verb is not _LIST:
            return None
        pairs = (_pairs if len(query) > QUERY_BYTES_MAX else _remembered_pairs)(query)
        return None if pairs is None else (place, pairs)

    def send(self, answer: ShortAnswer) -> None:
        """Have an answer sent with all others that came in the same turn of the loop.

        Sent one after the other, without other work between, they wake their readers less often.
        """
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(answer)

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        answered, now_s, date = self.figures.answered, _now_s(), CLOCK.date_bytes()
        for answer in outgoing:
            connection = answer.connection
            if connection is None:
                continue
            answer.connection = connection.short = None
            try:
                data = _answer_bytes(answer, date, connection.is_last)
                answered(answer.place.method, answer.reply.status, now_s - answer.begun_s)
                connection.transport.write(data)
                connection.go_on(keeps_alive=True)
            except Exception:  # the loop of all connections: the others are not to wait
                log.exception("an answer could not be sent; its connection is closed")
                connection.close()

    def _look(self, block: "FieldBlock") -> object:
        """Say what fields mean that come again and again."""
        fields = block.fields
        if not ORDINARY_FIELDS.issuperset(fields.names()):
            return EXTRAORDINARY
        try:
            check_head("HTTP/1.1", fields)
        except Problem:
            return EXTRAORDINARY
        kinds = fields.get_list("Content-Type")
        is_framed = block.keeps_alive and block.length >= 0
        if not is_framed or len(kinds) > 1 or (kinds and kinds[0] != JSON):
            return EXTRAORDINARY
        shown = self._gate.shown(fields, self._is_tls)
        names_nobody = "Authorization" not in fields and "Cookie" not in fields
        granted = self._cross_origin.fields(fields.get("Origin"))
        lines = "".join(f"{name}: {value}\r\n" for name, value in granted).encode("latin-1")
        return Ordinary(shown, bool(kinds), names_nobody, granted, lines)


def _answer_bytes(answer: ShortAnswer, date: bytes, is_last: bool) -> bytes:
    """Write what the model's process said as an answer."""
    place = answer.place
    _, status, body, seq, item_seq, key = answer.reply
    more = answer.said.granted_lines
    if is_last:
        more += _CLOSE
    if status == 200:
        if place.action.has_etag:
            return place.found % (item_seq, seq, more, len(body), date, body)
        return place.found % (seq, more, len(body), date, body)
    if status == 201 and place.action.has_etag:
        name = (key if _UNQUOTED_ID.fullmatch(key) else quote(key, safe="")).encode("ascii")
        return place.made % (item_seq, seq, name, more, len(body), date, body)
    return _other(answer, is_last)


def _other(answer: ShortAnswer, is_last: bool) -> bytes:
    """Write an answer that shows nothing: a refusal, or what a deletion says."""
    reply, place = answer.reply, answer.place
    model, status = place.model, reply.status
    question = Question(place.action, "", [], None, None, None)
    headers = answer_headers(question, reply, model.location_prefix, model.is_private)
    if status == 503:
        headers["Retry-After"] = str(model.retry_after_s)
    if reply.seq or model.seq != UNKNOWN_SEQ:
        headers["Lithair-Seq"] = str(reply.seq)
    if model.is_private:
        headers["Cache-Control"] = CACHE_CONTROL
        headers["Vary"] = VARY
    if status >= 400:
        headers[REQUEST_ID] = request_id = new_request_id()  # it came with none
        if status == 500:  # the model's process has said why, and not to whom
            log.error(FAILED_HERE, place.method, model.location_prefix, request_id)
    for name, value in answer.said.granted:
        headers.add(name, value)
    if is_last:
        headers["Connection"] = "close"
    body = b"" if status in WITHOUT_BODY else reply.body
    if status not in WITHOUT_BODY:
        headers["Content-Length"] = str(len(body))
    headers["Date"] = CLOCK.date()
    return head_bytes(START_LINES[status], headers) + body


def _pairs(query: bytes) -> Pairs | None:
    """Read a list's query; None where it can't be read, or is none."""
    if not _QUERY.fullmatch(query):
        return None
    try:
        return tuple(decode_query(query.decode("latin-1")))
    except TargetError:
        return None


_remembered_pairs = functools.lru_cache(QUERIES_MAX)(_pairs)


def _places(models: Mapping[str, ModelSite], shape: Shape) -> dict[bytes, Place]:
    """Give what ordinary requests may be for, by method and path."""
    return {
        f"{method} {path}".encode("ascii"): _place(model, method, action)
        for path, model in models.items()
        if _PLAIN_PATH.fullmatch(path)
        for method, action in SHAPES[shape].items()
        if method in _METHODS
    }


def _place(model: ModelSite, method: str, action: Action) -> Place:
    """Write out what all answers have that are no refusals; the gate's rule of a model stands."""
    shown = _JSON + (_PRIVATE if model.is_private else _SHARED)
    shown += (_ETAG if action.has_etag else b"") + _SEQ
    location = b"Location: " + model.location_prefix.encode("ascii") + b"%b\r\n"
    return Place(
        model,
        action,
        method,
        method in SAFE_METHODS,
        b"HTTP/1.1 200 OK\r\n" + shown + _REST,
        b"HTTP/1.1 201 Created\r\n" + shown + location + _REST,
    )

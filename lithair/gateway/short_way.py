"""The short way: from the head of an ordinary request to a model's answer, and past the rest.

Most requests repeat the fields of the one before on their connection, and ask a model for one item
or a list, or write one item. What such fields mean is settled once for all of them; then a request
costs the gate's look-up, the question, and its answer's bytes. Law: whatever is answered here,
`Exchange` would have answered with the same status, fields and body, and a test compares the two.
What is out of the ordinary in any way, be it a field that is not listed here, goes to `Exchange`.

    ordinary := HTTP/1.1, kept alive, fields of the request before, one plain path, a query for a
                list alone, the whole body there, no limit on rates, no proxy
"""

import asyncio
import logging
import re
import time
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

from lithair.gateway.answers import CLOCK, JSON, START_LINES, WITHOUT_BODY, Fields, Problem
from lithair.gateway.credentials import SAFE_METHODS
from lithair.gateway.gate import CACHE_CONTROL, OPEN, VARY, Shown
from lithair.gateway.http_answer import head_bytes
from lithair.gateway.http_stage import Stage
from lithair.gateway.limits import check_head
from lithair.gateway.model_routes import CACHE_CONTROL as OPEN_CACHE_CONTROL
from lithair.gateway.model_routes import Question, answer_headers
from lithair.gateway.model_site import UNKNOWN_SEQ, ModelSite
from lithair.gateway.request_ids import FAILED as FAILED_HERE
from lithair.gateway.request_ids import REQUEST_ID, new_request_id
from lithair.gateway.routes import RESERVED, SHAPES, Action, Shape
from lithair.gateway.targets import TargetError, decode_query
from lithair.phase import FAILED
from lithair.wire.messages import Reply
from lithair.wire.protocol import Verb

if TYPE_CHECKING:
    from lithair.gateway.http_connection import HttpConnection
    from lithair.gateway.http_head import FieldBlock, Head
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

log = logging.getLogger("lithair.http")

_PRIVATE: Final = f"Cache-Control: {CACHE_CONTROL}\r\nVary: {VARY}\r\n".encode()
_SHARED: Final = f"Cache-Control: {OPEN_CACHE_CONTROL}\r\n".encode()
_ITEM: Final = (
    b"HTTP/1.1 %b\r\nContent-Type: application/json\r\n%b"
    b'Etag: "%d"\r\nLithair-Seq: %d\r\n%b%bContent-Length: %d\r\nDate: %b\r\n\r\n%b'
)
_PAGE: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%b"
    b"Lithair-Seq: %d\r\n%bContent-Length: %d\r\nDate: %b\r\n\r\n%b"
)
_CLOSE: Final = b"Connection: close\r\n"


class Ordinary(NamedTuple):
    """What ordinary fields say."""

    shown: Shown
    has_json: bool  # a body that comes with them is JSON
    names_nobody: bool  # neither a token nor a cookie is among them
    granted: Fields  # what a browser is told of who may read the answers
    granted_lines: bytes


EXTRAORDINARY: Final = "extraordinary"


class ShortAnswer:
    """A request that went the short way, until its answer is out or nobody waits for it."""

    __slots__ = ("_action", "_begun_s", "_is_private", "_method", "_model", "_said", "_way",
                 "connection", "data", "request_id")  # fmt: skip

    def __init__(
        self, way: "ShortWay", connection: "HttpConnection", model: ModelSite, said: Ordinary
    ) -> None:
        self.connection: HttpConnection | None = connection
        self.data = b""
        self.request_id = 0
        self._way = way
        self._model = model
        self._said = said
        self._is_private = model.is_private
        self._method = ""
        self._begun_s = 0.0

    def begin(self, method: str, action: Action, now_s: float) -> None:
        """Take what the answer will have to know."""
        self._method = method
        self._action = action
        self._begun_s = now_s

    def leave(self) -> None:
        """The client is gone: nobody waits for the answer any more."""
        self.connection = None
        self._model.cancel(self.request_id)

    def replied(self, reply: Reply) -> None:
        """Write what the model's process said as an answer, to go out with others."""
        connection = self.connection
        if connection is None:
            return
        way, status = self._way, reply.status
        more = self._said.granted_lines
        if connection.is_last:
            more += _CLOSE
        if (status == 200 or status == 201) and self._action.has_etag:
            location = b""
            if status == 201:
                place = self._model.location_prefix + quote(reply.key, safe="")
                location = b"Location: %b\r\n" % place.encode("latin-1")
            body = reply.body
            self.data = _ITEM % (
                b"200 OK" if status == 200 else b"201 Created",
                _PRIVATE if self._is_private else _SHARED,
                reply.item_seq,
                reply.seq,
                location,
                more,
                len(body),
                CLOCK.date_bytes(),
                body,
            )
        elif status == 200:
            self.data = _PAGE % (
                _PRIVATE if self._is_private else _SHARED,
                reply.seq,
                more,
                len(reply.body),
                CLOCK.date_bytes(),
                reply.body,
            )
        else:
            self.data = self._other(reply, connection.is_last)
        way.figures.answered(self._method, status, time.monotonic() - self._begun_s)
        way.send(self)

    def _other(self, reply: Reply, is_last: bool) -> bytes:
        """Write an answer that shows nothing: a refusal, or what a deletion says."""
        model, status = self._model, reply.status
        question = Question(self._action, "", [], None, None, None)
        headers = answer_headers(question, reply, model.location_prefix, self._is_private)
        if status == 503:
            headers["Retry-After"] = str(model.retry_after_s)
        if reply.seq or model.seq != UNKNOWN_SEQ:
            headers["Lithair-Seq"] = str(reply.seq)
        if self._is_private:
            headers["Cache-Control"] = CACHE_CONTROL
            headers["Vary"] = VARY
        if status >= 400:
            headers[REQUEST_ID] = request_id = new_request_id()  # it came with none
            if status == 500:  # the model's process has said why, and not to whom
                log.error(FAILED_HERE, self._method, model.location_prefix, request_id)
        for name, value in self._said.granted:
            headers.add(name, value)
        if is_last:
            headers["Connection"] = "close"
        body = b"" if status in WITHOUT_BODY else reply.body
        if status not in WITHOUT_BODY:
            headers["Content-Length"] = str(len(body))
        headers["Date"] = CLOCK.date()
        return head_bytes(START_LINES[status], headers) + body


class ShortWay:
    """The short way through one gateway."""

    def __init__(self, site: "Site", loop: asyncio.AbstractEventLoop, *, is_tls: bool) -> None:
        self.figures = site.figures
        self._gate = site.gate
        self._models = site.models
        self._cross_origin = site.cross_origin
        self._body_bytes_max = site.limits.single
        self._is_tls = is_tls
        self._loop = loop
        self._outgoing: list[ShortAnswer] = []

    def take(self, connection: "HttpConnection", head: "Head", body: bytes) -> bool:
        """Take a request whose fields came before, with its whole body, if it is ordinary."""
        block = head.block
        if block is None or not block.keeps_alive or len(body) != head.length:
            return False
        said = block.said
        if said is None:
            said = block.said = self._look(block)
        short = self._ask(connection, head, said, body) if type(said) is Ordinary else None
        if short is None:
            return False
        connection.is_head_due = False
        connection.short = short
        connection.stage = Stage.BUSY
        return True

    def _ask(
        self, connection: "HttpConnection", head: "Head", said: Ordinary, body: bytes
    ) -> ShortAnswer | None:
        """Ask the model that a request is for; None when it is not ordinary after all."""
        method, pairs = head.method, None  # the latter of a list
        path, has_query, query = head.target.partition("?")
        if not _PLAIN_PATH.fullmatch(path):
            return None
        model, key, shape = self._models.get(path), "", Shape.COLLECTION
        if model is None:
            before, _, key = path.rpartition("/")
            model, shape = self._models.get(before), Shape.ITEM
            if not key or key in RESERVED:
                return None
        if model is None or model.phase == FAILED:
            return None
        action = _ACTIONS.get((shape, method))
        if action is None or (body and not (action.takes_body and said.has_json)):
            return None
        if len(body) > self._body_bytes_max:
            return None
        if action.verb is Verb.LIST:
            pairs = _pairs(query)
            if pairs is None:
                return None
        elif has_query:
            return None
        if model.rule is OPEN and not said.names_nobody and method not in SAFE_METHODS:
            return None  # an administrator writes in his own name
        identity = self._gate.known(model.rule, method, said.shown)
        if identity is None:
            return None
        try:
            access = model.access(identity, action.verb)
        except Problem:
            return None
        now_s = time.monotonic()
        short = ShortAnswer(self, connection, model, said)
        short.begin(method, action, now_s)
        asked = key if pairs is None else pairs
        short.request_id = model.ask_shortly(
            action.verb, asked, access, body, int(now_s * 1000), short.replied
        )
        return short

    def send(self, answer: ShortAnswer) -> None:
        """Have an answer sent with all others that came in the same turn of the loop.

        Sent one after the other, without other work between, they wake their readers less often.
        """
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(answer)

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        for answer in outgoing:
            connection = answer.connection
            if connection is None:
                continue
            answer.connection = connection.short = None
            try:
                connection.transport.write(answer.data)
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
        if block.length < 0 or len(kinds) > 1 or (kinds and kinds[0] != JSON):
            return EXTRAORDINARY
        shown = self._gate.shown(fields, self._is_tls)
        names_nobody = "Authorization" not in fields and "Cookie" not in fields
        granted = self._cross_origin.fields(fields.get("Origin"))
        lines = "".join(f"{name}: {value}\r\n" for name, value in granted).encode("latin-1")
        return Ordinary(shown, bool(kinds), names_nobody, granted, lines)


def _pairs(query: str) -> list[tuple[str, str]] | None:
    """Read a list's query; None where it can't be read."""
    try:
        return None if "#" in query else decode_query(query)
    except TargetError:
        return None


_ACTIONS: Final = {
    (shape, method): action
    for shape, methods in (
        (Shape.ITEM, ("GET", "PUT", "PATCH", "DELETE")),
        (Shape.COLLECTION, ("GET", "POST")),
    )
    for method in methods
    for action in (SHAPES[shape][method],)
}

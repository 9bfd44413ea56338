"""One request and its answer, below Tornado's RequestHandler.

Owns the life of a request on a connection, through Tornado's contract alone (HTTPMessageDelegate
towards us, HTTPConnection away from us), so any transport that speaks the contract can carry it;
`exchange_stage` says how far it can have come.

Law: a model's route is behind the gate, whatever it is, and nothing of the request is looked at
before the gate has let it through. Exactly one answer, whatever happens; when the client is gone,
none, and the question to the model is cancelled.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final

from tornado.httputil import (
    HTTPHeaders,
    HTTPInputError,
    HTTPMessageDelegate,
    RequestStartLine,
    ResponseStartLine,
)

from lithair.gateway.answer_connection import AnswerConnection
from lithair.gateway.answers import RETRY_SOON, Fields, Prepared, Problem, begin, headers_of, send
from lithair.gateway.contract import Connection, RequestDelegate
from lithair.gateway.exchange_stage import Stage
from lithair.gateway.fields import NoFields
from lithair.gateway.gate import CACHE_CONTROL, OPEN, VARY, Lookup
from lithair.gateway.identity import NOBODY, Identity
from lithair.gateway.limits import check_head, declared_length, refusal_of
from lithair.gateway.model_routes import Question, answer_headers, is_not_modified, options, plan
from lithair.gateway.model_site import UNKNOWN_SEQ, Asker, ModelSite
from lithair.gateway.proxies import SOMEBODY
from lithair.gateway.request_ids import FAILED, REQUEST_ID, request_id_of
from lithair.gateway.routes import METHOD_ORDER, STREAM_SHAPES, Route, resolve
from lithair.gateway.streams.answer import StreamAnswer, StreamRequest, put_off
from lithair.gateway.targets import TargetError, decode_path, decode_query, split_target
from lithair.wire.messages import Reply
from lithair.wire.protocol import Verb

if TYPE_CHECKING:
    from lithair.gateway.site import Site

TOO_MANY_BODIES: Final = "Too many long bodies are being received"
LINGER_S: Final = 5.0  # for a sender to see the refusal before its connection is closed

_log = logging.getLogger("lithair.http")
_NO_HEADERS: Final[HTTPHeaders] = NoFields()
_CLOSE: Final = (("Connection", "close"),)


class Exchange(RequestDelegate):
    """A request on its way to its answer."""

    __slots__ = (
        "_asker", "_begun_s", "_body", "_client", "_connection", "_headers", "_held", "_inner",
        "_is_chunked", "_is_private", "_is_stream", "_limit", "_linger", "_method", "_model",
        "_outer", "_path", "_prepared", "_question", "_received", "_request_id", "_server_conn",
        "_site", "_stream", "stage",
    )  # fmt: skip

    def __init__(self, site: "Site", server_conn: object, connection: Connection) -> None:
        self._site = site
        self._server_conn = server_conn
        self._connection = connection
        self.stage = Stage.HEAD
        self._method = ""
        self._path = ""
        self._client = SOMEBODY
        self._headers = _NO_HEADERS
        self._model: ModelSite | None = None  # once the gate has let the request through to it
        self._asker: Asker | None = None  # once it is known that he may ask that
        self._is_private = False  # the answer is for whoever asked, and for nobody else
        self._question: Question | None = None
        self._prepared: Prepared | None = None
        self._inner: HTTPMessageDelegate | None = None
        self._outer: AnswerConnection | None = None
        self._limit = site.limits.single
        self._body: list[bytes] = []
        self._received = 0
        self._held = 0
        self._request_id = 0
        self._stream: StreamAnswer | None = None
        self._is_stream = False
        self._is_chunked = False  # an answer that goes on comes in chunks
        self._linger: asyncio.TimerHandle | None = None
        self._begun_s = 0.0  # when its whole head was there

    # The transport's side: HTTPMessageDelegate.

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        """Decide from the head alone where the request goes, or what refuses it."""
        assert isinstance(start_line, RequestStartLine)
        self._begun_s = time.monotonic()
        self._method = start_line.method
        self._headers = headers
        self._is_chunked = start_line.version != "HTTP/1.0"
        try:
            check_head(start_line.version, headers)
            if start_line.path == "*" and start_line.method == "OPTIONS":
                self._refuse(Prepared(204, (("Allow", ", ".join(METHOD_ORDER)),), b""))
                return None
            raw_path, query = split_target(start_line.path)
            path = decode_path(raw_path)
            callers = self._site.callers
            self._client = callers.client(self._connection, headers)
            callers.check(self._client, self._method, raw_path, headers)
            found = None if path is None else resolve(self._site.models, path)
            if path is None or found is None:
                return self._delegate(start_line, raw_path, query)
            self._path = path
            return self._knock(found[0], found[1], query)
        except (Problem, TargetError, HTTPInputError) as error:
            self._refuse(refusal_of(error))
        return None

    def refuse_head(self, start_line: RequestStartLine, headers: HTTPHeaders, why: Problem) -> None:
        """Take a head that the transport itself refuses, in place of `headers_received`."""
        self._begun_s = time.monotonic()
        self._method = start_line.method
        self._headers = headers
        self._refuse(why.prepared())

    def give_up(self, why: Problem) -> bool:
        """Answer at once, when nothing was answered yet, and close; the transport's patience ended.

        Returns whether an answer went out.
        """
        if self.stage is Stage.DELEGATED and self._outer is not None and not self._outer.is_begun:
            self._leave_application()
            self.stage = Stage.BODY
        if self.stage not in (Stage.HEAD, Stage.BODY, Stage.REFUSED):
            return False
        self._release()
        self._send_prepared(why.prepared(), _CLOSE)
        self._finish()
        return True

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Keep a piece of the body, up to the limit."""
        self._received += len(chunk)
        if self.stage is Stage.REFUSED and self._received > self._limit:
            assert self._prepared is not None
            self._start_lingering(self._prepared)
        if self.stage is not Stage.BODY and self.stage is not Stage.DELEGATED:
            return None
        self._held += len(chunk)
        self._site.held_bytes += len(chunk)
        if self._received > self._limit:
            self._interrupt(self._too_large())
        elif self._site.held_bytes > self._site.limits.held:
            self._interrupt(Problem(503, TOO_MANY_BODIES, RETRY_SOON).prepared())
        elif self._inner is not None:
            return self._inner.data_received(chunk)
        else:
            self._body.append(chunk)
        return None

    def finish(self) -> None:
        """The request is complete: ask the model, or send the answer that is already known."""
        self._release()
        if self.stage is Stage.BODY:
            self._ask()
        elif self.stage is Stage.DELEGATED:
            assert self._inner is not None
            self._inner.finish()
        elif self.stage is Stage.REFUSED:
            assert self._prepared is not None
            self._send_prepared(self._prepared)
            self._finish()
        elif self.stage is Stage.LINGERING:
            self._finish()

    def on_connection_close(self) -> None:
        """The client is gone: nobody waits for the answer any more."""
        self._release()
        if self._stream is not None:
            self._stream.end()
        elif self.stage is Stage.ASKED:
            assert self._model is not None
            self._model.cancel(self._request_id)
        elif self.stage is Stage.DELEGATED and self._inner is not None:
            self._inner.on_connection_close()
        if self._linger is not None:
            self._linger.cancel()
        self.stage = Stage.ANSWERED

    # A model's route.

    def _knock(self, model: ModelSite, route: Route, query: str) -> Awaitable[None] | None:
        site = self._site
        rule = model.rule_of(self._method)
        self._is_stream = route.shape in STREAM_SHAPES
        if self._method == "OPTIONS":
            self._model = model if rule is OPEN else None
            self._refuse(options(route.shape, self._headers, site.cross_origin))
            return None
        verdict: Identity | Problem = NOBODY
        if rule is not OPEN:
            self._is_private = model.rule is not OPEN
            found = site.gate.admit(rule, self._method, self._headers, self._client.is_tls)
            if isinstance(found, Lookup):
                self.stage = Stage.ADMITTING
                return self._look_up(found, model, route, query)
            verdict = found
        self._enter(verdict, model, route, query)
        return None

    async def _look_up(self, lookup: Lookup, model: ModelSite, route: Route, query: str) -> None:
        """Go on once the gate knows; until then nothing more of the request is read."""
        verdict = await self._site.gate.look_up(lookup)
        if self.stage is not Stage.ADMITTING:
            return
        try:
            self._enter(verdict, model, route, query)
        except (Problem, TargetError, HTTPInputError) as error:
            self._refuse(refusal_of(error))

    def _enter(
        self, verdict: Identity | Problem, model: ModelSite, route: Route, query: str
    ) -> None:
        if isinstance(verdict, Problem):
            raise verdict
        self._model = model
        self._question = question = plan(route, self._method, query, self._headers)
        access = model.access(verdict, question.action.verb)
        self._asker = (verdict, self._method, self._path, access)
        if question.action.is_bulk:
            self._limit = self._site.limits.bulk
        if declared_length(self._headers) > self._limit:
            self._refuse(self._too_large())
            return
        refusal = model.refusal()
        if refusal is not None:
            self._refuse(refusal)
            return
        self.stage = Stage.BODY

    def _ask(self) -> None:
        assert self._model is not None
        assert self._question is not None
        assert self._asker is not None
        body = self._body
        whole = body[0] if len(body) == 1 else b"".join(body)
        self._body = []
        self.stage = Stage.ASKED
        self._connection.set_close_callback(self.on_connection_close)
        if self._question.action.verb is Verb.EVENTS:
            self._open_stream(self._model, self._question)
            return
        self._request_id = self._model.ask(self._question, self._asker, whole, self._replied)

    def _replied(self, reply: Reply) -> None:
        if self.stage is not Stage.ASKED:
            return
        assert self._model is not None
        assert self._question is not None
        if is_not_modified(self._question, reply):
            reply = reply._replace(status=304, body=b"")
        prefix, is_private = self._model.location_prefix, self._is_private
        headers = answer_headers(self._question, reply, prefix, is_private)
        if reply.status == 503:
            headers["Retry-After"] = str(self._model.retry_after_s)
        if reply.seq or self._model.seq != UNKNOWN_SEQ:
            headers["Lithair-Seq"] = str(reply.seq)
        self._send(reply.status, headers, reply.body)
        self._finish()

    def _open_stream(self, model: ModelSite, question: Question) -> None:
        assert self._asker is not None
        asked = StreamRequest(
            model, question, self._asker, self._headers, self._client.is_tls, self._is_chunked
        )
        self._stream = StreamAnswer(self._site, asked, self._refuse_stream, self._begin_stream)

    def _refuse_stream(self, prepared: Prepared) -> None:
        self._send_prepared(put_off(prepared, self._headers))
        self._finish()

    def _begin_stream(self, headers: HTTPHeaders) -> Connection | None:
        """Send the head of a stream; gives where it goes on, which a HEAD does not."""
        self._dress(200, headers)
        begin(self._connection, headers)
        if self._method != "HEAD":
            return self._connection
        self._finish()
        return None

    # Refusals, and other answers that the head alone gives rise to.

    def _refuse(self, prepared: Prepared) -> None:
        """Answer with this once the body was read and thrown away."""
        if self._is_stream:
            prepared = put_off(prepared, self._headers)
        self._prepared = prepared
        self.stage = Stage.REFUSED
        if self._headers.get("Expect", "").lower() == "100-continue":
            # The body was not sent yet, and won't be: an answer in its place saves it.
            self._send_prepared(prepared, _CLOSE)
            self._finish()
        elif declared_length(self._headers) > self._limit:
            self._start_lingering(prepared)

    def _too_large(self) -> Prepared:
        return Problem(413, f"The body is over the limit of {self._limit} bytes").prepared()

    def _interrupt(self, prepared: Prepared) -> None:
        """Answer with this in the middle of a body, unless an answer has begun."""
        self._release()
        if self.stage is Stage.DELEGATED:
            if self._outer is None or self._outer.is_begun:
                return
            self._leave_application()
        self._start_lingering(prepared)

    def _release(self) -> None:
        self._site.held_bytes -= self._held
        self._held = 0

    def _start_lingering(self, prepared: Prepared) -> None:
        self.stage = Stage.LINGERING
        self._body = []
        self._send_prepared(prepared)
        self._linger = asyncio.get_running_loop().call_later(LINGER_S, self._finish)

    # Everything that is no model's.

    def _delegate(
        self, start_line: RequestStartLine, raw_path: str, query: str
    ) -> Awaitable[None] | None:
        decode_query(query)
        fields = self._site.cross_origin.fields(self._headers.get("Origin"))
        self._outer = AnswerConnection(
            self._connection, fields, self._count, self._client, self._headers
        )
        self._inner = self._site.application.start_request(self._server_conn, self._outer)
        self.stage = Stage.DELEGATED
        target = f"{raw_path}?{query}" if query else raw_path
        waiting = self._inner.headers_received(start_line._replace(path=target), self._headers)
        if declared_length(self._headers) > self._limit and not self._outer.is_begun:
            self._leave_application()
            self._refuse(self._too_large())
            return None  # nobody waits for the application any more
        return waiting

    def _leave_application(self) -> None:
        assert self._inner is not None
        assert self._outer is not None
        self._outer.detach_answer()
        self._inner.on_connection_close()
        self._inner = None

    # The way out.

    def _send_prepared(self, prepared: Prepared, more: Fields = ()) -> None:
        headers = headers_of(prepared.fields, more)
        if self._model is not None and self._model.seq != UNKNOWN_SEQ:
            headers["Lithair-Seq"] = str(self._model.seq)
        self._send(prepared.status, headers, prepared.body)

    def _send(self, status: int, headers: HTTPHeaders, body: bytes) -> None:
        self._dress(status, headers)
        send(self._connection, status, headers, body, self._method == "HEAD")

    def _dress(self, status: int, headers: HTTPHeaders) -> None:
        """Add what is in the head of every answer, and count it."""
        site = self._site
        self._count(status)
        if self._is_private:
            headers["Cache-Control"] = CACHE_CONTROL
            headers["Vary"] = VARY
        if status >= 400 or REQUEST_ID in self._headers._as_list:
            headers[REQUEST_ID] = request_id_of(self._headers)
            if status == 500:  # the model's process has said why, and not to whom
                _log.error(FAILED, self._method, self._path or "-", headers[REQUEST_ID])
        if not site.cross_origin.is_off:
            for name, value in site.cross_origin.fields(self._headers.get("Origin")):
                headers.add(name, value)
        if site.is_logging:
            address = self._client.address or "-"
            _log.debug("%s %s %s %d", address, self._method, self._path or "-", status)

    def _count(self, status: int) -> None:
        now_s = time.monotonic()
        self._site.figures.answered(self._method, status, now_s - (self._begun_s or now_s))

    def _finish(self) -> None:
        if self.stage is Stage.ANSWERED:
            return
        self.stage = Stage.ANSWERED
        if self._linger is not None:
            self._linger.cancel()
        self._connection.finish()
